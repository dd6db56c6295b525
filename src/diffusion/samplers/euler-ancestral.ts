import { combine, slope } from './arithmetic.ts';
import type { Sampler } from './sampler.types.ts';

/**
 * Splits a step to `sigmaNext` into a deterministic part down to `down` and fresh noise of deviation `up`,
 * with down² + up² = sigmaNext²: the posterior of DDPM (Ho et al. 2020) in σ, scaled by eta.
 */
export function ancestralStep(sigma: number, sigmaNext: number, eta: number): { down: number; up: number } {
  const posterior = Math.sqrt((sigmaNext ** 2 * (sigma ** 2 - sigmaNext ** 2)) / sigma ** 2);
  const up = Math.min(sigmaNext, eta * posterior);
  return { down: Math.sqrt(sigmaNext ** 2 - up ** 2), up };
}

/** Ancestral sampling with Euler steps, as in k-diffusion. Needs `noise` unless eta is 0; eta defaults to 1. */
export const eulerAncestral: Sampler = async (denoise, x, sigmas, options = {}) => {
  const { noise, onStep, signal, eta = 1 } = options;
  const steps = sigmas.length - 1;
  for (let index = 0; index < steps; index++) {
    signal?.throwIfAborted();
    const sigma = sigmas[index]!;
    const sigmaNext = sigmas[index + 1]!;
    const denoised = await denoise(x, sigma);
    onStep?.({ index, steps, sigma, sigmaNext, x, denoised });
    const { down, up } = ancestralStep(sigma, sigmaNext, eta);
    x = combine(1, x, down - sigma, slope(x, denoised, sigma));
    if (up > 0) {
      if (!noise) throw new RangeError('an ancestral sampler with eta above 0 needs a noise function');
      x = combine(1, x, up, await noise(index));
    }
  }
  return x;
};
