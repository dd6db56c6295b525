import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom, dot } from '../../math/index.ts';
import { writeNpy } from '../../tables/index.ts';
import { encodeRows, type Found, openNpyRows, type PairSearch, type VectorRows } from '../index.ts';

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

/** A pair of rows, its positions in their order. */
export type Pair = readonly [a: number, b: number, similarity: number];

/** All pairs of rows that are at least so similar, one product at a time, in order; rows of zeros have none. */
export function pairsOneByOne(rows: Float32Array, dimension: number, threshold: number, newFrom = 0): Pair[] {
  const row = (at: number) => rows.subarray(at * dimension, (at + 1) * dimension);
  const found: Pair[] = [];
  const count = rows.length / dimension;
  for (let a = 0; a < count; a++)
    for (let b = Math.max(a + 1, newFrom); b < count; b++) {
      const similarity = dot(row(a), row(b));
      if (similarity >= threshold) found.push([a, b, similarity]);
    }
  return found;
}

/** The pairs of a search in order, its units asked for in the order given. */
export async function pairsOf(search: PairSearch, units?: readonly number[]): Promise<Pair[]> {
  const found: Pair[] = [];
  for (const unit of units ?? Array.from({ length: search.units }, (_, i) => i)) {
    const { a, b, similarity } = await search.pairs(unit);
    a.forEach((first, i) => {
      found.push([first, b[i]!, similarity[i]!]);
    });
  }
  return found.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
}

/**
 * Rows of length 1 in random directions around a few centres, among them near copies, exact copies and rows of zeros.
 */
export function rowsWithCopies(count: number, dimension: number, seed: number): Float32Array {
  const rows = unitRows(count, dimension, seed);
  const random = createRandom(seed + 1);
  for (let i = 1; i < count; i++) {
    const kind = random.uniform();
    const target = rows.subarray(i * dimension, (i + 1) * dimension);
    const source = rows.subarray(random.integer(i) * dimension).subarray(0, dimension);
    if (kind < 0.02) target.fill(0);
    else if (kind < 0.06) target.set(source);
    else if (kind < 0.4) {
      const spread = random.uniform() / Math.sqrt(dimension);
      target.set(source.map((value) => value + spread * random.normal()));
      const length = Math.hypot(...target) || 1;
      target.set(target.map((value) => value / length));
    }
  }
  return rows;
}
