import { combine, slope } from './arithmetic.ts';
import type { Sampler } from './sampler.types.ts';

/**
 * Heun's method: Karras et al. 2022, algorithm 2, no churn. Two evaluations per step but the last, which
 * ends at σ = 0 and is an Euler step: 2n − 1 for n steps.
 */
export const heun: Sampler = async (denoise, x, sigmas, { onStep, signal } = {}) => {
  const steps = sigmas.length - 1;
  for (let index = 0; index < steps; index++) {
    signal?.throwIfAborted();
    const sigma = sigmas[index]!;
    const sigmaNext = sigmas[index + 1]!;
    const denoised = await denoise(x, sigma);
    onStep?.({ index, steps, sigma, sigmaNext, x, denoised });
    const first = slope(x, denoised, sigma);
    const ahead = combine(1, x, sigmaNext - sigma, first);
    if (sigmaNext === 0) {
      x = ahead;
    } else {
      const second = slope(ahead, await denoise(ahead, sigmaNext), sigmaNext);
      x = combine(1, x, sigmaNext - sigma, combine(0.5, first, 0.5, second));
    }
  }
  return x;
};
