import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom, dot } from '../../math/index.ts';
import { encodeRows, type Found, openNpyRows, type VectorRows, writeNpy } from '../index.ts';

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

/** Rows in files as `verbatim index --int8` leaves them, `perFile` in each, opened. */
export async function codedRows(
  folder: string,
  rows: Float32Array | Uint16Array,
  dimension: number,
  { perFile = 1000, blockRows = 300 } = {},
): Promise<VectorRows> {
  await mkdir(folder, { recursive: true });
  const step = perFile * dimension;
  const paths = { rows: [] as string[], codes: [] as string[], bounds: [] as string[] };
  for (let from = 0; from < rows.length; from += step) {
    const part = rows.slice(from, from + step);
    const { codes, bounds } = encodeRows(part, dimension);
    const path = (name: 'rows' | 'codes' | 'bounds') => {
      const file = join(folder, `${from / step}.${name}.npy`);
      paths[name].push(file);
      return file;
    };
    await writeNpy(path('rows'), part, dimension);
    await writeNpy(path('codes'), codes, dimension);
    await writeNpy(path('bounds'), bounds, 3);
  }
  return openNpyRows(paths.rows, blockRows, { codes: paths.codes, bounds: paths.bounds });
}
