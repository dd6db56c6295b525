import { VerbatimError } from '../errors.ts';
import {
  createRandom,
  floatTensor,
  type Interval,
  type Tensor,
  toFloat16,
  wilsonInterval,
} from '../math/index.ts';
import { longestOf, rowLengths } from './lengths.ts';
import { rowsInPlace } from './rowStore.ts';
import { type Comparison, openTiles, type SimilarPairs, tileRows } from './tiles.ts';
import type { SearchOptions, VectorRows } from './types.ts';

/** What a search found of the pairs of some rows. */
export interface PairRecall {
  /** Rows whose pairs were looked for among all rows. */
  readonly rows: number;
  readonly pairs: Share;
  /** Of those rows that have pairs the ones of which every pair was found. Rows are drawn independently, their pairs are not. */
  readonly completeRows: Share;
}

export interface Share {
  readonly count: number;
  readonly of: number;
  /** Wilson's 95% interval; none where there is nothing to have a share of. */
  readonly interval?: Interval;
}

export interface PairRecallOptions extends SearchOptions {
  readonly threshold: number;
  /** Rows to draw. Default 1,000. */
  readonly sample?: number | undefined;
  /** Default 0. */
  readonly seed?: number | undefined;
  readonly threads?: number | undefined;
}

/**
 * Compares some rows, drawn by a seed, with all rows, and counts how many of their pairs were found: so that a
 * collection of one's own gets a figure of its own. Costs two passes over the rows.
 *
 * @param found the pairs of all units
 * @throws VerbatimError when the threshold is no number above 0, or a row holds what is not a finite number
 */
export async function measurePairRecall(
  rows: VectorRows,
  found: Iterable<SimilarPairs> | AsyncIterable<SimilarPairs>,
  options: PairRecallOptions,
): Promise<PairRecall> {
  const { threshold, sample = 1000, seed = 0, threads, signal } = options;
  const { count } = rows;
  if (!(threshold > 0 && Number.isFinite(threshold)) || !Number.isInteger(sample) || sample < 1)
    throw new VerbatimError(
      `the threshold must be a number above 0, not ${threshold}, and the sample a whole one, not ${sample}`,
      { exitCode: 2 },
    );
  const drawn = drawRows(count, sample, seed);
  const truth = await pairsOfRows(rows, drawn, { threshold, threads, ...(signal && { signal }) }, options);
  const numberOf = new Map(Array.from(drawn, (row, i) => [row, i]));
  /** A number for a pair of which a row was drawn: that row's own, and the other row. */
  const keyOf = (a: number, b: number) => {
    const [first, second] = [numberOf.get(a), numberOf.get(b)];
    if (first !== undefined) return first * count + b;
    return second === undefined ? undefined : second * count + a;
  };
  const seen = new Map(truth.map(([a, b]) => [keyOf(a, b)!, false]));
  for await (const { a, b } of found)
    for (let i = 0; i < a.length; i++) {
      const key = keyOf(a[i]!, b[i]!);
      if (key !== undefined && seen.has(key)) seen.set(key, true);
    }
  const incomplete = new Set<number>();
  const withPairs = new Set<number>();
  let pairs = 0;
  for (const [a, b] of truth) {
    const there = seen.get(keyOf(a, b)!)!;
    if (there) pairs++;
    for (const row of [a, b]) {
      if (numberOf.has(row)) withPairs.add(row);
      if (numberOf.has(row) && !there) incomplete.add(row);
    }
  }
  return {
    rows: drawn.length,
    pairs: shareOf(pairs, seen.size),
    completeRows: shareOf(withPairs.size - incomplete.size, withPairs.size),
  };
}

function shareOf(count: number, of: number): Share {
  return { count, of, ...(of > 0 && { interval: wilsonInterval(count, of) }) };
}

/** One row of each of `sample` equal stretches of the collection. */
function drawRows(count: number, sample: number, seed: number): Uint32Array {
  const random = createRandom(seed);
  const size = Math.min(count, sample);
  const begin = (i: number) => Math.floor((i * count) / size);
  return Uint32Array.from({ length: size }, (_, i) => begin(i) + random.integer(begin(i + 1) - begin(i)));
}

/** All pairs of some rows, each once, a < b. */
async function pairsOfRows(
  rows: VectorRows,
  drawn: Uint32Array,
  tileOptions: {
    readonly threshold: number;
    readonly threads: number | undefined;
    readonly signal?: AbortSignal;
  },
  { onProgress }: SearchOptions,
): Promise<[a: number, b: number][]> {
  const { count, dimension, dtype } = rows;
  if (count === 0) return [];
  const lengths = await rowLengths(rows, tileOptions);
  const tiles = await openTiles({ dtype, dimension, longest: longestOf(lengths, dimension), ...tileOptions });
  const store = rowsInPlace(rows);
  const isDrawn = new Set(drawn);
  try {
    const { a, b } = await tiles.pairs(comparisons());
    return Array.from(a, (first, i): [number, number] => [first, b[i]!]);
  } finally {
    await tiles.close();
    await store.close();
  }

  async function* comparisons(): AsyncGenerator<Comparison> {
    for (let from = 0; from < drawn.length; from += tileRows) {
      const positions = drawn.slice(from, from + tileRows);
      const held = { positions, rows: asStored(await rows.rows([...positions])) };
      yield { held, others: others(positions) };
      await store.close();
    }
  }

  function* others(positions: Uint32Array) {
    for (let from = 0; from < count; from += tileRows) {
      const to = Math.min(count, from + tileRows);
      yield {
        load: () => store.range(from, to),
        // Two drawn rows meet twice.
        keeps: (i: number, j: number) =>
          isDrawn.has(from + i) ? from + i > positions[j]! : from + i !== positions[j],
      };
      onProgress?.(to / count);
    }
  }

  /** float16 became float32 without loss. */
  function asStored(values: Float32Array): Tensor {
    const shape = [values.length / dimension, dimension];
    return dtype === 'float16' ? { dtype, shape, data: toFloat16(values) } : floatTensor(shape, values);
  }
}
