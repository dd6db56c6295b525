import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PlantedSet, TruthRow } from '../../datasets/index.ts';
import type { Pipeline } from '../../diffusion/index.ts';
import { VerbatimError } from '../../errors.ts';
import type { Picture, PictureOrError } from '../../images/index.ts';
import { floatTensor, type Tensor } from '../../math/index.ts';
import { createMeter, type Meter } from '../../runtime/index.ts';

const side = 8;
const values = 3 * side * side;

/** Numbers in [−1, 1] that a text determines. */
function pattern(text: string): Float32Array {
  const bytes: number[] = [];
  for (let block = 0; bytes.length < values; block += 1)
    bytes.push(...createHash('sha256').update(`${block}:${text}`).digest());
  return Float32Array.from(bytes.slice(0, values), (byte) => byte / 127.5 - 1);
}

/** Latents as pictures, an error where they are not numbers. */
function decode(latents: Tensor<'float32'>): PictureOrError[] {
  return Array.from({ length: latents.shape[0]! }, (_, n) => {
    const latent = latents.data.subarray(n * values, (n + 1) * values);
    return latent.some(Number.isNaN) ? new VerbatimError('not a number') : toPicture(latent);
  });
}

/** Latent [3, 8, 8] in [−1, 1] → an 8×8 picture. */
function toPicture(latent: Float32Array): Picture {
  const data = new Uint8Array(values);
  for (let channel = 0; channel < 3; channel += 1)
    for (let i = 0; i < side * side; i += 1)
      data[i * 3 + channel] = Math.max(0, Math.min(255, Math.round(127.5 * (latent[channel * 64 + i]! + 1))));
  return { width: side, height: side, data };
}

export interface FakeOptions {
  /** Called with every batch's captions before it is denoised; may throw. */
  readonly onCaptions?: (captions: readonly string[]) => void;
  /** Captions that begin with this are not numbers to the model: nor is what it makes of them. */
  readonly brokenCaption?: string;
  /** Time that a denoiser call takes, for tests that kill. */
  readonly delayMs?: number;
}

/**
 * The exact denoiser of one Gaussian per caption, N(m, s²): D = (s²x + σ²m) / (s² + σ²). Captions that begin
 * with 'often' are memorized (s = 0, m their picture); others have a faint mean and s = .8.
 */
export function fakeModel(options: FakeOptions = {}): { pipeline: Pipeline; meter: Meter } {
  const meter = createMeter();
  const sigmas = Float64Array.from({ length: 1000 }, (_, i) => 0.03 * (14.6 / 0.03) ** (i / 999));
  const width = values + 1;
  const pipeline: Pipeline = {
    name: 'fake',
    digest: 'f'.repeat(64),
    guidance: 1.5,
    conditions: 'captions',
    pictureSize: [side, side],
    denoiser: {
      sampleShape: [3, side, side],
      sigmaMin: sigmas[0]!,
      sigmaMax: sigmas[999]!,
      sigmas,
      async denoise(x, sigma, condition) {
        const count = x.shape[0]!;
        await sleep(options.delayMs ?? 0);
        meter.add(count);
        const out = new Float32Array(x.data.length);
        for (let n = 0; n < count; n += 1) {
          const row = condition.shape[0] === 1 ? 0 : n;
          const variance = condition.data[row * width]! ** 2;
          for (let i = 0; i < values; i += 1)
            out[n * values + i] =
              (variance * x.data[n * values + i]! + sigma ** 2 * condition.data[row * width + 1 + i]!) /
              (variance + sigma ** 2);
        }
        return floatTensor(x.shape, out);
      },
    },
    async encodeText(captions) {
      options.onCaptions?.(captions);
      const data = new Float32Array(captions.length * width);
      captions.forEach((caption, n) => {
        const memorized = caption.startsWith('often');
        if (options.brokenCaption !== undefined && caption.startsWith(options.brokenCaption)) {
          data.fill(Number.NaN, n * width, (n + 1) * width);
          return;
        }
        data[n * width] = memorized ? 0 : caption === '' ? 1 : 0.8;
        const strength = memorized ? 1 : caption === '' ? 0 : 0.05;
        data.set(
          pattern(caption).map((value) => strength * value),
          n * width + 1,
        );
      });
      return floatTensor([captions.length, 1, width], data);
    },
    decode: async (latents) => decode(latents),
    encode: async () => {
      throw new Error('the audit encodes no pictures');
    },
    close: async () => {},
  };
  return { pipeline, meter };
}

/** Twin A learnt 'often' captions (50 copies) and uniques; 'other' ones are B's; 'held out' nobody's. */
export function fakePlantedSet(): PlantedSet {
  const truth: TruthRow[] = [];
  const add = (caption: string, kind: TruthRow['kind'], twin: TruthRow['twin'], copies: number) => {
    const key = `${kind}-${String(truth.length).padStart(4, '0')}`;
    truth.push({
      key,
      kind,
      twin,
      group: key,
      caption,
      scene: 'noise',
      repeats: copies,
      copies,
      pictureIndex: truth.length,
      region: undefined,
    });
  };
  for (let i = 0; i < 6; i += 1) add(`often ${i} <script>../\0 שלום 👩‍👩‍👧`, 'duplicate', 'A', 50);
  for (let i = 0; i < 6; i += 1) add(`other ${i}`, 'duplicate', 'B', 50);
  for (let i = 0; i < 30; i += 1) add(`once ${i}`, 'unique', 'both', 1);
  for (let i = 0; i < 24; i += 1) add(`held out ${i}`, 'held-out', 'none', 0);
  return {
    name: 'fake-planted',
    digest: 'd'.repeat(64),
    size: side,
    pictureCount: truth.length,
    truth,
    beyond: (count, kind) =>
      Array.from({ length: count }, (_, i) => ({
        key: `beyond-${kind}-${i}`,
        caption: `beyond ${kind} ${i}`,
      })),
    picture: async (index) => toPicture(pattern(truth[index]!.caption)),
  };
}
