import { createRandom, hashSeed, type Random } from '../math/index.ts';

export type { Random };

/** An independent stream for each list of parts (a seed, a purpose, an index). */
export function randomFor(...parts: readonly (string | number)[]): Random {
  return createRandom(hashSeed(...parts));
}

/** Uniform in [low, high). */
export function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random.uniform();
}

/** An integer in [low, high], both included. */
export function integer(random: Random, low: number, high: number): number {
  return low + random.integer(high - low + 1);
}

/** True with the given probability. */
export function chance(random: Random, probability: number): boolean {
  return random.uniform() < probability;
}

/** One element; throws on an empty list (a defect of the caller). */
export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.integer(list.length)]!;
}
