import { createGraph, gemm, input, type Model, model, topK } from '../../graph/index.ts';
import { floatTensor } from '../../math/index.ts';
import { openSession } from '../../runtime/index.ts';
import type { CopyCollection } from './collection.ts';
import { describePatch, patchDimension as dimension, type Patches } from './patches.ts';

/** Nearest patches that are kept of each query patch. */
const nearestKept = 8;
/** Query patches that are multiplied at once. Fixed, so that a product does not depend on how many there are. */
const rowsPerRun = 512;
/** Sizes of the window: a picture that is a crop, or that holds a shrunk one, has its patches at other scales. */
const scales = [0.8, 1, 1.25];

/** A place in a training picture that looks like a place in a query. */
export interface PatchMatch {
  /** Position of the training picture. */
  readonly index: number;
  /** The query's window in the size of the training picture's. */
  readonly scale: number;
  readonly flip: boolean;
  /** Centres, working pixels. */
  readonly query: readonly [x: number, y: number];
  readonly training: readonly [x: number, y: number];
  /** Cosine, less that of the query's worst match: what many pictures have in common weighs little. */
  readonly weight: number;
}

/** queries [n, d] · blockᵀ [d, rows] → the k largest products of each query and where they stand. */
function fieldModel(k: number): Model {
  const graph = createGraph();
  const queries = input(graph, 'queries', 'float32', ['n', dimension]);
  const block = input(graph, 'block', 'float32', ['rows', dimension]);
  const { values, indices } = topK(gemm(queries, block, { transB: true }), k);
  return model(graph, { values, indices });
}

interface View {
  readonly scale: number;
  readonly flip: boolean;
}

/** Every patch of a query as it is, and mirrored, at each scale. */
const moved: readonly View[] = scales.flatMap((scale) => [
  { scale, flip: false },
  { scale, flip: true },
]);
const inPlaceOnly: readonly View[] = [{ scale: 1, flip: false }];

/** A query's patches as rows, [count · views, dimension]. */
function queryRows(patches: Patches, views: readonly View[]): Float32Array {
  const rows = new Float32Array(patches.count * views.length * dimension);
  let at = 0;
  for (let patch = 0; patch < patches.count; patch++)
    for (const { scale, flip } of views) {
      describePatch(patches, patch, scale, flip, rows, at);
      at += dimension;
    }
  return rows;
}

/** What a row of `queryRows` matches: a place of a training picture, and how alike they are. */
interface RowMatch {
  readonly similarity: number;
  readonly index: number;
  readonly x: number;
  readonly y: number;
}

/** The matches of a query from those of its rows. */
function matchesOf(
  patches: Patches,
  views: readonly View[],
  rows: readonly (readonly RowMatch[])[],
  nearest: number,
): PatchMatch[] {
  return rows.flatMap((matches, row) => {
    const patch = Math.floor(row / views.length);
    const { scale, flip } = views[row % views.length]!;
    const base = matches.length < nearest ? 0 : matches.at(-1)!.similarity;
    return matches.map(({ similarity, index, x, y }) => ({
      index,
      scale,
      flip,
      query: [patches.x[patch]!, patches.y[patch]!] as const,
      training: [x, y] as const,
      weight: Math.max(0, similarity - base),
    }));
  });
}

/** The nearest-patch field from one picture to another: each row's nearest patch there. */
export function matchPair(query: Patches, training: Patches): PatchMatch[] {
  const rows = queryRows(query, moved);
  const others = new Float32Array(training.count * dimension);
  for (let patch = 0; patch < training.count; patch++)
    describePatch(training, patch, 1, false, others, patch * dimension);
  const matches = Array.from({ length: rows.length / dimension }, (_, row) => {
    let best: RowMatch | undefined;
    for (let patch = 0; patch < training.count; patch++) {
      let similarity = 0;
      for (let i = 0; i < dimension; i++)
        similarity += rows[row * dimension + i]! * others[patch * dimension + i]!;
      if (best === undefined || similarity > best.similarity)
        best = { similarity, index: -1, x: training.x[patch]!, y: training.y[patch]! };
    }
    return best === undefined ? [] : [best];
  });
  return matchesOf(query, moved, matches, nearestKept);
}

export interface FieldOptions {
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (share: number) => void;
  /** Patches as they are only, neither mirrored nor scaled. */
  readonly inPlace?: boolean;
  /** Nearest patches that are kept of each query patch. Default 8. */
  readonly nearest?: number;
}

/**
 * The nearest-patch field from many pictures to a whole collection, which streams by in blocks: each query patch's
 * nearest patches, as matrix products.
 */
export async function matchCollection(
  queries: readonly Patches[],
  collection: CopyCollection,
  options: FieldOptions = {},
): Promise<PatchMatch[][]> {
  const { threads, signal, onProgress, inPlace = false, nearest = nearestKept } = options;
  const views = inPlace ? inPlaceOnly : moved;
  const perQuery = queries.map((patches) => queryRows(patches, views));
  const counts = perQuery.map((rows) => rows.length / dimension);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const chunks = Math.ceil(total / rowsPerRun);
  // Rows that fill the last chunk up are 0, and nobody asks for their matches.
  const rows = new Float32Array(chunks * rowsPerRun * dimension);
  let offset = 0;
  for (const part of perQuery) {
    rows.set(part, offset);
    offset += part.length;
  }
  const best: BestMatches = {
    nearest,
    similarity: new Float32Array(total * nearest).fill(Number.NEGATIVE_INFINITY),
    index: new Int32Array(total * nearest),
    x: new Float32Array(total * nearest),
    y: new Float32Array(total * nearest),
  };
  const sessions = new Map<number, Awaited<ReturnType<typeof openSession>>>();
  const session = {
    ...(threads !== undefined && { threads }),
    ...(signal !== undefined && { signal }),
    provider: 'cpu' as const,
  };
  try {
    for (let at = 0; at < collection.blocks; at++) {
      signal?.throwIfAborted();
      const block = await collection.block(at);
      if (block.count === 0) continue;
      const k = Math.min(nearest, block.count);
      const open = sessions.get(k) ?? (await openSession(fieldModel(k), session));
      sessions.set(k, open);
      await open.hold({ block: floatTensor([block.count, dimension], block.rows) });
      for (let chunk = 0; chunk < chunks; chunk++) {
        signal?.throwIfAborted();
        const from = chunk * rowsPerRun;
        const part = rows.slice(from * dimension, (from + rowsPerRun) * dimension);
        const result = await open.run({ queries: floatTensor([rowsPerRun, dimension], part) });
        const values = result['values']!.data as Float32Array;
        const indices = result['indices']!.data as BigInt64Array;
        for (let row = 0; row < Math.min(rowsPerRun, total - from); row++)
          for (let i = 0; i < k; i++) {
            const found = Number(indices[row * k + i]);
            if (!insert(best, from + row, values[row * k + i]!, block, found)) break;
          }
      }
      onProgress?.((at + 1) / collection.blocks);
    }
  } finally {
    await Promise.all([...sessions.values()].map((open) => open.close()));
  }
  let first = 0;
  return queries.map((patches, query) => {
    const found = Array.from({ length: counts[query]! }, (_, row) => rowMatches(best, first + row));
    first += counts[query]!;
    return matchesOf(patches, views, found, nearest);
  });
}

interface BestMatches {
  readonly nearest: number;
  readonly similarity: Float32Array;
  readonly index: Int32Array;
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/** Puts a match into a row's sorted list; false when it is too bad for it, as all that follow then are. */
function insert(
  best: BestMatches,
  row: number,
  similarity: number,
  block: { readonly owner: Int32Array; readonly x: Float32Array; readonly y: Float32Array },
  found: number,
): boolean {
  const { nearest } = best;
  const start = row * nearest;
  const last = start + nearest - 1;
  let at = last;
  if (!(similarity > best.similarity[at]!)) return false;
  while (at > start && best.similarity[at - 1]! < similarity) at--;
  best.similarity.copyWithin(at + 1, at, last);
  best.index.copyWithin(at + 1, at, last);
  best.x.copyWithin(at + 1, at, last);
  best.y.copyWithin(at + 1, at, last);
  best.similarity[at] = similarity;
  best.index[at] = block.owner[found]!;
  best.x[at] = block.x[found]!;
  best.y[at] = block.y[found]!;
  return true;
}

function rowMatches(best: BestMatches, row: number): RowMatch[] {
  const { nearest } = best;
  const matches: RowMatch[] = [];
  for (let at = row * nearest; at < (row + 1) * nearest; at++)
    if (best.similarity[at]! > Number.NEGATIVE_INFINITY)
      matches.push({
        similarity: best.similarity[at]!,
        index: best.index[at]!,
        x: best.x[at]!,
        y: best.y[at]!,
      });
  return matches;
}
