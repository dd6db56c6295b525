import { createHash } from 'node:crypto';
import type { Dataset } from '../../datasets/index.ts';
import { normalCaption } from '../../dedup/index.ts';
import { readTable } from '../../tables/index.ts';
import { itemColumns } from './columns.ts';
import { piecePath } from './items.ts';
import { type Piece, piecesOf } from './pieces.ts';
import type { DedupFolder } from './state.ts';

/** What the comparison of all items needs of each, column by column: some 60 bytes per item. */
export interface LoadedItems {
  readonly count: number;
  readonly pieces: readonly Piece[];
  /** 1 where the dataset has the item and it could be read. */
  readonly present: Uint8Array;
  /** First 16 bytes of the file's SHA-256, [count, 16]. */
  readonly content: Uint8Array;
  /** [count, 8], and 1 where there is a hash. */
  readonly phash: Uint8Array;
  readonly hashed: Uint8Array;
  /** First 16 bytes of the SHA-256 of the normalised caption, [count, 16]; 1 where it is not empty. */
  readonly caption: Uint8Array;
  readonly captioned: Uint8Array;
  readonly described: Uint8Array;
  readonly pixels: Float64Array;
  readonly bytes: Float64Array;
  /** Items that could not be read. */
  readonly failed: number;
  /** Position in the dataset as it is now; −1 where it has the item no longer. */
  readonly datasetIndex: Int32Array;
}

const wanted = (({ item, caption, sha256, phash, width, height, bytes, described, error }) => ({
  item,
  caption,
  sha256,
  phash,
  width,
  height,
  bytes,
  described,
  error,
}))(itemColumns);

/** Reads tables/items of all batches. */
export async function loadItems(
  folder: DedupFolder,
  dataset: Dataset,
  shardSize: number,
): Promise<LoadedItems> {
  const pieces = piecesOf(folder, dataset, shardSize);
  const last = pieces.at(-1);
  const count = last === undefined ? 0 : last.first + last.rows;
  const loaded = {
    count,
    pieces,
    present: new Uint8Array(count),
    content: new Uint8Array(count * 16),
    phash: new Uint8Array(count * 8),
    hashed: new Uint8Array(count),
    caption: new Uint8Array(count * 16),
    captioned: new Uint8Array(count),
    described: new Uint8Array(count),
    pixels: new Float64Array(count),
    bytes: new Float64Array(count),
    datasetIndex: new Int32Array(count).fill(-1),
  };
  let failed = 0;
  for (const piece of pieces) {
    if (piece.from === undefined) continue;
    for (const row of await readTable(piecePath(folder, 'items', piece), wanted)) {
      const { item } = row;
      loaded.datasetIndex[item] = piece.from + item - piece.first;
      if (row.error !== null) {
        failed += 1;
        continue;
      }
      loaded.present[item] = 1;
      if (row.sha256 !== null) loaded.content.set(Buffer.from(row.sha256.slice(0, 32), 'hex'), item * 16);
      if (row.phash !== null) {
        loaded.phash.set(Buffer.from(row.phash, 'hex'), item * 8);
        loaded.hashed[item] = 1;
      }
      const caption = normalCaption(row.caption);
      if (caption !== '') loaded.captioned[item] = 1;
      loaded.caption.set(createHash('sha256').update(caption).digest().subarray(0, 16), item * 16);
      loaded.described[item] = row.described ? 1 : 0;
      loaded.pixels[item] = (row.width ?? 0) * (row.height ?? 0);
      loaded.bytes[item] = row.bytes ?? 0;
    }
  }
  return { ...loaded, failed };
}

/** Items for which `test` holds, ascending, up to (but not including) `to`. */
export function itemsWhere(to: number, test: (item: number) => boolean): Uint32Array {
  let size = 0;
  for (let item = 0; item < to; item++) if (test(item)) size += 1;
  const items = new Uint32Array(size);
  let at = 0;
  for (let item = 0; item < to; item++) if (test(item)) items[at++] = item;
  return items;
}

/** Rows of packed bytes of some items, [items, width]. */
export function rowsOf(items: Uint32Array, all: Uint8Array, width: number): Uint8Array {
  const rows = new Uint8Array(items.length * width);
  items.forEach((item, i) => {
    rows.set(all.subarray(item * width, (item + 1) * width), i * width);
  });
  return rows;
}
