import { join } from 'node:path';
import type { Dataset, DatasetRow } from '../../datasets/index.ts';
import { type Descriptor, vectorsOf } from '../../descriptors/index.ts';
import type { Picture } from '../../images/index.ts';
import { toFloat16 } from '../../math/index.ts';
import { mapConcurrently, openThreads, scriptUrl } from '../../runtime/index.ts';
import { writeNpy, writeTable } from '../../tables/index.ts';
import { errorText, rethrowFatal, runStage, type StageProgress, shardName } from '../stage.ts';
import { type ItemRow, itemColumns, type TileRow, tileColumns } from './columns.ts';
import type { ResolvedDedupConfig } from './config.ts';
import { type FactsRequest, factsOf, factsOfEncoded, type PictureFacts } from './facts.ts';
import type { Piece } from './pieces.ts';
import { batchTable, type DedupFolder } from './state.ts';

export interface ItemsInput {
  readonly folder: DedupFolder;
  readonly dataset: Dataset;
  readonly config: ResolvedDedupConfig;
  /** Level `descriptor`, where the dataset brings no vectors of its own. */
  readonly descriptor: Descriptor | undefined;
  /** The dataset's own vectors: rows of its shard's file, made as long as 1. */
  readonly embeddings: ((from: number, to: number) => Promise<Float32Array>) | undefined;
  /** Default: as many as there are cores. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: StageProgress) => void) | undefined;
}

/** Pictures that are decoded and described together. */
const describedTogether = 32;
/** Fewer pictures are described on this thread: starting others takes longer. */
const fewPictures = 64;

type Facts = (request: FactsRequest) => ReturnType<typeof factsOfEncoded>;

/** The file of a piece's vectors. */
export function vectorPath(folder: string, { batch, index }: Piece): string {
  return join(folder, batchTable('vectors', batch), shardName(index, 'npy'));
}

/** The file of a piece's rows in a table. */
export function piecePath(
  { tables }: Pick<DedupFolder, 'tables'>,
  name: string,
  { batch, index }: Piece,
): string {
  return join(tables, batchTable(name, batch), shardName(index));
}

/** Describes every item of the pieces: tables/items, tables/tiles, vectors. Those that are there are left. */
export async function describeItems(input: ItemsInput, pieces: readonly Piece[]): Promise<void> {
  const total = pieces.reduce((sum, { rows }) => sum + rows, 0);
  if (total < fewPictures || !input.dataset.hasPictures) return describeAll(input, pieces, factsOfEncoded);
  const script = scriptUrl('facts-thread', import.meta.url);
  const threads = openThreads<FactsRequest, Awaited<ReturnType<Facts>>>(script, {
    label: 'pictures',
    threads: input.threads,
  });
  try {
    await describeAll(input, pieces, (request) => {
      // A view would go with its whole buffer, which may be that of a shard.
      const encoded = Uint8Array.from(request.encoded);
      return threads.run({ ...request, encoded }, [encoded.buffer]);
    });
  } finally {
    await threads.close();
  }
}

async function describeAll(input: ItemsInput, pieces: readonly Piece[], facts: Facts): Promise<void> {
  const { folder, signal, onProgress } = input;
  const total = pieces.reduce((sum, { rows }) => sum + rows, 0);
  let before = 0;
  for (let batch = 0; batch < folder.description.batches.length; batch++) {
    const shards = pieces.filter((piece) => piece.batch === batch);
    const offset = before;
    await runStage({
      folder,
      name: batchTable('items', batch),
      columns: itemColumns,
      shards,
      items: ({ rows }) => rows,
      signal,
      // One line for all batches.
      onProgress: (progress) =>
        onProgress?.({
          ...progress,
          stage: 'items',
          done: offset + progress.done,
          total,
          resumed: offset + progress.resumed,
        }),
      process: (piece, { advance }) => describePiece(input, piece, facts, advance),
    });
    before += shards.reduce((sum, { rows }) => sum + rows, 0);
  }
}

/** What is known of one item's picture. */
interface Described {
  readonly row: ItemRow;
  readonly picture: Picture | undefined;
  readonly tiles: readonly TileRow[];
}

async function describePiece(
  input: ItemsInput,
  piece: Piece,
  facts: Facts,
  advance: (items: number) => void,
): Promise<ItemRow[]> {
  const { dataset, config, descriptor, embeddings, folder, signal } = input;
  const rows: ItemRow[] = [];
  const tiles: TileRow[] = [];
  const vectors: Float32Array[] = [];
  // A shard that went before it was described: its items are never asked for.
  if (piece.from === undefined) return [];
  const { from, first } = piece;
  let together: Described[] = [];
  const flush = async () => {
    if (descriptor !== undefined) {
      const pictures = together.flatMap(({ picture }) => (picture === undefined ? [] : [picture]));
      vectors.push(await vectorsOf(descriptor, pictures));
    }
    for (const { row, tiles: found } of together) {
      rows.push(row);
      tiles.push(...found);
    }
    advance(together.length);
    together = [];
  };
  const described = mapConcurrently(dataset.rows(from, from + piece.rows), describedTogether, async (row) => {
    signal?.throwIfAborted();
    return describeRow(input, row, first + row.index - from, facts);
  });
  for await (const item of described) {
    together.push(item);
    if (together.length === describedTogether) await flush();
  }
  await flush();
  if (embeddings !== undefined) {
    const all = await embeddings(from, from + piece.rows);
    const dimension = all.length / piece.rows;
    rows.forEach((row, i) => {
      const vector = all.subarray(i * dimension, (i + 1) * dimension);
      if (row.error !== null) return;
      if (vector.some((value) => value !== 0)) vectors.push(vector);
      // Where there are pictures, these are still compared.
      else
        rows[i] = {
          ...row,
          described: false,
          error: dataset.hasPictures
            ? null
            : `row ${from + i} (${row.key}): its vector is all 0, or holds what is not a finite number`,
        };
    });
  }
  if (descriptor !== undefined || embeddings !== undefined) {
    const all = joined(vectors);
    const described = rows.reduce((sum, row) => sum + (row.described ? 1 : 0), 0);
    const dimension = descriptor?.dimension ?? (described === 0 ? 1 : all.length / described);
    // Before the table: a shard whose table stands has its vectors.
    await writeNpy(
      vectorPath(folder.path, piece),
      config.dtype === 'float16' ? toFloat16(all) : all,
      dimension,
    );
  }
  if (config.levels.includes('tiles'))
    await writeTable(piecePath(folder, 'tiles', piece), tileColumns, tiles);
  return rows;
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

async function describeRow(
  input: ItemsInput,
  row: DatasetRow,
  item: number,
  facts: Facts,
): Promise<Described> {
  const { dataset, config, descriptor, embeddings, signal } = input;
  const bare: ItemRow = {
    item,
    key: row.key,
    caption: row.caption,
    sha256: null,
    md5: null,
    bytes: null,
    width: null,
    height: null,
    phash: null,
    fields: null,
    described: embeddings !== undefined,
    error: null,
  };
  const failed = (error: string): Described => ({
    row: { ...bare, described: false, error },
    picture: undefined,
    tiles: [],
  });
  if (row.error !== undefined) return failed(errorText(row.error));
  if (!dataset.hasPictures) return { row: bare, picture: undefined, tiles: [] };
  const wants = {
    families: config.families,
    tiles: config.levels.includes('tiles'),
    picture: descriptor !== undefined,
  };
  let read: Uint8Array | PictureFacts;
  try {
    read =
      (await dataset.encoded?.(row.index)) ?? factsOf(await dataset.picture(row.index), undefined, wants);
  } catch (error) {
    rethrowFatal(error, signal);
    return failed(errorText(error));
  }
  // What is thrown here is no fault of the picture's, and ends the run.
  const found =
    read instanceof Uint8Array
      ? await facts({
          encoded: read,
          where: `row ${row.index} (${row.key})`,
          maxPixels: dataset.maxPixels,
          wants,
        })
      : read;
  if ('error' in found) return failed(found.error);
  const { tiles, picture, ...columns } = found;
  return {
    row: { ...bare, ...columns, described: descriptor !== undefined || embeddings !== undefined },
    picture,
    tiles: tiles.map((tile) => ({ item, ...tile })),
  };
}
