import { VerbatimError } from '../errors.ts';
import { timestepToSigma } from './timesteps.ts';

/** 'karras' is dense at low noise, 'plain' even in training timesteps. */
export type Spacing = 'karras' | 'plain';

function checkSteps(steps: number): void {
  if (!Number.isInteger(steps) || steps < 1)
    throw new VerbatimError(`Sampling needs a whole number of steps, at least 1; got ${steps}.`);
}

/**
 * The noise levels of Karras et al. 2022, equation 5: even in σ^(1/ρ), from `sigmaMax` down to
 * `sigmaMin`, then 0. Length steps + 1; one step is [σ_max, 0].
 */
export function karrasSigmas(steps: number, sigmaMin: number, sigmaMax: number, rho = 7): Float64Array {
  checkSteps(steps);
  const sigmas = new Float64Array(steps + 1);
  const top = sigmaMax ** (1 / rho);
  const bottom = sigmaMin ** (1 / rho);
  for (let i = 0; i < steps; i++)
    sigmas[i] = i === 0 ? sigmaMax : (top + (i / (steps - 1)) * (bottom - top)) ** rho;
  return sigmas;
}

/**
 * k-diffusion's `get_sigmas`: even in training timesteps from the last to 0, then σ = 0. Length
 * steps + 1; one step is [σ_max, 0]. `sigmas` are the schedule's, ascending. Not a diffusers
 * scheduler's spacing, whose single step may start at t ≈ 0.
 */
export function plainSigmas(sigmas: Float64Array, steps: number): Float64Array {
  checkSteps(steps);
  const last = sigmas.length - 1;
  const levels = new Float64Array(steps + 1);
  for (let i = 0; i < steps; i++)
    levels[i] = timestepToSigma(sigmas, i === 0 ? last : Math.max(0, last - (i * last) / (steps - 1)));
  return levels;
}
