import { join } from 'node:path';
import {
  completeParts,
  type Edges,
  edgesOfGroups,
  groupOfItems,
  keptOf,
  type Level,
  levels,
  linkedGroups,
  membersOf,
} from '../../dedup/index.ts';
import { hammingDistance } from '../../descriptors/index.ts';
import { dot } from '../../math/index.ts';
import type { VectorRows } from '../../search/index.ts';
import { readTable, tableFiles } from '../../tables/index.ts';
import { readCentroids } from './cells.ts';
import { edgeColumns, type PartRow } from './columns.ts';
import { type EdgesInput, openVectors } from './edges.ts';
import { batchTable } from './state.ts';
import { type GroupPairs, type ItemVectors, worstPairs } from './worst-pairs.ts';

/** From this share of the larger picture on, a part that is another picture makes the two duplicates. */
const wholeArea = 0.5;

/** All edges that join groups, each with its level: 17 bytes per edge. */
export interface LevelEdges extends Edges {
  /** Position in `levels`. */
  readonly level: Uint8Array;
}

/** Reads the edges of all levels and batches between items that the dataset still has. */
export async function readEdges(
  { folder, items }: EdgesInput,
  parts: readonly PartRow[],
): Promise<LevelEdges> {
  const [a, b, score, level] = [grown(), grown(), grown(), grown()];
  const present = (item: number) => items.present[item] === 1;
  for (const [number, name] of levels.entries()) {
    if (name === 'tiles') {
      for (const part of parts)
        if (part.area >= wholeArea) {
          a.push(Math.min(part.a, part.b));
          b.push(Math.max(part.a, part.b));
          score.push(part.score);
          level.push(number);
        }
      continue;
    }
    for (let batch = 0; batch < folder.description.batches.length; batch++)
      for (const file of await tableFiles(join(folder.tables, batchTable(`edges-${name}`, batch))))
        for (const row of await readTable(file, edgeColumns)) {
          if (!present(row.a) || !present(row.b)) continue;
          a.push(row.a);
          b.push(row.b);
          score.push(row.score);
          level.push(number);
        }
  }
  return {
    a: Uint32Array.from(a.values()),
    b: Uint32Array.from(b.values()),
    score: a.length === 0 ? new Float64Array(0) : score.values().slice(),
    level: Uint8Array.from(level.values()),
  };
}

/** Numbers that are appended one by one, without an object for each. */
function grown() {
  let held = new Float64Array(1024);
  let length = 0;
  return {
    get length() {
      return length;
    },
    push(value: number) {
      if (length === held.length) {
        const wider = new Float64Array(2 * held.length);
        wider.set(held);
        held = wider;
      }
      held[length++] = value;
    },
    values: () => held.subarray(0, length),
  };
}

/** A finished group: its items, which of them stay, and how far all its pairs agree. */
export interface FinishedGroup extends GroupPairs {
  /** In the dataset's order. */
  readonly members: Uint32Array;
  /** 1 for each member that stays. */
  readonly kept: Uint8Array;
}

/**
 * Groups of all edges. Each pair of a group is compared, also those without an edge: what a chain of edges joins is
 * reported with its worst pair, or cut (`linkage: complete`).
 */
export async function makeGroups(
  input: EdgesInput,
  edges: LevelEdges,
  parts: readonly PartRow[],
  onProgress?: (done: number, total: number) => void,
): Promise<FinishedGroup[]> {
  const { items, config, signal } = input;
  const components = await linkedGroups(items.count, [edges]);
  const vectors = await openVectors(input, items.count);
  try {
    const positions = vectors && positionsOf(items.count, vectors.of);
    const { starts, order } = edgesOfGroups(groupOfItems(items.count, components), components.count, edges);
    const centroids = config.keep === 'semdedup' ? await readCentroids(input, vectors?.rows) : undefined;
    const held = sharesHeld(parts);
    const finished: FinishedGroup[] = [];
    for (let group = 0; group < components.count; group++) {
      signal?.throwIfAborted();
      // In the dataset's order, whatever the order in which shards joined: ties then end alike.
      const members = membersOf(components, group).sort(
        (x, y) => items.datasetIndex[x]! - items.datasetIndex[y]!,
      );
      const rows = vectors && (await vectorsOfItems(members, vectors.rows, positions!));
      const alike = alikeTest(input, edges, order.subarray(starts[group]!, starts[group + 1]!), rows);
      const parts =
        config.linkage === 'complete' && members.length > 2 ? completeParts(members, alike) : [members];
      for (const part of parts)
        if (part.length > 1) finished.push(await finish(input, part, rows, alike, centroids, held));
      onProgress?.(group + 1, components.count);
    }
    return finished.sort(
      (x, y) =>
        y.members.length - x.members.length ||
        items.datasetIndex[x.members[0]!]! - items.datasetIndex[y.members[0]!]!,
    );
  } finally {
    await vectors?.rows.close();
  }
}

/** Of pictures that hold another as a whole, which share of their area it covers at most. */
function sharesHeld(parts: readonly PartRow[]): Map<number, number> {
  const shares = new Map<number, number>();
  for (const { b, area } of parts) if (area >= wholeArea) shares.set(b, Math.max(area, shares.get(b) ?? 0));
  return shares;
}

function positionsOf(count: number, of: Uint32Array): Int32Array {
  const positions = new Int32Array(count).fill(-1);
  of.forEach((item, position) => {
    positions[item] = position;
  });
  return positions;
}

async function vectorsOfItems(
  members: Uint32Array,
  rows: VectorRows,
  positions: Int32Array,
): Promise<ItemVectors> {
  const having = [...members].filter((item) => positions[item]! >= 0);
  return {
    dimension: rows.dimension,
    data: await rows.rows(having.map((item) => positions[item]!)),
    place: new Map(having.map((item, i) => [item, i])),
  };
}

function cosineOf({ dimension, data, place }: ItemVectors, a: number, b: number): number | undefined {
  const [i, j] = [place.get(a), place.get(b)];
  if (i === undefined || j === undefined) return undefined;
  return dot(
    data.subarray(i * dimension, (i + 1) * dimension),
    data.subarray(j * dimension, (j + 1) * dimension),
  );
}

function bitsBetween({ items }: EdgesInput, a: number, b: number): number | undefined {
  if (items.hashed[a] === 0 || items.hashed[b] === 0) return undefined;
  return hammingDistance(items.phash.subarray(a * 8, a * 8 + 8), items.phash.subarray(b * 8, b * 8 + 8));
}

/** Whether two items of a group are alike at one of the levels asked for: compared again, not looked up. */
function alikeTest(
  input: EdgesInput,
  edges: LevelEdges,
  order: Uint32Array,
  rows: ItemVectors | undefined,
): (a: number, b: number) => boolean {
  const { items, config } = input;
  const on = (level: Level) => config.levels.includes(level);
  // Of these levels an edge is all that is known. Made when first asked for: single linkage never does.
  let known: Set<string> | undefined;
  const looked = () => {
    known ??= new Set(
      [...order]
        .filter((edge) => ['tiles', 'caption'].includes(levels[edges.level[edge]!]!))
        .map((edge) => `${edges.a[edge]} ${edges.b[edge]}`),
    );
    return known;
  };
  const same = (all: Uint8Array, width: number, a: number, b: number) =>
    Buffer.compare(all.subarray(a * width, (a + 1) * width), all.subarray(b * width, (b + 1) * width)) === 0;
  return (a, b) => {
    if (on('file') && items.pixels[a]! > 0 && same(items.content, 16, a, b)) return true;
    if (on('perceptual') && (bitsBetween(input, a, b) ?? 65) <= config.radius) return true;
    if (on('descriptor') && rows && (cosineOf(rows, a, b) ?? -1) >= config.threshold) return true;
    if (on('caption') && items.captioned[a] === 1 && same(items.caption, 16, a, b)) return true;
    return looked().has(`${Math.min(a, b)} ${Math.max(a, b)}`);
  };
}

async function finish(
  input: EdgesInput,
  members: Uint32Array,
  rows: ItemVectors | undefined,
  alike: (a: number, b: number) => boolean,
  centroids: Float32Array | undefined,
  held: ReadonlyMap<number, number>,
): Promise<FinishedGroup> {
  const { items, config } = input;
  const pairs = await worstPairs(input, members, rows);
  const kept = new Uint8Array(members.length);
  const byVectors = config.keep === 'centroid' || config.keep === 'semdedup';
  const of = (values: ArrayLike<number>) => Array.from(members, (item) => values[item]!);
  // Without vectors the hashes stand for them: the mean of ±1 is the string of majorities.
  const vectors = !byVectors ? undefined : rows ? vectorsInOrder(rows, members) : hashVectors(input, members);
  for (const at of keptOf(config.keep, members.length, {
    // A frame is no picture: of a framed copy only what it frames counts, and of two alike the one without a frame stays.
    pixels: Array.from(members, (item) => {
      const share = held.get(item);
      return share === undefined ? items.pixels[item]! : Math.floor(items.pixels[item]! * share) - 1;
    }),
    bytes: of(items.bytes),
    vectors,
    toCentroid: centroids && vectors && toNearest(vectors, centroids, members.length),
    alike: (a, b) => alike(members[a]!, members[b]!),
  }))
    kept[at] = 1;
  return { members, kept, ...pairs };
}

function vectorsInOrder({ dimension, data, place }: ItemVectors, members: Uint32Array): Float32Array {
  const all = new Float32Array(members.length * dimension);
  members.forEach((item, i) => {
    const at = place.get(item);
    if (at !== undefined) all.set(data.subarray(at * dimension, (at + 1) * dimension), i * dimension);
  });
  return all;
}

function hashVectors({ items }: EdgesInput, members: Uint32Array): Float32Array {
  return Float32Array.from({ length: members.length * 64 }, (_, i) => {
    const item = members[Math.floor(i / 64)]!;
    const bit = i % 64;
    if (items.hashed[item] === 0) return 0;
    return items.phash[item * 8 + (bit >> 3)]! & (0x80 >> (bit & 7)) ? 1 / 8 : -1 / 8;
  });
}

/** Similarity of each row to the centroid that it is nearest to. */
function toNearest(vectors: Float32Array, centroids: Float32Array, size: number): number[] {
  const dimension = vectors.length / size;
  return Array.from({ length: size }, (_, row) => {
    const vector = vectors.subarray(row * dimension, (row + 1) * dimension);
    let best = Number.NEGATIVE_INFINITY;
    for (let at = 0; at < centroids.length; at += dimension)
      best = Math.max(best, dot(vector, centroids.subarray(at, at + dimension)));
    return best;
  });
}
