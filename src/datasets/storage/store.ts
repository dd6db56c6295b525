import { mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, resolve, sep } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { decodePicture } from '../../images/index.ts';
import { checkIndex, clampRange, datasetDigest } from '../formats/format.ts';
import type { Dataset, DatasetEmbeddings, DatasetProblem, DatasetRow, DatasetShard } from '../types.ts';

/** A row as its shard knows it. */
export interface StoredRow {
  readonly key: string;
  readonly caption: string;
  readonly error?: string | undefined;
  readonly copies?: number | undefined;
}

/** What a format has to say of one shard; rows are counted within it. */
export interface StoredShard {
  /** See DatasetShard. */
  readonly name: string;
  readonly digest: string;
  readonly size: number;
}

/** A format's files, opened: `datasetOf` makes the dataset. */
export interface Store<Shard extends StoredShard> {
  readonly format: string;
  /** As the user gave it. */
  readonly path: string;
  /** Options that decide what is read. */
  readonly options: readonly unknown[];
  readonly shards: readonly Shard[];
  readonly problems: readonly DatasetProblem[];
  readonly maxPixels?: number | undefined;
  readonly embeddings?: DatasetEmbeddings | undefined;
  /** Rows [from, to) of a shard. `first` is the shard's first row in the dataset. */
  rows(shard: Shard, from: number, to: number, first: number): AsyncIterable<StoredRow>;
  /** Undefined where the format holds none; the error says why. */
  readonly encoded: ((shard: Shard, row: number) => Promise<Uint8Array>) | undefined;
  /** Names a row in errors. */
  where(shard: Shard, row: number): string;
  /** The row with a key, counted within its shard. */
  find(key: string): Promise<{ readonly shard: Shard; readonly row: number } | undefined>;
  /** Writes the rows of a shard whose value in `mask` is not 0; called for shards that keep any. `output` is as the user gave it. */
  copy(shard: Shard, mask: Uint8Array, output: string, signal: AbortSignal | undefined): Promise<void>;
  close(): Promise<void>;
}

/** Shards with the rows of the dataset that they hold. */
function placed(shards: readonly StoredShard[]): DatasetShard[] {
  let from = 0;
  return shards.map(({ name, digest, size }) => {
    const shard = { name, from, to: from + size, digest };
    from += size;
    return shard;
  });
}

/** Position of the shard that holds a row. */
function shardAt(shards: readonly DatasetShard[], index: number): number {
  let low = 0;
  let high = shards.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (shards[middle]!.from <= index) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** A dataset over the files of a format. */
export function datasetOf<Shard extends StoredShard>(store: Store<Shard>): Dataset {
  const { path, format, maxPixels } = store;
  const name = basename(resolve(path));
  const shards = placed(store.shards);
  const size = shards.at(-1)?.to ?? 0;
  const at = (index: number) => {
    checkIndex(name, index, size);
    const position = shardAt(shards, index);
    return { shard: store.shards[position]!, row: index - shards[position]!.from };
  };
  const { encoded } = store;

  return {
    name,
    digest: datasetDigest(format, store.options, shards),
    size,
    format,
    shards,
    problems: store.problems,
    hasPictures: encoded !== undefined,
    ...(maxPixels && { maxPixels }),
    ...(store.embeddings && { embeddings: store.embeddings }),
    async *rows(from, to): AsyncGenerator<DatasetRow> {
      const [start, end] = clampRange(size, from, to);
      if (start >= end) return;
      let index = start;
      for (let position = shardAt(shards, start); position < shards.length && index < end; position++) {
        const { from: first, to: last } = shards[position]!;
        const rows = store.rows(store.shards[position]!, index - first, Math.min(end, last) - first, first);
        for await (const { key, caption, error, copies } of rows)
          yield {
            index: index++,
            key,
            caption,
            ...(error !== undefined && { error }),
            ...(copies !== undefined && { copies }),
          };
        // Else the rows of the next shard would take the places of those that are lacking.
        if (index < Math.min(end, last))
          throw new VerbatimError(
            `${path}, shard ${shards[position]!.name}: ends before row ${index - first}; it changed while it was read, run again.`,
          );
      }
    },
    async picture(index) {
      const { shard, row } = at(index);
      if (encoded === undefined)
        throw new VerbatimError(
          `${name} (${format}): ${store.embeddings ? 'has captions and vectors alone; give the folder of the pictures as images' : 'has captions alone, no pictures'}.`,
        );
      const bytes = await encoded(shard, row);
      return decodePicture(bytes, { where: store.where(shard, row), ...(maxPixels && { maxPixels }) });
    },
    ...(encoded && {
      encoded: async (index: number) => {
        const { shard, row } = at(index);
        return encoded(shard, row);
      },
    }),
    async find(key) {
      const found = await store.find(key);
      return found && shards[store.shards.indexOf(found.shard)]!.from + found.row;
    },
    async copyTo(output, keep, { signal, onProgress } = {}) {
      await prepareOutput(path, output);
      let rows = 0;
      for (const [position, { from, to }] of shards.entries()) {
        signal?.throwIfAborted();
        const mask = new Uint8Array(to - from);
        for (let index = from; index < to; index++) mask[index - from] = keep(index) ? 1 : 0;
        const kept = mask.reduce((sum, value) => sum + value, 0);
        if (kept > 0) await store.copy(store.shards[position]!, mask, output, signal);
        rows += kept;
        onProgress?.(to, size);
      }
      return { rows };
    },
    close: () => store.close(),
  };
}

/** A copy goes to a place of its own: what is there already would become part of it, or the copy part of the original. */
async function prepareOutput(path: string, output: string): Promise<void> {
  const source = await stat(path);
  const there = await stat(output).catch(() => undefined);
  const taken = there?.isDirectory()
    ? (await readdir(output)).length > 0 || source.isFile()
    : there !== undefined;
  if (taken)
    throw new VerbatimError(
      `${output}: is there already; name a new ${source.isFile() ? 'file' : 'folder'}.`,
      {
        exitCode: 2,
      },
    );
  const parent = source.isFile() ? dirname(resolve(output)) : resolve(output);
  await mkdir(parent, { recursive: true });
  const inside =
    source.isDirectory() && `${await realpath(parent)}${sep}`.startsWith(`${await realpath(path)}${sep}`);
  if (inside)
    throw new VerbatimError(`${output}: lies inside ${path}; name a folder beside it.`, { exitCode: 2 });
}

/** Finds keys of the form `shard/rest`: the shards whose name stands before, with what follows. */
export function* shardsOfKey<Shard extends StoredShard>(
  shards: readonly Shard[],
  key: string,
): Generator<{ readonly shard: Shard; readonly rest: string }> {
  for (const shard of shards)
    if (key.startsWith(`${shard.name}/`)) yield { shard, rest: key.slice(shard.name.length + 1) };
}

/** Keys by the row's number in the dataset. */
export const rowKey = (index: number): string => `row-${String(index).padStart(7, '0')}`;

/** The row's number that `rowKey` has made a key of, or undefined. */
export function rowOfKey(key: string): number | undefined {
  const index = Number(/^row-(\d{7,})$/.exec(key)?.[1] ?? Number.NaN);
  return rowKey(index) === key ? index : undefined;
}

/** The shard that holds row `index` of the dataset, and the row within it. */
export function locateRow<Shard extends StoredShard>(
  shards: readonly Shard[],
  index: number | undefined,
): { readonly shard: Shard; readonly row: number } | undefined {
  let row = index ?? Number.NaN;
  for (const shard of shards) {
    if (row < shard.size) return { shard, row };
    row -= shard.size;
  }
  return undefined;
}
