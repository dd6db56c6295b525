import { VerbatimError } from '../errors.ts';
import type { Generator } from './types.ts';

/** What may be needed of a generator, and what to say of one that has it not. */
const needs = {
  seeds: ['pictures by seed', 'takes no seed'],
  steps: ['a step count', 'takes no step count'],
  guidance: ['a guidance scale', 'takes no guidance scale'],
  sampler: ['a sampler', 'takes no sampler'],
  oneStep: ['one-step pictures', 'cannot take one step'],
} as const;

/**
 * Refuses what a generator cannot do, before the first request.
 *
 * @param who what needs it: 'attack "ecs"'
 * @param alternative what to do instead
 * @throws VerbatimError (exit code 2)
 */
export function requireCapabilities(
  who: string,
  needed: readonly (keyof typeof needs)[],
  { kind, capabilities }: Pick<Generator, 'kind' | 'capabilities'>,
  alternative: string,
): void {
  const missing = needed.filter((name) => !capabilities[name]);
  if (missing.length === 0) return;
  throw new VerbatimError(
    `${who} needs ${listed(needed.map((name) => needs[name][0]))}, but the generator "${kind}" ${listed(missing.map((name) => needs[name][1]))}; ${alternative}`,
    { exitCode: 2 },
  );
}

function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}
