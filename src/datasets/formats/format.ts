import type { z } from 'zod';
import { VerbatimError } from '../../errors.ts';
import { sha256 } from '../../tables/index.ts';
import type { Look } from '../storage/look.ts';
import type { Dataset, DatasetShard } from '../types.ts';

/**
 * One dataset format: a name, the options it takes, how to recognise it, how to open it. Each format is one file in
 * this folder, stands in the list of index.ts, and passes conformance.test.ts.
 */
export interface DatasetFormat<Schema extends z.ZodType = z.ZodType> {
  readonly name: string;
  /** A strict object whose `format` is the literal name. */
  readonly schema: Schema;
  /** Whether the file or folder looks like this format; absent when the format has no path. */
  readonly detect?: (look: Look) => Promise<boolean>;
  /** Relative paths are taken from the working folder. @throws VerbatimError naming the file, row or column. */
  readonly open: (spec: z.infer<Schema>) => Promise<Dataset>;
}

/** The row at `index`, or an error that says how many there are. */
export function checkIndex(name: string, index: number, size: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= size) {
    throw new VerbatimError(`${name}: there is no row ${index}; the dataset has ${size} rows.`);
  }
}

/** `from` and `to` of a listing, cut to the dataset. */
export function clampRange(size: number, from = 0, to = size): readonly [number, number] {
  const first = Math.max(0, Math.min(size, from));
  return [first, Math.max(first, Math.min(size, to))];
}

/** "a" or "an", as captions made from class names need it. */
export function article(word: string): string {
  return /^[aeiou]/i.test(word) ? 'an' : 'a';
}

/** A file's path in its dataset as the name of a shard: without its ending, with forward slashes. */
export function shardName(relativePath: string): string {
  return relativePath.replaceAll('\\', '/').replace(/\.[^./]+$/, '');
}

/** SHA-256 over a format, the options that decide what is read, and the shards: where the folder lies is no part of it. */
export function datasetDigest(
  format: string,
  options: readonly unknown[],
  shards: readonly Pick<DatasetShard, 'name' | 'digest'>[],
): string {
  return sha256(
    JSON.stringify([
      format,
      options.map((value) => value ?? null),
      shards.map(({ name, digest }) => [name, digest]),
    ]),
  );
}
