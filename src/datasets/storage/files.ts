import { readSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { VerbatimError } from '../../errors.ts';
import type { DatasetProblem } from '../types.ts';

/** A file as it was when the dataset was opened. */
export interface StoredFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export async function storedFile(path: string): Promise<StoredFile> {
  const { size, mtimeMs } = await stat(path);
  return { path, sizeBytes: size, modifiedMs: mtimeMs };
}

/**
 * @throws VerbatimError when the file is no longer what was opened: offsets and row numbers would be those of another one
 */
export async function requireUnchanged(file: StoredFile): Promise<void> {
  const now = await stat(file.path).catch(() => undefined);
  if (now?.size !== file.sizeBytes || now.mtimeMs !== file.modifiedMs)
    throw new VerbatimError(`${file.path}: changed while it was read; run again.`);
}

/** Reads stretches of files, keeping the few that were used last open. */
export interface FileReader {
  /** Bytes [offset, offset + length). @throws VerbatimError when the file has changed or ends before */
  read(file: StoredFile, offset: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

export function createFileReader(limit = 8): FileReader {
  interface Opened {
    readonly handle: Promise<FileHandle>;
    readers: number;
    dropped: boolean;
  }
  const opened = new Map<string, Opened>();
  const closeIdle = async (one: Opened) => {
    if (one.dropped && one.readers === 0) await (await one.handle.catch(() => undefined))?.close();
  };
  const drop = (path: string, one: Opened) => {
    opened.delete(path);
    one.dropped = true;
    return closeIdle(one);
  };

  return {
    async read(file, offset, length) {
      await requireUnchanged(file);
      const one = opened.get(file.path) ?? { handle: open(file.path), readers: 0, dropped: false };
      // The most recently used last: the first is the one to drop.
      opened.delete(file.path);
      opened.set(file.path, one);
      one.readers++;
      const oldest = opened.entries().next().value;
      if (opened.size > limit && oldest !== undefined) await drop(...oldest);
      try {
        const buffer = Buffer.allocUnsafe(length);
        const { bytesRead } = await (await one.handle).read(buffer, 0, length, offset);
        if (bytesRead < length)
          throw new VerbatimError(`${file.path}: ends before byte ${offset + length}; it was cut short.`);
        return buffer;
      } finally {
        one.readers--;
        await closeIdle(one);
      }
    },
    async close() {
      await Promise.all([...opened].map(([path, one]) => drop(path, one)));
    },
  };
}

/** The values made last, at most `limit`; many who ask for one at the same time wait for the same making. */
export interface Recent<Key, Value> {
  get(key: Key): Promise<Value>;
  clear(): void;
}

export function createRecent<Key, Value>(
  limit: number,
  make: (key: Key) => Promise<Value>,
): Recent<Key, Value> {
  const kept = new Map<Key, Promise<Value>>();
  return {
    get(key) {
      const value = kept.get(key) ?? make(key);
      kept.delete(key);
      kept.set(key, value);
      value.catch(() => kept.delete(key));
      const oldest = kept.keys().next();
      if (kept.size > limit && !oldest.done) kept.delete(oldest.value);
      return value;
    },
    clear: () => kept.clear(),
  };
}

/** A file that is read in many small pieces, front to back. */
export interface FileScan {
  /** Bytes [offset, offset + length), or fewer at the end of the file. */
  read(offset: number, length: number): Buffer;
  /** To be awaited every few hundred reads: lets other work go on. @throws VerbatimError when the file has changed */
  pause(): Promise<void>;
}

/**
 * Opens a file for many small reads. They are synchronous: a few microseconds each from a local disk, where a turn of
 * the thread pool takes a hundred; `pause` keeps the process responsive in between.
 */
export async function scanFile<T>(file: StoredFile, use: (scan: FileScan) => Promise<T>): Promise<T> {
  await requireUnchanged(file);
  const handle = await open(file.path);
  try {
    return await use({
      read(offset, length) {
        const buffer = Buffer.allocUnsafe(length);
        return buffer.subarray(0, readSync(handle.fd, buffer, 0, length, offset));
      },
      pause: () => requireUnchanged(file),
    });
  } finally {
    await handle.close();
  }
}

/** So many problems of one kind are told one by one. */
const toldProblems = 20;

/** A list of problems that stays short: the first of a file are told, the others counted. */
export function problemList(file: string) {
  const told: DatasetProblem[] = [];
  let untold = 0;
  let untoldRows: number | null = 0;
  return {
    add(where: string, what: string, rows: number | null = null): void {
      if (told.length < toldProblems) told.push({ where, what, rows });
      else {
        untold++;
        untoldRows = rows === null || untoldRows === null ? null : untoldRows + rows;
      }
    },
    list(): DatasetProblem[] {
      if (untold === 0) return told;
      return [...told, { where: file, what: `${untold} more problems of this kind`, rows: untoldRows }];
    },
  };
}
