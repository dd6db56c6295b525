import { closest } from 'fastest-levenshtein';
import { VerbatimError } from '../../errors.ts';
import { ddim } from './ddim.ts';
import { dpmpp2m } from './dpmpp-2m.ts';
import { euler } from './euler.ts';
import { eulerAncestral } from './euler-ancestral.ts';
import { heun } from './heun.ts';
import type { Sampler } from './sampler.types.ts';

export type { Sampler, SamplerOptions, SamplerStep, StepNoise } from './sampler.types.ts';
export { ddim, dpmpp2m, euler, eulerAncestral, heun };

/** What a sampler is called in a config, and whether it draws noise by default. */
export const samplers = {
  heun: { sample: heun, stochastic: false },
  euler: { sample: euler, stochastic: false },
  'euler-ancestral': { sample: eulerAncestral, stochastic: true },
  'dpmpp-2m': { sample: dpmpp2m, stochastic: false },
  ddim: { sample: ddim, stochastic: false },
} as const satisfies Record<string, { sample: Sampler; stochastic: boolean }>;

export type SamplerName = keyof typeof samplers;
export const samplerNames = Object.keys(samplers) as readonly SamplerName[];

/** The sampler of that name; an unknown name is refused with the nearest one. */
export function samplerNamed(name: string): { sample: Sampler; stochastic: boolean } {
  const found = samplerNames.find((known) => known === name);
  if (found) return samplers[found];
  throw new VerbatimError(
    `There is no sampler "${name}"; did you mean "${closest(name, samplerNames)}"? Known: ${samplerNames.join(', ')}.`,
    { exitCode: 2 },
  );
}

/** Denoiser calls per sample that a sampler makes in `steps` steps, before guidance doubles them. */
export function samplerCalls(name: SamplerName, steps: number): number {
  return name === 'heun' ? 2 * steps - 1 : steps;
}
