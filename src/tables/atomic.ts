import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { VerbatimError } from '../errors.ts';
import { sha256 } from './digest.ts';

/** What a file is called until it is whole: hidden, beside its final place, with the writer's process id. */
const temporaryPattern = /^\..+\.\d+-\d+\.tmp$/;
let temporaryCount = 0;

function temporaryPath(path: string): string {
  temporaryCount += 1;
  return join(dirname(path), `.${basename(path)}.${process.pid}-${temporaryCount}.tmp`);
}

/**
 * Makes a file that is either whole or absent: `write` fills a temporary file in the same folder, which
 * is flushed to the disk and then renamed into place. Creates the folder. A failure leaves nothing behind.
 *
 * @throws VerbatimError when the disk is full or the folder cannot be written to; other errors as they are.
 */
export async function atomically(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporaryPath(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    await write(temporary);
    await flush(temporary, 'r+');
    await rename(temporary, path);
    await flushFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw explainWriteError(error, path);
  }
}

/**
 * As `atomically`, but never in the place of another file: false, with nothing changed, where one is there
 * already. Of several processes that make the same file at once, one is told true.
 */
export async function atomicallyNew(
  path: string,
  write: (temporary: string) => Promise<void>,
): Promise<boolean> {
  const temporary = temporaryPath(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    await write(temporary);
    await flush(temporary, 'r+');
    try {
      // Unlike a rename, a hard link replaces nothing.
      await link(temporary, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
    await flushFolder(dirname(path));
    return true;
  } catch (error) {
    throw explainWriteError(error, path);
  } finally {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

async function flush(path: string, flags: string): Promise<void> {
  const file = await open(path, flags);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the rename itself survive a power cut. Windows cannot open a folder; its rename is journalled. */
async function flushFolder(folder: string): Promise<void> {
  if (process.platform !== 'win32') await flush(folder, 'r');
}

/**
 * Writes bytes or text whole or not at all: see `atomically`. Parts are asked for one after the other, so that what
 * makes them need not hold them all.
 */
export async function writeFileAtomic(
  path: string,
  content: Uint8Array | string | Iterable<Uint8Array>,
): Promise<void> {
  await atomically(path, async (temporary) => {
    const file = await open(temporary, 'w');
    try {
      const whole = typeof content === 'string' || content instanceof Uint8Array;
      for (const part of whole ? [content] : content) await file.writeFile(part);
    } finally {
      await file.close();
    }
  });
}

/** Writes indented JSON with a final line feed, whole or not at all. Keys stand in the order given. */
export async function writeJsonAtomic(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

/**
 * Removes temporary files that a killed process left under `folder`, at any depth. Only call it while
 * nobody else writes there (a run holds its lock). Returns how many there were.
 */
export async function removeTemporaries(folder: string): Promise<number> {
  let count = 0;
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(ignoreMissing);
  for (const entry of entries) {
    if (!entry.isFile() || !temporaryPattern.test(entry.name)) continue;
    await rm(join(entry.parentPath, entry.name), { force: true });
    count += 1;
  }
  return count;
}

function ignoreMissing(error: NodeJS.ErrnoException): never[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}

/** Where `putFile` keeps a file, relative to its root, with forward slashes: 'ab/abcd….png'. */
export function contentPath(sha256: string, extension: string): string {
  return `${sha256.slice(0, 2)}/${sha256}.${extension}`;
}

/**
 * Stores bytes under their own SHA-256: `<root>/<aa>/<sha256>.<extension>`. Writing the same bytes again
 * does nothing. Returns the digest, 64 hex digits.
 */
export async function putFile(root: string, bytes: Uint8Array, extension: string): Promise<string> {
  const digest = sha256(bytes);
  const path = join(root, contentPath(digest, extension));
  const existing = await stat(path).catch(() => undefined);
  if (existing?.size !== bytes.byteLength) await writeFileAtomic(path, bytes);
  return digest;
}

const remedies: Readonly<Record<string, string>> = {
  ENOSPC:
    'no space left on the disk; free some and run the same command again, it goes on from what is whole',
  EDQUOT:
    'the disk quota is used up; free some and run the same command again, it goes on from what is whole',
  EFBIG: 'the file size limit of this system is reached; raise it (ulimit -f) and run the same command again',
  EROFS: 'the disk is read-only; choose another output folder',
  EACCES: 'no permission to write there; choose another output folder or change its owner',
  EPERM: 'no permission to write there; choose another output folder or change its owner',
  ENOTDIR: 'a part of its path is a file; choose another output folder',
  EEXIST: 'a part of its path is a file; choose another output folder',
  EISDIR: 'a folder stands where the file belongs; choose another output folder',
  ENOENT:
    'a part of its path is not there and cannot be made (an empty name, or a link that leads nowhere); choose another output folder',
  ENAMETOOLONG: 'a part of its path is too long; choose a shorter one',
  ELOOP: 'its path is a circle of links; choose another output folder',
  EINVAL: 'the disk does not allow this name; choose another output folder',
  EIO: 'the disk reports an error; check it, or choose another output folder',
};

/** DuckDB reports system errors as text only. */
const systemTexts: readonly (readonly [RegExp, string])[] = [
  [/No space left on device/i, 'ENOSPC'],
  [/quota exceeded/i, 'EDQUOT'],
  [/File too large/i, 'EFBIG'],
  [/Read-only file system/i, 'EROFS'],
  [/Permission denied/i, 'EACCES'],
];

/** The one line for an error that the system gave while writing `path`; any other error unchanged. */
export function explainWriteError(error: unknown, path: string): unknown {
  if (error instanceof VerbatimError || !(error instanceof Error)) return error;
  const code =
    (error as NodeJS.ErrnoException).code ?? systemTexts.find(([text]) => text.test(error.message))?.[1];
  const remedy = code === undefined ? undefined : remedies[code];
  return remedy === undefined
    ? error
    : new VerbatimError(`cannot write ${path}: ${remedy}`, { cause: error });
}
