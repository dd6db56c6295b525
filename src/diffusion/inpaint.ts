import { expandBatch, floatTensor, mapTensor, type Tensor } from '../math/index.ts';
import { combine } from './samplers/arithmetic.ts';
import type { Sampler, SamplerOptions } from './samplers/index.ts';
import type { Denoise } from './types.ts';

export interface InpaintOptions extends Pick<SamplerOptions, 'onStep' | 'signal' | 'eta'> {
  /** Unit-variance noise in the shape of the result; every call is a new draw. */
  readonly noise: () => Tensor<'float32'>;
  /**
   * Resampling (RePaint, section 4.2): every stretch of `jump` steps is gone through `times` times, noise being added back between,
   * so that what is made and what is known come to agree. Default: none, `times` 1.
   */
  readonly resample?: { readonly jump: number; readonly times: number };
}

/**
 * Completes pictures of which a part is known (RePaint, Lugmayr et al. 2022, algorithm 1): whenever the denoiser is asked, the known
 * part of x is replaced by the known picture noised to that level, x0 + σ·ε, with fresh ε; its estimate there is x0. This wraps
 * the denoiser, so it works with every sampler and costs what sampling costs, `times` times over. Noise that is added back is
 * √(σ² − σ'²)·ε in x = x0 + σ·ε. The known part comes out as it went in, bit by bit.
 *
 * @param known [batch or 1, c, h, w]
 * @param unknown [1, c, h, w] of 1 where pictures are to be completed and 0 where they are known
 * @param sigmas descending, the last one 0
 * @returns [batch, c, h, w], the batch of what `noise` gives
 */
export async function inpaint(
  sample: Sampler,
  denoise: Denoise,
  known: Tensor<'float32'>,
  unknown: Tensor<'float32'>,
  sigmas: Float64Array,
  { noise, resample = { jump: 1, times: 1 }, ...rest }: InpaintOptions,
): Promise<Tensor<'float32'>> {
  const { jump, times } = resample;
  if (!(Number.isInteger(jump) && jump >= 1 && Number.isInteger(times) && times >= 1))
    throw new RangeError(`resampling takes whole numbers from 1 on, got ${jump} steps ${times} times`);
  const start = noise();
  const clean = expandBatch(known, start.shape[0]!);
  const merged = (made: Tensor<'float32'>, there: (i: number) => number) =>
    floatTensor(
      made.shape,
      made.data.map((value, i) => (unknown.data[i % unknown.data.length] === 0 ? there(i) : value)),
    );
  const complete: Denoise = async (x, sigma) => {
    const drawn = noise();
    const denoised = await denoise(
      merged(x, (i) => clean.data[i]! + sigma * drawn.data[i]!),
      sigma,
    );
    return merged(denoised, (i) => clean.data[i]!);
  };
  const steps = sigmas.length - 1;
  // Without repetitions one stretch: samplers that look back keep their history.
  const stretch = times === 1 ? steps : jump;
  let x = mapTensor(start, (value) => value * sigmas[0]!);
  for (let from = 0; from < steps; from += stretch)
    for (let time = 0; time < times; time++) {
      const to = Math.min(steps, from + stretch);
      if (time > 0) x = combine(1, x, Math.sqrt(sigmas[from]! ** 2 - sigmas[to]! ** 2), noise());
      x = await sample(complete, x, sigmas.subarray(from, to + 1), { ...rest, noise });
    }
  return merged(x, (i) => clean.data[i]!);
}
