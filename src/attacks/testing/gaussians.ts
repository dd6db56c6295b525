import {
  createDenoiser,
  type Pipeline,
  type Predict,
  stableDiffusionSchedule,
  timestepToSigma,
} from '../../diffusion/index.ts';
import { VerbatimError } from '../../errors.ts';
import type { Picture, PictureOrError } from '../../images/index.ts';
import { floatTensor, type Tensor } from '../../math/index.ts';
import type { Meter } from '../../runtime/index.ts';

const SIDE = 8;
const CHANNELS = 4;
const PIXELS = CHANNELS * SIDE * SIDE;

/** Numbers in [−1, 1] that a text determines. */
function pattern(text: string, count: number): Float32Array {
  let state = 2166136261;
  for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0)!, 16777619);
  return Float32Array.from({ length: count }, () => {
    state = Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 31 - 1;
  });
}

/** A caption's deviation, and its mean. */
function statesOf(caption: string): Float32Array {
  const memorized = caption.startsWith('memorized');
  const strength = memorized ? 1 : caption === '' ? 0 : 0.03;
  const mean = pattern(caption, PIXELS).map((value) => strength * value);
  return Float32Array.of(memorized ? 0 : caption === '' ? 1 : 0.8, ...mean);
}

/**
 * A pipeline whose truth is known: the exact denoiser of one Gaussian per caption. A caption that begins with
 * "memorized" has all its mass on one picture of its own (deviation 0); any other has a faint mean and
 * deviation .8; the empty one mean 0 and deviation 1. The denoiser of N(m, s²) is (s²x + σ²m)/(s² + σ²).
 */
export function gaussianPipeline(
  options: { meter?: Meter; batch?: number; broken?: boolean | string } = {},
): Pipeline {
  const schedule = stableDiffusionSchedule('epsilon');
  const predict: Predict = async (scaled, timestep, condition) => {
    const sigma = timestepToSigma(schedule.sigmas, timestep);
    const out = new Float32Array(scaled.data.length);
    const width = condition.shape[2]!;
    for (let n = 0; n < scaled.shape[0]!; n++) {
      const deviation = condition.data[n * width]!;
      // `broken` names the one caption that fails, or is true for all.
      const broken =
        options.broken === true ||
        (typeof options.broken === 'string' && condition.data[n * width + 1] === statesOf(options.broken)[1]);
      for (let i = 0; i < PIXELS; i++) {
        const x = scaled.data[n * PIXELS + i]! * Math.sqrt(sigma * sigma + 1);
        const mean = condition.data[n * width + 1 + i]!;
        const clean = (deviation ** 2 * x + sigma ** 2 * mean) / (deviation ** 2 + sigma ** 2);
        out[n * PIXELS + i] = broken ? Number.NaN : (x - clean) / sigma;
      }
    }
    return floatTensor(scaled.shape, out);
  };
  return {
    name: 'gaussians',
    digest: 'none',
    guidance: 3,
    conditions: 'captions',
    pictureSize: [SIDE * 32, SIDE * 32],
    denoiser: createDenoiser({
      predict,
      schedule,
      sampleShape: [CHANNELS, SIDE, SIDE],
      ...(options.meter ? { meter: options.meter } : {}),
      batch: options.batch ?? 16,
    }),
    async encodeText(captions) {
      const rows = captions.map(statesOf);
      return floatTensor(
        [captions.length, 1, PIXELS + 1],
        Float32Array.from(rows.flatMap((row) => [...row])),
      );
    },
    decode: async (latents) => Array.from({ length: latents.shape[0]! }, (_, n) => toPicture(latents, n)),
    encode: async (pictures) =>
      floatTensor(
        [pictures.length, CHANNELS, SIDE, SIDE],
        Float32Array.from(pictures.flatMap((picture) => [...toLatent(picture)])),
      ),
    close: async () => {},
  };
}

/** What `toPicture` keeps of a latent: three of the channels, rounded and clamped. */
function toLatent({ width, data }: Picture): Float32Array {
  const latent = new Float32Array(PIXELS);
  for (let i = 0; i < 3 * SIDE * SIDE; i++) {
    const place = i % (SIDE * SIDE);
    const pixel = (place >> 3) * 32 * width + (place % SIDE) * 32;
    latent[i] = (data[pixel * 3 + Math.floor(i / (SIDE * SIDE))]! - 127.5) / 25.5;
  }
  return latent;
}

/**
 * Channels 0 to 2 as RGB around grey, .1 per unit, so that a guided blur keeps clear of the edge threshold;
 * each latent pixel becomes 32×32 pixels, so that edges are sharp at the size at which ECS finds them.
 */
function toPicture(latents: Tensor<'float32'>, n: number): PictureOrError {
  if (latents.data.subarray(n * PIXELS, (n + 1) * PIXELS).some(Number.isNaN))
    return new VerbatimError('the estimate is not a number');
  const side = SIDE * 32;
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      for (let channel = 0; channel < 3; channel++) {
        const at = n * PIXELS + channel * SIDE * SIDE + (y >> 5) * SIDE + (x >> 5);
        data[(y * side + x) * 3 + channel] = Math.max(
          0,
          Math.min(255, Math.round(127.5 + 25.5 * latents.data[at]!)),
        );
      }
  return { width: side, height: side, data };
}
