import type { Found, VectorRows } from './types.ts';

/** Rows by position with their exact similarities (float64), the most similar first, and the length of the longest. */
export async function compareExactly(
  rows: VectorRows,
  query: Float32Array,
  positions: readonly number[],
): Promise<{ readonly found: Found[]; readonly longest: number }> {
  const { dimension } = rows;
  const vectors = await rows.rows(positions);
  let longest = 0;
  const found = positions.map((index, i): Found => {
    let similarity = 0;
    let squared = 0;
    for (let d = 0, at = i * dimension; d < dimension; d++, at++) {
      similarity += query[d]! * vectors[at]!;
      squared += vectors[at]! * vectors[at]!;
    }
    longest = Math.max(longest, squared);
    return { index, similarity };
  });
  found.sort((a, b) => b.similarity - a.similarity || a.index - b.index);
  return { found, longest: Math.sqrt(longest) };
}
