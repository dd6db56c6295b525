import { join } from 'node:path';
import type { Dataset, DatasetRow } from '../datasets/index.ts';
import { type Descriptor, vectorsOf } from '../descriptors/index.ts';
import { VerbatimError } from '../errors.ts';
import type { Picture } from '../images/index.ts';
import { concatBatch, floatTensor, type Tensor, toFloat16 } from '../math/index.ts';
import {
  buildApproximate,
  encodeRows,
  openApproximateSearch,
  openExactSearch,
  openNpyRows,
  searchRecall,
  type VectorDType,
  type VectorRows,
} from '../search/index.ts';
import { readTable, writeJsonAtomic, writeNpy } from '../tables/index.ts';
import { type IndexRow, indexColumns } from './columns.ts';
import { requirePictures } from './data.ts';
import { openRun, type RunDescription, readRun, runFolder, runTable } from './run-folder.ts';
import { errorText, runStage, type StageProgress, shardName } from './stage.ts';

export interface IndexOptions {
  readonly dataset: Dataset;
  readonly descriptor: Descriptor;
  /** As the user named it, for whoever opens the index. */
  readonly descriptorName: string;
  readonly output: string;
  /** How the vectors are kept: float16 halves the disk and costs about 3 digits. */
  readonly dtype: VectorDType;
  /** Whether they are also kept in 8 bits, a quarter of the bytes, which exact search then looks at first. */
  readonly int8?: boolean;
  /** Pictures per shard: what a kill can cost, and what is in memory. */
  readonly shardSize: number;
  readonly verbatim: string;
  readonly versions: RunDescription['versions'];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StageProgress) => void;
}

/** Pictures that are decoded and described together. */
const describedTogether = 64;

/**
 * Describes every picture of a dataset: a folder with tables/index (a row per picture, with its error where it
 * could not be read) and vectors/NNNNN.npy beside it, with --int8 also int8/NNNNN.{codes,bounds}.npy. A killed run goes on from its shards and ends with the same bytes.
 *
 * @throws VerbatimError when the folder holds another index, the dataset has no pictures, or none can be read
 */
export async function makeIndex(options: IndexOptions): Promise<{ rows: number; failed: number }> {
  const { dataset, descriptor, shardSize, signal } = options;
  requirePictures(dataset, 'an index');
  const { folder, release } = await openRun(options.output, {
    command: 'index',
    verbatim: options.verbatim,
    versions: options.versions,
    model: { name: options.descriptorName, digest: descriptor.id },
    dataset: { name: dataset.name, digest: dataset.digest, size: dataset.size },
    heldOut: null,
    // Without the key where there are none, as in folders of versions that did not know of them.
    config: { dtype: options.dtype, shardSize, ...(options.int8 && { int8: true }) },
  });
  try {
    const shards = Array.from({ length: Math.ceil(dataset.size / shardSize) }, (_, i) => ({
      from: i * shardSize,
      to: Math.min(dataset.size, (i + 1) * shardSize),
    }));
    await runStage({
      folder,
      name: 'index',
      columns: indexColumns,
      shards,
      items: ({ from, to }) => to - from,
      signal,
      onProgress: options.onProgress,
      process: async ({ from, to }, { index, advance }) => {
        const rows: IndexRow[] = [];
        const parts: Tensor<'float32'>[] = [];
        let together: DatasetRow[] = [];
        const flush = async () => {
          signal?.throwIfAborted();
          parts.push(await describeRows(dataset, descriptor, together, rows));
          advance(together.length);
          together = [];
        };
        for await (const row of dataset.rows(from, to)) {
          together.push(row);
          if (together.length === describedTogether) await flush();
        }
        await flush();
        const all = concatBatch(parts).data;
        const data = options.dtype === 'float16' ? toFloat16(all) : all;
        // Before the table: a shard whose table stands has its vectors.
        await writeNpy(vectorPath(folder.path, index), data, descriptor.dimension);
        if (options.int8) {
          const { codes, bounds } = encodeRows(data, descriptor.dimension);
          await writeNpy(codePath(folder.path, index, 'codes'), codes, descriptor.dimension);
          await writeNpy(codePath(folder.path, index, 'bounds'), bounds, 3);
        }
        return rows;
      },
    });
    const rows = await readTable(await runTable(folder, 'index'), indexColumns);
    const failed = rows.filter(({ error }) => error !== null);
    if (failed.length === rows.length && rows.length > 0)
      throw new VerbatimError(
        `none of the ${rows.length} pictures can be read (the first: ${failed[0]!.error})`,
      );
    return { rows: rows.length, failed: failed.length };
  } finally {
    await release();
  }
}

function vectorPath(folder: string, shard: number): string {
  return join(folder, 'vectors', shardName(shard, 'npy'));
}

function codePath(folder: string, shard: number, what: 'codes' | 'bounds'): string {
  return join(folder, 'int8', shardName(shard, `${what}.npy`));
}

/** Vectors of those rows whose pictures can be read; every row goes to `rows`. */
async function describeRows(
  dataset: Dataset,
  descriptor: Descriptor,
  from: readonly DatasetRow[],
  rows: IndexRow[],
): Promise<Tensor<'float32'>> {
  const pictures: Picture[] = [];
  for (const { index, key, caption, error: known } of from) {
    let error = known ?? null;
    try {
      if (error === null) pictures.push(await dataset.picture(index));
    } catch (caught) {
      error = errorText(caught);
    }
    rows.push({ key, dataset_index: index, caption, error });
  }
  const vectors = await vectorsOf(descriptor, pictures);
  const bad = vectors.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new VerbatimError(
      `descriptor ${descriptor.id} gives ${vectors[bad]} for a picture near row ${from[0]!.index}; the network or its description is wrong`,
    );
  return floatTensor([pictures.length, descriptor.dimension], vectors);
}

/** An index folder, opened for reading. */
export interface OpenIndex {
  readonly description: RunDescription;
  /** The row of the dataset that each vector belongs to. */
  readonly pictures: readonly IndexRow[];
  /** Pictures that could not be read. */
  readonly failed: number;
  readonly vectors: VectorRows;
}

/**
 * Opens what `makeIndex` made.
 *
 * @throws VerbatimError when it is no index, is not finished, or was changed afterwards
 */
export async function openIndex(path: string): Promise<OpenIndex> {
  const description = await readRun(path);
  if (description.command !== 'index')
    throw new VerbatimError(
      `${path} is the folder of "verbatim ${description.command}", not an index; make one with "verbatim index"`,
      { exitCode: 2 },
    );
  const files = await runTable(runFolder(path), 'index');
  const all = await readTable(files, indexColumns);
  if (all.length < description.dataset.size)
    throw new VerbatimError(
      `${path}: holds ${all.length} of ${description.dataset.size} pictures; run "verbatim index" again, it goes on`,
    );
  const pictures = all.filter(({ error }) => error === null);
  const pathsOf = (what: 'codes' | 'bounds') => files.map((_, shard) => codePath(path, shard, what));
  const vectors = await openNpyRows(
    files.map((_, shard) => vectorPath(path, shard)),
    undefined,
    description.config['int8'] === true ? { codes: pathsOf('codes'), bounds: pathsOf('bounds') } : undefined,
  );
  if (vectors.count !== pictures.length) {
    await vectors.close();
    throw new VerbatimError(
      `${path}: ${vectors.count} vectors for ${pictures.length} pictures; delete the folder and make the index again`,
    );
  }
  return { description, pictures, failed: all.length - pictures.length, vectors };
}

/** Queries, drawn from the index itself, that its recall is measured with. */
const recallQueries = 256;

/**
 * Builds the approximate index of an index folder, approximate.usearch, and measures against exact search how much
 * of the 10 nearest of indexed pictures it finds: approximate.json. Both are made anew each time.
 */
export async function makeApproximate(
  path: string,
  { vectors }: OpenIndex,
  options: {
    readonly threads?: number;
    readonly signal?: AbortSignal;
    readonly onProgress?: (progress: StageProgress) => void;
  } = {},
): Promise<{ readonly recall: number; readonly queries: number }> {
  const { signal, onProgress } = options;
  const threads = options.threads === undefined ? {} : { threads: options.threads };
  const { count, dimension } = vectors;
  const file = join(path, 'approximate.usearch');
  const common = { ...(signal && { signal }) };
  await buildApproximate(vectors, file, {
    ...common,
    onProgress: (share) =>
      onProgress?.({
        stage: 'approximate',
        done: Math.round(share * count),
        total: count,
        resumed: 0,
        failed: 0,
        evaluations: 0,
      }),
  });
  const asked = Math.min(recallQueries, count);
  const positions = Array.from({ length: asked }, (_, i) => Math.floor((i * count) / asked));
  const queries = await vectors.rows(positions);
  const approximate = await openApproximateSearch(file, vectors);
  const found = await approximate.search(queries, 10, common);
  const exact = await openExactSearch(vectors, threads);
  const recall = searchRecall(await exact.search(queries, 10, common), found);
  await exact.close();
  await writeJsonAtomic(join(path, 'approximate.json'), {
    usearch: 'float16',
    vectors: count,
    dimension,
    k: 10,
    queries: asked,
    recall,
  });
  return { recall, queries: asked };
}

/**
 * @throws VerbatimError (exit code 2) naming both, when an index was not made with this descriptor
 */
export function requireDescriptor(path: string, { description }: OpenIndex, descriptor: Descriptor): void {
  const { digest } = description.model;
  if (digest !== descriptor.id)
    throw new VerbatimError(
      `${path} was made with descriptor ${digest}, not with ${descriptor.id}; vectors of two descriptors cannot be compared`,
      { exitCode: 2 },
    );
}
