import { join } from 'node:path';
import type { Dataset } from '../../datasets/index.ts';
import { type Edges, similarCaptions } from '../../dedup/index.ts';
import { distinctBits, hammingPairs, openNpyRows, type VectorRows } from '../../search/index.ts';
import { readTable, writeTable } from '../../tables/index.ts';
import { type StageProgress, shardName } from '../stage.ts';
import { type EdgeRow, edgeColumns, itemColumns } from './columns.ts';
import type { ResolvedDedupConfig } from './config.ts';
import { piecePath, vectorPath } from './items.ts';
import { itemsWhere, type LoadedItems, rowsOf } from './loaded.ts';
import { batchTable, type DedupFolder } from './state.ts';

export interface EdgesInput {
  readonly folder: DedupFolder;
  readonly dataset: Dataset;
  readonly config: ResolvedDedupConfig;
  readonly items: LoadedItems;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: StageProgress) => void) | undefined;
}

/** Edges of one file of a table. */
const edgesPerShard = 65_536;

/** The stretch of items that one batch brought, and all before it: what its edges join. */
export interface BatchRange {
  readonly batch: number;
  /** Its first item: an edge has at least one item from here on. */
  readonly newFrom: number;
  readonly to: number;
}

export function batchRanges({ description }: DedupFolder): BatchRange[] {
  let to = 0;
  return description.batches.map((_, batch) => {
    const newFrom = to;
    for (const shard of description.shards) if (shard.batch === batch) to += shard.rows;
    return { batch, newFrom, to };
  });
}

/** Level `file`: equal bytes. Every copy has an edge to the first. */
export async function fileEdges(input: EdgesInput, range: BatchRange): Promise<void> {
  const { items } = input;
  const those = itemsWhere(range.to, (item) => items.present[item] === 1 && items.pixels[item]! > 0);
  await writeEdges(input, 'file', range, equalRows(those, items.content, 16, range, 1));
}

/** Level `perceptual`: hashes that differ in few bits. Of equal hashes the first stands for all. */
export async function perceptualEdges(input: EdgesInput, range: BatchRange): Promise<void> {
  const { items, config, signal } = input;
  const those = itemsWhere(range.to, (item) => items.hashed[item] === 1);
  async function* found(): AsyncGenerator<Edges> {
    yield* equalRows(those, items.phash, 8, range, 0);
    const { first, distinct } = distinctBits(rowsOf(those, items.phash, 8), 8);
    const newFrom = first.findIndex((row) => those[row]! >= range.newFrom);
    if (newFrom < 0) return;
    for (const { a, b, distance } of hammingPairs(distinct, 8, config.radius, { newFrom, signal }))
      yield {
        a: a.map((row) => those[first[row]!]!),
        b: b.map((row) => those[first[row]!]!),
        score: Float64Array.from(distance),
      };
  }
  await writeEdges(input, 'perceptual', range, found());
}

/** Level `caption`: equal captions, or such that share most words. */
export async function captionEdges(input: EdgesInput, range: BatchRange): Promise<void> {
  const { items, config, signal } = input;
  const those = itemsWhere(range.to, (item) => items.present[item] === 1 && items.captioned[item] === 1);
  async function* found(): AsyncGenerator<Edges> {
    yield* equalRows(those, items.caption, 16, range, 1);
    if (config.captionThreshold === 1) return;
    const { first } = distinctBits(rowsOf(those, items.caption, 16), 16);
    const firsts = first.map((row) => those[row]!);
    const newFrom = firsts.findIndex((item) => item >= range.newFrom);
    if (newFrom < 0) return;
    const captions = await captionsOf(input, firsts);
    for (const { a, b, score } of similarCaptions(captions, config.captionThreshold, { newFrom, signal }))
      yield { a: a.map((at) => firsts[at]!), b: b.map((at) => firsts[at]!), score };
  }
  await writeEdges(input, 'caption', range, found());
}

/** Every row that equals an earlier one, with the first such, if it is new. */
function* equalRows(
  items: Uint32Array,
  all: Uint8Array,
  width: number,
  { newFrom }: BatchRange,
  score: number,
): Generator<Edges> {
  const { first, of } = distinctBits(rowsOf(items, all, width), width);
  const copies = itemsWhere(items.length, (at) => first[of[at]!] !== at && items[at]! >= newFrom);
  yield {
    a: copies.map((at) => items[first[of[at]!]!]!),
    b: copies.map((at) => items[at]!),
    score: new Float64Array(copies.length).fill(score),
  };
}

/** Captions of some items, in their order (ascending). */
export async function captionsOf({ folder, items }: EdgesInput, of: Uint32Array): Promise<string[]> {
  const captions: string[] = [];
  let at = 0;
  for (const piece of items.pieces) {
    const end = piece.first + piece.rows;
    if (at >= of.length || of[at]! >= end) continue;
    const { caption, item } = itemColumns;
    const rows = await readTable(piecePath(folder, 'items', piece), { item, caption });
    for (; at < of.length && of[at]! < end; at++) captions.push(rows[of[at]! - piece.first]!.caption);
  }
  return captions;
}

/** Writes edges as they come, in files of equal size; those that are there are written again with the same bytes. */
async function writeEdges(
  { folder, signal, onProgress }: EdgesInput,
  level: string,
  { batch }: BatchRange,
  found: AsyncIterable<Edges> | Iterable<Edges>,
): Promise<void> {
  const name = batchTable(`edges-${level}`, batch);
  const progress = (done: number, total: number) =>
    onProgress?.({ stage: `edges-${level}`, done, total, resumed: 0, failed: 0, evaluations: 0 });
  let rows: EdgeRow[] = [];
  let shard = 0;
  let written = 0;
  const write = async () => {
    await writeTable(join(folder.tables, name, shardName(shard++)), edgeColumns, rows);
    written += rows.length;
    rows = [];
  };
  for await (const { a, b, score } of found) {
    signal?.throwIfAborted();
    for (let i = 0; i < a.length; i++) {
      rows.push({ a: Math.min(a[i]!, b[i]!), b: Math.max(a[i]!, b[i]!), score: score[i]! });
      if (rows.length === edgesPerShard) {
        await write();
        progress(written, written + 1);
      }
    }
  }
  await write();
  progress(written, written);
}

/** The vectors of all items that have one, in their order, and which item each row is. */
export async function openVectors(
  { folder, items }: Pick<EdgesInput, 'folder' | 'items'>,
  to: number,
): Promise<{ readonly rows: VectorRows; readonly of: Uint32Array } | undefined> {
  const of = itemsWhere(to, (item) => items.described[item] === 1);
  if (of.length === 0) return undefined;
  // A piece of failed rows has a file without rows, of whatever dimension.
  const holds = new Uint8Array(items.pieces.length);
  let at = 0;
  items.pieces.forEach(({ first, rows }, piece) => {
    while (at < of.length && of[at]! < first + rows) {
      holds[piece] = 1;
      at++;
    }
  });
  const pieces = items.pieces.filter((_, piece) => holds[piece] === 1);
  const rows = await openNpyRows(pieces.map((piece) => vectorPath(folder.path, piece)));
  return { rows, of };
}
