import { createRandom, dot } from '../../math/index.ts';
import type { Found } from '../index.ts';

/** Rows of length 1 in random directions, around a few centres, so that there are near ones and far ones. */
export function unitRows(count: number, dimension: number, seed: number): Float32Array {
  const random = createRandom(seed);
  const centres = Array.from({ length: 8 }, () => Array.from({ length: dimension }, () => random.normal()));
  const rows = new Float32Array(count * dimension);
  for (let i = 0; i < count; i++) {
    const centre = centres[Math.floor(random.uniform() * centres.length)]!;
    const row = centre.map((value) => value + 1.5 * random.normal());
    const length = Math.hypot(...row);
    rows.set(
      row.map((value) => value / length),
      i * dimension,
    );
  }
  return rows;
}

/** What a search must find, one product at a time. */
export function bruteForce(
  queries: Float32Array,
  rows: Float32Array,
  dimension: number,
  k: number,
): Found[][] {
  return Array.from({ length: queries.length / dimension }, (_, q) => {
    const query = queries.subarray(q * dimension, (q + 1) * dimension);
    return Array.from({ length: rows.length / dimension }, (_, index) => ({
      index,
      similarity: dot(query, rows.subarray(index * dimension, (index + 1) * dimension)),
    }))
      .sort((a, b) => b.similarity - a.similarity || a.index - b.index)
      .slice(0, k);
  });
}
