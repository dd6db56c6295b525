import type { Dataset } from '../datasets/index.ts';
import { VerbatimError } from '../errors.ts';
import { dot } from '../math/index.ts';
import { openExactSearch } from '../search/index.ts';
import type { IndexRow } from './columns.ts';
import { type ChosenCaption, mostOwn } from './data.ts';
import { type OpenIndex, openIndex } from './indexing.ts';

/** A picture of an index, and how far it lies from all others. */
export interface Outlier extends Pick<IndexRow, 'dataset_index' | 'key' | 'caption'> {
  /** 1 − similarity to its k-th nearest neighbour, or the mean over the k nearest: 0 for a copy of another picture. */
  readonly outlierness: number;
  /** Position in the dataset of its nearest neighbour. */
  readonly nearest_index: number;
}

export interface OutlierOptions {
  /** k. Default 1. */
  readonly neighbours?: number;
  /** The mean over the k nearest instead of the k-th. */
  readonly mean?: boolean;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** Called with the share of the work that is done, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

export interface Outliers {
  /** The most outlying first; equally outlying ones by their position. */
  readonly rows: readonly Outlier[];
  /** Pictures that the descriptor sees nothing in, such as plain ones: they are like nothing, and no outliers. */
  readonly plain: number;
}

/** Pictures that are looked up together. */
const together = 512;

/**
 * The pictures of an index by how far they lie from all others in its descriptor's space (Carlini et al. 2023, §4.3, who
 * rank by distance in CLIP's space: Imagen repeats 3 of its 500 most outlying training images). Every picture is compared
 * with every other one, exactly. Closes the index, also where it throws.
 *
 * @throws VerbatimError (exit code 2) when there are no more than k pictures to compare
 */
export async function rankOutliers(index: OpenIndex, options: OutlierOptions = {}): Promise<Outliers> {
  const { neighbours = 1, mean = false, threads, signal, onProgress } = options;
  const { pictures, vectors } = index;
  if (vectors.count <= neighbours) {
    await vectors.close();
    throw new VerbatimError(
      `${neighbours} neighbours need more than ${neighbours} pictures, and the index of ${index.description.dataset.name} has ${vectors.count}`,
      { exitCode: 2 },
    );
  }
  const search = await openExactSearch(vectors, { ...(threads !== undefined && { threads }) });
  const rows: Outlier[] = [];
  let plain = 0;
  try {
    for (let from = 0; from < vectors.count; from += together) {
      signal?.throwIfAborted();
      const positions = Array.from({ length: Math.min(together, vectors.count - from) }, (_, i) => from + i);
      const queries = await vectors.rows(positions);
      const found = await search.search(queries, neighbours + 1, { ...(signal && { signal }) });
      for (const [i, position] of positions.entries()) {
        const query = queries.subarray(i * vectors.dimension, (i + 1) * vectors.dimension);
        // Of many chunks, each of length 1, the similarity is a sum; a copy of a picture has its own squared length.
        const length = dot(query, query);
        if (length === 0) {
          plain++;
          continue;
        }
        // Among many equal ones it may not be found itself.
        const others = found[i]!.filter(({ index: at }) => at !== position).slice(0, neighbours);
        const distances = others.map(({ similarity }) => 1 - similarity / length);
        const outlierness = mean
          ? distances.reduce((sum, value) => sum + value, 0) / neighbours
          : distances[neighbours - 1]!;
        const { dataset_index, key, caption } = pictures[position]!;
        const nearest_index = pictures[others[0]!.index]!.dataset_index;
        rows.push({ dataset_index, key, caption, outlierness, nearest_index });
      }
      onProgress?.(Math.min(1, (from + together) / vectors.count));
    }
  } finally {
    await search.close();
  }
  rows.sort((a, b) => b.outlierness - a.outlierness || a.dataset_index - b.dataset_index);
  return { rows, plain };
}

/**
 * The captions of a dataset, that of the most outlying picture first, as an audit takes them. Pictures that could not be
 * read or in which the descriptor sees nothing are none of them.
 *
 * @throws VerbatimError (exit code 2) when the folder is no index, or one of another dataset or state of it
 */
export async function readOutliers(
  path: string,
  dataset: Dataset,
  options: OutlierOptions = {},
): Promise<ChosenCaption[]> {
  const index = await openIndex(path);
  const of = index.description.dataset;
  if (of.digest !== dataset.digest) {
    await index.vectors.close();
    throw new VerbatimError(
      `candidates.outliers: ${path} was made of ${of.name} with ${of.size} rows, and the training set is ${dataset.name} with ${dataset.size}, or has changed since; run "verbatim index" on it again`,
      { exitCode: 2 },
    );
  }
  const { rows } = await rankOutliers(index, options);
  const chosen = new Map<string, { first: Outlier; rows: number[]; copies: number }>();
  for (const row of rows) {
    const known = chosen.get(row.caption) ?? { first: row, rows: [], copies: 0 };
    chosen.set(row.caption, known);
    known.copies += 1;
    if (known.rows.length < mostOwn) known.rows.push(row.dataset_index);
  }
  return [...chosen.values()].map(({ first: { key, caption, dataset_index }, rows: own, copies }) => ({
    key,
    caption,
    dataset_index,
    copies,
    rows: own,
  }));
}
