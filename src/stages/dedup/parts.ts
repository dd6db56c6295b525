import { join } from 'node:path';
import type { Tile } from '../../dedup/index.ts';
import { pixelDescriptor } from '../../descriptors/index.ts';
import { crop, type Picture } from '../../images/index.ts';
import { dot } from '../../math/index.ts';
import { distinctBits, hammingIndex } from '../../search/index.ts';
import { readTable, tableFiles } from '../../tables/index.ts';
import { rethrowFatal, runStage } from '../stage.ts';
import { type PartRow, partColumns, tileColumns } from './columns.ts';
import type { BatchRange, EdgesInput } from './edges.ts';
import { piecePath } from './items.ts';
import { itemsWhere, rowsOf } from './loaded.ts';
import type { Piece } from './pieces.ts';
import { batchTable } from './state.ts';

/** Thumbnails of whole pictures that are kept while parts are compared with them, bytes. */
const keptBytes = 64 * 2 ** 20;
/** Side of the thumbnails, pixels. */
const side = 16;

/**
 * Level `tiles`: pictures that lie in a part of another: framed copies, collages. A part's hash is looked up among the
 * hashes of whole pictures; what lies within `tileRadius` is compared by its pixels, and an edge when their correlation reaches
 * `tileThreshold`. Of pictures with equal hashes the first stands for all.
 */
export async function partEdges(input: EdgesInput, range: BatchRange): Promise<void> {
  const { folder, items, config, signal, onProgress } = input;
  const wholes = itemsWhere(range.to, (item) => items.hashed[item] === 1);
  const { first, distinct } = distinctBits(rowsOf(wholes, items.phash, 8), 8);
  const index = hammingIndex(distinct, 8, config.tileRadius);
  const descriptor = pixelDescriptor(side);
  const kept = new Map<number, Float32Array | undefined>();
  const whole = async (item: number): Promise<Float32Array | undefined> => {
    if (kept.has(item)) return kept.get(item);
    const picture = await pictureOf(input, item);
    const made = picture && (await descriptor.describe([picture]));
    kept.set(item, made);
    const oldest = kept.keys().next();
    if (kept.size * side * side * 12 > keptBytes && !oldest.done) kept.delete(oldest.value);
    return made;
  };
  const partsOf = async (piece: Piece): Promise<PartRow[]> => {
    if (piece.from === undefined) return [];
    const tiles = await readTable(piecePath(folder, 'tiles', piece), tileColumns);
    const rows: PartRow[] = [];
    let open: { item: number; picture: Picture | undefined } | undefined;
    for (const { item, x, y, width, height, phash } of tiles) {
      signal?.throwIfAborted();
      for (const { row, distance } of index.within(Buffer.from(phash, 'hex'))) {
        const a = wholes[first[row]!]!;
        if (a === item || Math.max(a, item) < range.newFrom) continue;
        const of = await whole(a);
        if (open?.item !== item) open = { item, picture: await pictureOf(input, item) };
        if (of === undefined || open.picture === undefined) continue;
        const { tile, score } = await bestTile(of, open.picture, { x, y, width, height });
        if (score < config.tileThreshold) continue;
        const area = (tile.width * tile.height) / (open.picture.width * open.picture.height);
        rows.push({ a, b: item, score, bits: distance, ...tile, area });
      }
    }
    return bestParts(rows);
  };
  await runStage({
    folder,
    name: batchTable('edges-tiles', range.batch),
    columns: partColumns,
    shards: items.pieces.filter(({ first: at }) => at < range.to),
    items: ({ rows }) => rows,
    process: partsOf,
    signal,
    onProgress: (progress) => onProgress?.({ ...progress, stage: 'edges-tiles' }),
  });
}

/** Share of the tile's side by which its sides are moved at first, and how often that is halved. */
const firstMove = 1 / 16;
const halvings = 3;

/**
 * The tile near the given one that agrees best with a whole picture: each of its sides is moved while that helps. Margins
 * are found to some pixels only, which in a small picture is much.
 */
async function bestTile(
  whole: Float32Array,
  picture: Picture,
  start: Tile,
): Promise<{ tile: Tile; score: number }> {
  const descriptor = pixelDescriptor(side);
  const scoreOf = async ({ x, y, width, height }: Tile) =>
    dot(whole, await descriptor.describe([crop(picture, x, y, width, height)]));
  let best = { tile: start, score: await scoreOf(start) };
  for (let halving = 0; halving < halvings; halving++) {
    const step = (length: number) => Math.max(1, Math.round((length * firstMove) / 2 ** halving));
    const [across, down] = [step(start.width), step(start.height)];
    for (let moved = true; moved; ) {
      moved = false;
      for (const [left, top, right, bottom] of moves(across, down)) {
        const { x, y, width, height } = best.tile;
        const tile = { x: x + left, y: y + top, width: width + right - left, height: height + bottom - top };
        if (!inside(tile, picture)) continue;
        const score = await scoreOf(tile);
        if (score <= best.score) continue;
        best = { tile, score };
        moved = true;
      }
    }
  }
  return best;
}

/** By how much left, top, right and bottom side move: each alone, and the whole tile. */
function moves(across: number, down: number): (readonly [number, number, number, number])[] {
  return [across, -across]
    .flatMap((by): [number, number, number, number][] => [
      [by, 0, 0, 0],
      [0, 0, by, 0],
      [by, 0, by, 0],
    ])
    .concat(
      [down, -down].flatMap((by): [number, number, number, number][] => [
        [0, by, 0, 0],
        [0, 0, 0, by],
        [0, by, 0, by],
      ]),
    );
}

function inside({ x, y, width, height }: Tile, picture: Picture): boolean {
  const least = 8;
  return (
    x >= 0 &&
    y >= 0 &&
    width >= least &&
    height >= least &&
    x + width <= picture.width &&
    y + height <= picture.height
  );
}

/** Of several parts of one picture that hold the same other one, that which agrees best. */
function bestParts(rows: readonly PartRow[]): PartRow[] {
  const best = new Map<string, PartRow>();
  for (const row of rows) {
    const key = `${row.a} ${row.b}`;
    const known = best.get(key);
    if (known === undefined || row.score > known.score) best.set(key, row);
  }
  return [...best.values()].sort((x, y) => x.b - y.b || x.a - y.a);
}

async function pictureOf({ dataset, items, signal }: EdgesInput, item: number): Promise<Picture | undefined> {
  try {
    return await dataset.picture(items.datasetIndex[item]!);
  } catch (error) {
    // It could be read before: what changed meanwhile is described anew the next time.
    rethrowFatal(error, signal);
    return undefined;
  }
}

/** The parts of all batches that the dataset still has. */
export async function readParts({ folder, items }: EdgesInput): Promise<PartRow[]> {
  const rows: PartRow[] = [];
  for (let batch = 0; batch < folder.description.batches.length; batch++) {
    for (const file of await tableFiles(join(folder.tables, batchTable('edges-tiles', batch))))
      for (const row of await readTable(file, partColumns))
        if (items.present[row.a] === 1 && items.present[row.b] === 1) rows.push(row);
  }
  return rows;
}
