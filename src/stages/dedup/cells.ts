import { join } from 'node:path';
import { openNpyRows, type Partition, type VectorRows } from '../../search/index.ts';
import { isFile, writeNpy } from '../../tables/index.ts';
import type { EdgesInput } from './edges.ts';
import { type DedupFolder, partitionName } from './state.ts';

function partitionPath({ path }: DedupFolder): string {
  return join(path, partitionName);
}

export async function readPartition(folder: DedupFolder): Promise<Partition | undefined> {
  const path = partitionPath(folder);
  if (!(await isFile(path))) return undefined;
  const rows = await openNpyRows([path]);
  try {
    const centroids = await rows.rows(Array.from({ length: rows.count }, (_, i) => i));
    return { dimension: rows.dimension, cells: rows.count, centroids };
  } finally {
    await rows.close();
  }
}

export async function writePartition(
  folder: DedupFolder,
  { centroids, dimension }: Partition,
): Promise<void> {
  await writeNpy(partitionPath(folder), centroids, dimension);
}

/** Vectors whose mean is taken where there are no cells. */
const sampled = 16_384;

/**
 * Centroids that the rule `semdedup` measures items by: those of the k-means cells, or where all was compared with all the one of
 * everything; of hashes (without vectors) the mean string.
 */
export async function readCentroids(
  { folder, items }: EdgesInput,
  rows: VectorRows | undefined,
): Promise<Float32Array> {
  const partition = await readPartition(folder);
  if (rows !== undefined && partition?.dimension === rows.dimension) return partition.centroids;
  const dimension = rows?.dimension ?? 64;
  const sum = new Float64Array(dimension);
  if (rows !== undefined) {
    const step = Math.max(1, Math.floor(rows.count / sampled));
    const positions: number[] = [];
    for (let at = 0; at < rows.count; at += step) positions.push(at);
    (await rows.rows(positions)).forEach((value, i) => {
      sum[i % dimension]! += value;
    });
  } else
    for (let item = 0; item < items.count; item++)
      if (items.hashed[item] === 1)
        for (let bit = 0; bit < 64; bit++)
          sum[bit]! += items.phash[item * 8 + (bit >> 3)]! & (0x80 >> (bit & 7)) ? 1 : -1;
  const length = Math.hypot(...sum) || 1;
  return Float32Array.from(sum, (value) => value / length);
}
