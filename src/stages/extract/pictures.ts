import { join } from 'node:path';
import type { Picture } from '../../images/index.ts';
import { type PictureSize, pictureView } from '../../labels/index.ts';
import { sha256, writeNpy } from '../../tables/index.ts';
import type { RunFolder } from '../run-folder.ts';
import { shardName } from '../stage.ts';

/** Pictures that the engine compares with the training set in one pass. */
export const perPass = 512;

/** Values per picture: 8-bit RGB. */
export function valuesOf({ width, height }: PictureSize): number {
  return width * height * 3;
}

/** The size at which pictures of a size are compared: the same shape, no side longer than `side` pixels. */
export function comparedSize({ width, height }: PictureSize, side: number): PictureSize {
  const scale = Math.min(1, side / Math.max(width, height));
  const scaled = (length: number) => Math.max(1, Math.round(length * scale));
  return { width: scaled(width), height: scaled(height) };
}

/** A picture's pixels as they are compared, and what names them. */
export function pixelsOf(picture: Picture, size: PictureSize): { data: Uint8Array; pixels: string } {
  const { data } = pictureView(picture, size);
  return { data, pixels: sha256(data).slice(0, 32) };
}

/** The file of a shard's pictures, [rows, height · width · 3], values of 8 bits. */
export function picturesPath(folder: RunFolder, which: 'training' | 'generated', shard: number): string {
  return join(folder.path, 'pictures', which, shardName(shard, 'npy'));
}

/** Writes pixels of one size as one file, whole or not at all. */
export async function writePictures(
  path: string,
  rows: readonly Uint8Array[],
  values: number,
): Promise<void> {
  const all = new Uint8Array(rows.length * values);
  rows.forEach((row, i) => {
    all.set(row, i * values);
  });
  await writeNpy(path, all, values);
}

/** How many pictures of so many values are held at once as float32: 64 MiB, but no more than 4,096. */
export function picturesTogether(values: number): number {
  return Math.max(1, Math.min(4096, Math.floor(2 ** 24 / values)));
}
