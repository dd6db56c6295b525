import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
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
