import { dot } from '../math/index.ts';
import type { Found, VectorRows } from './types.ts';

/** Rows by position with their exact similarities (float64), in that order, and the length of the longest. */
export async function compareExactly(
  rows: VectorRows,
  query: Float32Array,
  positions: readonly number[],
): Promise<{ readonly found: Found[]; readonly longest: number }> {
  const { dimension } = rows;
  const vectors = await rows.rows(positions);
  let longest = 0;
  const found = positions.map((index, i): Found => {
    const row = vectors.subarray(i * dimension, (i + 1) * dimension);
    longest = Math.max(longest, dot(row, row));
    return { index, similarity: dot(query, row) };
  });
  return { found, longest: Math.sqrt(longest) };
}

/** The order of neighbours: equally similar ones by position. */
export function nearestFirst(a: Found, b: Found): number {
  return b.similarity - a.similarity || a.index - b.index;
}
