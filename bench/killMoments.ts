import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { Random } from '../src/math/index.ts';

/** A shard's file and when it was there, in milliseconds after the process's start. */
export interface Mark {
  /** Relative to the run folder, with forward slashes: 'tables/scores/1/00000.parquet'. */
  readonly path: string;
  readonly atMs: number;
}

/** The shards of a finished run in the order in which they came. */
export async function shardMarks(folder: string, startedMs: number): Promise<Mark[]> {
  const marks = await Promise.all(
    (await filesBelow(folder, 'tables')).map(async (path) => ({
      path,
      atMs: (await stat(join(folder, path))).mtimeMs - startedMs,
    })),
  );
  return marks.sort((a, b) => a.atMs - b.atMs);
}

/** When to kill: in terms of work done, since a run that goes on does not compute the same things again. */
export interface KillMoment {
  /** The moment on the clock of the undisturbed run. */
  readonly atMs: number;
  /** So many shards were there. */
  readonly shards: number;
  /** Time after the last of them, or after the start when there was none. */
  readonly afterMs: number;
  /** The shard that was being made; undefined after the last. */
  readonly during: string | undefined;
}

/** `count` random moments over a run's whole duration, one in each of `count` equal parts of it. */
export function killMoments(
  marks: readonly Mark[],
  durationMs: number,
  count: number,
  random: Random,
): KillMoment[] {
  return Array.from({ length: count }, (_, k) => {
    const atMs = (durationMs * (k + random.uniform())) / count;
    const shards = marks.filter((mark) => mark.atMs <= atMs).length;
    return {
      atMs,
      shards,
      afterMs: atMs - (marks[shards - 1]?.atMs ?? 0),
      during: marks[shards]?.path,
    };
  });
}

/** Every file of a part of a run folder, hidden ones too: relative path → SHA-256. */
export async function digests(folder: string, part: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const path of await filesBelow(folder, part))
    found.set(
      path,
      createHash('sha256')
        .update(await readFile(join(folder, path)))
        .digest('hex'),
    );
  return found;
}

/** How two sets of files differ, one sentence per file. */
export function differences(
  wanted: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): string[] {
  const paths = [...new Set([...wanted.keys(), ...found.keys()])].sort();
  return paths.flatMap((path) => {
    if (!found.has(path)) return [`${path} is missing`];
    if (!wanted.has(path)) return [`${path} should not be there`];
    return wanted.get(path) === found.get(path) ? [] : [`${path} has other bytes`];
  });
}

/** Files at any depth below a folder's part, relative to the folder; none when there is no such part. */
export async function filesBelow(folder: string, part: string): Promise<string[]> {
  const entries = await readdir(join(folder, part), { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    },
  );
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}
