import { combine, slope } from './arithmetic.ts';
import type { Sampler } from './sampler.types.ts';

/** Euler's method on the probability flow: Karras et al. 2022, algorithm 2 without its second order, no churn. */
export const euler: Sampler = async (denoise, x, sigmas, { onStep, signal } = {}) => {
  const steps = sigmas.length - 1;
  for (let index = 0; index < steps; index++) {
    signal?.throwIfAborted();
    const sigma = sigmas[index]!;
    const sigmaNext = sigmas[index + 1]!;
    const denoised = await denoise(x, sigma);
    onStep?.({ index, steps, sigma, sigmaNext, x, denoised });
    x = combine(1, x, sigmaNext - sigma, slope(x, denoised, sigma));
  }
  return x;
};
