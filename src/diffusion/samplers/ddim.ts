import { eulerAncestral } from './euler-ancestral.ts';
import type { Sampler } from './sampler.types.ts';

/**
 * DDIM (Song et al. 2021, equations 12 and 16), deterministic by default; eta 1 is DDPM. Written for
 * x̄ = x_t/√ᾱ, with ᾱ = 1/(1 + σ²), its variance divided by the next ᾱ is
 * `η²·σ'²·(σ² − σ'²)/σ²`: exactly the ancestral step of that eta. So this is the ancestral sampler with
 * another default, and the fixtures of diffusers' DDIMScheduler confirm it.
 */
export const ddim: Sampler = (denoise, x, sigmas, options = {}) =>
  eulerAncestral(denoise, x, sigmas, { ...options, eta: options.eta ?? 0 });
