import type { Tensor } from '../../math/index.ts';
import { combine } from './arithmetic.ts';
import type { Sampler } from './sampler.types.ts';

/**
 * DPM-Solver++(2M): Lu et al. 2022, algorithm 2, in λ = −log σ. One evaluation per step; the first step
 * and the one that ends at σ = 0 are of first order, the others extrapolate from the last two estimates.
 */
export const dpmpp2m: Sampler = async (denoise, x, sigmas, { onStep, signal } = {}) => {
  const steps = sigmas.length - 1;
  let previous: Tensor<'float32'> | undefined;
  for (let index = 0; index < steps; index++) {
    signal?.throwIfAborted();
    const sigma = sigmas[index]!;
    const sigmaNext = sigmas[index + 1]!;
    const denoised = await denoise(x, sigma);
    onStep?.({ index, steps, sigma, sigmaNext, x, denoised });
    // σ' = 0 means h = ∞: the weights below become 0 and 1, and x the estimate itself.
    const h = Math.log(sigma / sigmaNext);
    let estimate = denoised;
    if (previous && sigmaNext > 0) {
      const ratio = Math.log(sigmas[index - 1]! / sigma) / h;
      estimate = combine(1 + 1 / (2 * ratio), denoised, -1 / (2 * ratio), previous);
    }
    x = combine(sigmaNext / sigma, x, -Math.expm1(-h), estimate);
    previous = denoised;
  }
  return x;
};
