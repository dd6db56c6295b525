import { constants, copyFile, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { atomically } from '../../tables/index.ts';

/** Endings of picture files, lower case. */
export const pictureEndings: ReadonlySet<string> = new Set([
  '.png',
  '.jpg',
  '.jpeg',
  '.webp',
  '.gif',
  '.tif',
  '.tiff',
  '.avif',
]);

export const isPictureName = (name: string): boolean => pictureEndings.has(extname(name).toLowerCase());

/** A picture larger than this is refused before it is read. */
export const maxPictureBytes = 512 * 2 ** 20;

/** Why a file name that a dataset gives may not be followed, or undefined. */
export function refusal(file: string): string | undefined {
  if (file === '') return 'is empty';
  if (file.includes('\0')) return 'contains a NUL character';
  if (/^[a-z][a-z0-9+.-]*:/i.test(file)) return 'is a URL or a drive; only files in the folder are read';
  if (file.startsWith('/') || file.startsWith('\\'))
    return 'is an absolute path; it must be relative to the folder';
  if (file.split(/[/\\]/).includes('..')) return 'contains ".."; it must stay in the folder';
  return undefined;
}

/** Why the file name in a row is not followed, as an error of the row; undefined where it may be. */
export function nameFault(file: string | null, where: string): string | undefined {
  if (file === null) return `${where}: has no picture and no file name.`;
  const why = refusal(file);
  return why && `${where}: file name ${JSON.stringify(file)} ${why}.`;
}

/**
 * The real path of a picture that a dataset names, or an error: it must be a file of sensible size inside `root`
 * (itself a real path), links followed. `where` names the row, `shown` the folder as the user wrote it.
 */
export async function locatePicture(
  root: string,
  file: string,
  where: string,
  shown: string,
): Promise<string> {
  const problem = refusal(file);
  if (problem !== undefined) throw new VerbatimError(`${where}: its file name ${problem}.`);
  const path = await realpath(join(root, file)).catch(() => undefined);
  if (path === undefined) throw new VerbatimError(`${where}: no such file in ${shown}.`);
  if (!path.startsWith(root + sep))
    throw new VerbatimError(`${where}: is a link that leads out of ${shown}.`);
  const found = await stat(path);
  if (!found.isFile()) throw new VerbatimError(`${where}: is not a file.`);
  if (found.size > maxPictureBytes)
    throw new VerbatimError(`${where}: ${found.size} bytes exceed the limit of ${maxPictureBytes}.`);
  return path;
}

/** The bytes of a picture that a dataset names: see `locatePicture`. */
export async function readPicture(
  root: string,
  file: string,
  where: string,
  shown: string,
): Promise<Uint8Array> {
  return readFile(await locatePicture(root, file, where, shown));
}

/** Files below a folder, or the file itself, whose names `wanted` takes: relative, with forward slashes, sorted; hidden ones left out. */
export async function filesBelow(root: string, wanted: (name: string) => boolean): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory() && wanted(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((file) => !file.split('/').some((part) => part.startsWith('.')))
    .sort((a, b) => (a < b ? -1 : 1));
}

/**
 * Copies a picture that a dataset names into another folder under the same name. One that cannot be read is left
 * out: it stays what it was, a row with an error.
 */
export async function copyPicture(root: string, file: string, output: string): Promise<void> {
  const source = await locatePicture(root, file, file, root).catch(() => undefined);
  if (source === undefined) return;
  await atomically(join(output, file), async (temporary) => {
    await copyFile(source, temporary, constants.COPYFILE_FICLONE);
  });
}
