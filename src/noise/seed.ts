import { VerbatimError } from '../errors.ts';

/** A torch seed: an integer from 0 to 2⁶⁴−1; above 2⁵³ as a bigint. */
export type Seed = number | bigint;

/** The seed as torch's unsigned 64-bit integer; anything else is refused. */
export function seedBits(seed: Seed): bigint {
  const valid = typeof seed === 'bigint' || Number.isSafeInteger(seed);
  const bits = valid ? BigInt(seed) : -1n;
  if (bits < 0n || bits >= 1n << 64n)
    throw new VerbatimError(
      `seed ${seed}: a seed is an integer from 0 to 2^64 - 1; write one above 2^53 as a string in a configuration, as a bigint in code.`,
      { exitCode: 2 },
    );
  return bits;
}
