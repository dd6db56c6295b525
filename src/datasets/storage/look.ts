import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { filesBelow } from './paths.ts';

/** What stands at a path, for formats that are asked whether it is theirs: each thing is read once, when first asked for. */
export interface Look {
  readonly path: string;
  readonly isFile: boolean;
  readonly isFolder: boolean;
  /** What stands at the top of the folder; nothing for a file. */
  readonly top: readonly Dirent[];
  /** All files below the folder, relative, with forward slashes, sorted, hidden ones left out; nothing for a file. */
  files(): Promise<readonly string[]>;
}

/** Undefined where nothing is there. */
export async function lookAt(path: string): Promise<Look | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  const isFolder = found.isDirectory();
  let files: Promise<readonly string[]> | undefined;
  return {
    path,
    isFile: found.isFile(),
    isFolder,
    top: isFolder ? await readdir(path, { withFileTypes: true }) : [],
    files() {
      files ??= isFolder ? filesBelow(path, () => true) : Promise.resolve([]);
      return files;
    },
  };
}

/** What is said of a path at which nothing is. */
export const nothingThere = (path: string): VerbatimError =>
  new VerbatimError(`${path}: no such file or folder; give the path of a dataset.`, { exitCode: 2 });

/** The files that a dataset is read from. */
export interface DatasetFiles {
  /** Relative to the folder, sorted; of a dataset that is one file, its name. */
  readonly files: readonly string[];
  /** Where one of them lies in a dataset at `path`: this one, or a copy of it. */
  at(path: string, file: string): string;
}

/**
 * The file at a path, whatever its name, or those below the folder there that `wanted` takes.
 *
 * @throws VerbatimError (exit code 2) when nothing is there
 */
export async function filesOf(path: string, wanted: (name: string) => boolean): Promise<DatasetFiles> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw nothingThere(path);
  if (!found.isDirectory()) return { files: [basename(path)], at: (root) => root };
  return { files: await filesBelow(path, wanted), at: (root, file) => join(root, file) };
}
