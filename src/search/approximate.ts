import { stat } from 'node:fs/promises';
import { setImmediate as breathe } from 'node:timers/promises';
import type { BatchMatches, Matches } from 'usearch';
import { VerbatimError } from '../errors.ts';
import { toFloat32 } from '../math/index.ts';
import { atomically } from '../tables/index.ts';
import { checkQueries } from './queries.ts';
import { compareExactly, nearestFirst } from './rescore.ts';
import type { Found, SearchOptions, VectorRows, VectorSearch } from './types.ts';

/** What decides the graph of an approximate index (Malkov and Yashunin 2018, HNSW). */
export interface ApproximateOptions {
  /** Links per row and layer; more find more and take more memory. Default 16. */
  readonly connectivity?: number;
  /** Candidates that are looked at when a row is added. Default 128. */
  readonly expansionAdd?: number;
  /** Default 1: with more threads the graph, and so what is missed, differs from run to run. */
  readonly threads?: number;
}

/** usearch blocks the thread that calls it: rows are added, and queries asked, so many at a time. */
const perCall = 256;

async function openUsearch(dimension: number, options: ApproximateOptions & { expansionSearch?: number }) {
  const { Index, MetricKind, ScalarKind } = await import('usearch');
  return new Index({
    dimensions: dimension,
    metric: MetricKind.IP,
    quantization: ScalarKind.F16,
    connectivity: options.connectivity ?? 16,
    expansion_add: options.expansionAdd ?? 128,
    expansion_search: options.expansionSearch ?? 128,
    multi: false,
  });
}

/**
 * Builds an approximate index over rows and writes it to `path`, whole or not at all. It holds the rows once more as
 * float16, and while it is built all of it is in memory.
 *
 * @throws VerbatimError when a row holds what is not a finite number, or the disk is full
 */
export async function buildApproximate(
  rows: VectorRows,
  path: string,
  options: ApproximateOptions & SearchOptions = {},
): Promise<void> {
  const { signal, onProgress, threads = 1 } = options;
  const { count, dimension, blockRows } = rows;
  const index = await openUsearch(dimension, options);
  for (let at = 0; at * blockRows < count; at++) {
    const block = await rows.block(at);
    const data = block.data as Float32Array | Uint16Array;
    const values = data instanceof Uint16Array ? toFloat32(data) : data;
    const size = values.length / dimension;
    for (let from = 0; from < size; from += perCall) {
      signal?.throwIfAborted();
      const to = Math.min(size, from + perCall);
      const part = values.subarray(from * dimension, to * dimension);
      const first = at * blockRows + from;
      const bad = part.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0)
        throw new VerbatimError(
          `vector ${first + Math.floor(bad / dimension)} holds ${part[bad]}; make the index again`,
        );
      index.add(
        BigUint64Array.from({ length: to - from }, (_, i) => BigInt(first + i)),
        part,
        threads,
      );
      onProgress?.((first + to - from) / count);
      await breathe();
    }
    rows.giveBack(at, block);
  }
  await atomically(path, async (temporary) => {
    index.save(temporary);
  });
}

/**
 * Opens an approximate index, memory-mapped, over the rows that it was built from. What it proposes is compared
 * again with those rows, so that similarities are exact; what it does not propose is missed.
 *
 * @param expansionSearch candidates looked at per query: more find more. Default 128.
 * @throws VerbatimError when the file is missing, damaged, or an index of other rows
 */
export async function openApproximateSearch(
  path: string,
  rows: VectorRows,
  options: { readonly expansionSearch?: number; readonly threads?: number } = {},
): Promise<VectorSearch> {
  const { count, dimension } = rows;
  const { threads = 1 } = options;
  const index = await openUsearch(dimension, options);
  await stat(path).catch(() => {
    throw new VerbatimError(`${path}: no such file; make the index again with --approximate`);
  });
  try {
    index.view(path);
  } catch (cause) {
    throw new VerbatimError(`${path}: not an index that usearch opens (${(cause as Error).message})`, {
      cause,
    });
  }
  if (index.dimensions() !== dimension || index.size() !== count)
    throw new VerbatimError(
      `${path}: an index of ${index.size()} vectors of ${index.dimensions()} values, but there are ${count} of ${dimension}; make it again`,
    );
  return {
    count,
    dimension,
    async search(queries, k, { signal, onProgress } = {}) {
      const total = checkQueries(queries, dimension, k);
      const found: Found[][] = [];
      const want = Math.min(k, count);
      for (let from = 0; from < total; from += perCall) {
        signal?.throwIfAborted();
        const to = Math.min(total, from + perCall);
        const part = queries.subarray(from * dimension, to * dimension);
        // One query gives a list of its own, several one after another.
        const matches: Matches | BatchMatches = index.search(part, want, threads);
        const { keys } = matches;
        const counts = 'counts' in matches ? (matches as BatchMatches).counts : [keys.length];
        for (let q = 0; q < to - from; q++) {
          const proposed = keys.subarray(q * want, q * want + Number(counts[q]));
          const query = part.subarray(q * dimension, (q + 1) * dimension);
          const compared = await compareExactly(rows, query, [...proposed].map(Number));
          found.push(compared.found.sort(nearestFirst));
        }
        onProgress?.(to / total);
        await breathe();
      }
      return found;
    },
    close: () => rows.close(),
  };
}

/** The share of the first search's neighbours that the second one finds too: recall at k, 0 to 1. */
export function searchRecall(exact: readonly Found[][], other: readonly Found[][]): number {
  let found = 0;
  let all = 0;
  for (const [q, neighbours] of exact.entries()) {
    const there = new Set(other[q]!.map(({ index }) => index));
    found += neighbours.filter(({ index }) => there.has(index)).length;
    all += neighbours.length;
  }
  return all === 0 ? 1 : found / all;
}
