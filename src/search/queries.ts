import { VerbatimError } from '../errors.ts';

/**
 * The number of queries in [n, dimension] values.
 *
 * @throws VerbatimError when they are not whole rows of finite numbers, or k is none
 */
export function checkQueries(queries: Float32Array, dimension: number, k: number): number {
  if (!Number.isInteger(k) || k < 1)
    throw new VerbatimError(`the number of neighbours must be a whole number from 1 on, not ${k}`, {
      exitCode: 2,
    });
  const count = queries.length / dimension;
  if (!Number.isInteger(count))
    throw new VerbatimError(
      `${queries.length} values are no vectors of ${dimension}, which the index holds; describe the pictures with its descriptor`,
    );
  const bad = queries.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new VerbatimError(
      `vector ${Math.floor(bad / dimension)} of the query holds ${queries[bad]}, value ${bad % dimension} of ${dimension}`,
    );
  return count;
}
