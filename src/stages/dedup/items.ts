import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Dataset, DatasetRow } from '../../datasets/index.ts';
import { field, tilesOf } from '../../dedup/index.ts';
import { type Descriptor, phash, vectorsOf } from '../../descriptors/index.ts';
import { crop, decodePicture, type Picture } from '../../images/index.ts';
import { toFloat16 } from '../../math/index.ts';
import { writeNpy, writeTable } from '../../tables/index.ts';
import { errorText, rethrowFatal, runStage, type StageProgress, shardName } from '../stage.ts';
import { type ItemRow, itemColumns, type TileRow, tileColumns } from './columns.ts';
import type { ResolvedDedupConfig } from './config.ts';
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
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: StageProgress) => void) | undefined;
}

/** Pictures that are decoded and described together. */
const describedTogether = 32;
/** Levels of the thumbnail that a picture without structure may have. */
const dash = '-'.repeat(16);

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
      process: (piece, { advance }) => describePiece(input, piece, advance),
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
  advance: (items: number) => void,
): Promise<ItemRow[]> {
  const { dataset, config, descriptor, embeddings, folder, signal } = input;
  const rows: ItemRow[] = [];
  const tiles: TileRow[] = [];
  const vectors: Float32Array[] = [];
  // A shard that went before it was described: its items are never asked for.
  if (piece.from === undefined) return [];
  const { from, first } = piece;
  let together: DatasetRow[] = [];
  const flush = async () => {
    signal?.throwIfAborted();
    const described = await Promise.all(
      together.map((row) => describeRow(input, row, first + row.index - from)),
    );
    if (descriptor !== undefined) {
      const pictures = described.flatMap(({ picture }) => (picture === undefined ? [] : [picture]));
      vectors.push(await vectorsOf(descriptor, pictures));
    }
    for (const { row, tiles: found } of described) {
      rows.push(row);
      tiles.push(...found);
    }
    advance(together.length);
    together = [];
  };
  for await (const row of dataset.rows(from, from + piece.rows)) {
    together.push(row);
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

async function describeRow(input: ItemsInput, row: DatasetRow, item: number): Promise<Described> {
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
  const failed = (error: unknown): Described => ({
    row: { ...bare, described: false, error: errorText(error) },
    picture: undefined,
    tiles: [],
  });
  if (row.error !== undefined) return failed(row.error);
  if (!dataset.hasPictures) return { row: bare, picture: undefined, tiles: [] };
  try {
    const encoded = await dataset.encoded?.(row.index);
    const picture =
      encoded === undefined
        ? await dataset.picture(row.index)
        : await decodePicture(encoded, { where: `row ${row.index} (${row.key})` });
    const { width, height } = picture;
    const content = encoded ?? picture.data;
    const hash = structured(picture) ? phash(picture) : undefined;
    return {
      row: {
        ...bare,
        sha256: digestOf('sha256', content, encoded === undefined ? picture : undefined),
        md5: digestOf('md5', content, encoded === undefined ? picture : undefined),
        bytes: content.byteLength,
        width,
        height,
        phash: hash === undefined ? null : hex(hash),
        fields: config.families ? fieldHashes(picture) : null,
        described: descriptor !== undefined || embeddings !== undefined,
      },
      picture: descriptor === undefined ? undefined : picture,
      tiles: config.levels.includes('tiles') ? tileRows(picture, item) : [],
    };
  } catch (error) {
    rethrowFatal(error, signal);
    return failed(error);
  }
}

/** Of a drawn picture the size counts too: equal pixels in another shape are another picture. */
function digestOf(name: 'sha256' | 'md5', content: Uint8Array, drawn: Picture | undefined): string {
  const hash = createHash(name);
  if (drawn !== undefined) hash.update(`${drawn.width}x${drawn.height}\n`);
  return hash.update(content).digest('hex');
}

/** A picture whose levels differ less than this everywhere, 8 bits, has no structure: its hash would be noise. */
const leastContrast = 8;

function structured({ data }: Picture): boolean {
  for (let channel = 0; channel < 3; channel++) {
    let [low, high] = [255, 0];
    for (let at = channel; at < data.length; at += 3) {
      low = Math.min(low, data[at]!);
      high = Math.max(high, data[at]!);
    }
    if (high - low >= leastContrast) return true;
  }
  return false;
}

function hashOf(picture: Picture): string | undefined {
  return structured(picture) ? hex(phash(picture)) : undefined;
}

function tileRows(picture: Picture, item: number): TileRow[] {
  return tilesOf(picture).flatMap((tile) => {
    const hash = hashOf(crop(picture, tile.x, tile.y, tile.width, tile.height));
    return hash === undefined ? [] : [{ item, ...tile, phash: hash }];
  });
}

/** Hashes of a 3 × 3 grid: variants of a template have some in common, in place. */
function fieldHashes(picture: Picture): string {
  const { width, height } = picture;
  const whole = { x: 0, y: 0, width, height };
  if (Math.min(width, height) < 3) return dash.repeat(9);
  return Array.from({ length: 9 }, (_, i) => {
    const tile = field(whole, i % 3, 3, Math.floor(i / 3), 3);
    return hashOf(crop(picture, tile.x, tile.y, tile.width, tile.height)) ?? dash;
  }).join('');
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
