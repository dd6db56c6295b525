import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { decodePicture, type Mask, type Picture, pictureMask } from '../../images/index.ts';
import { fromParquet, sha256, sql } from '../../tables/index.ts';

/** Pictures of a published table, found by their address. */
export interface SourcePictures {
  /** @param row the number of the table's row, whose own picture it is; undefined for a retrieved one */
  picture(url: string, row?: number): Promise<Picture>;
  /** A template's mask; undefined where none is kept for it. */
  mask(url: string): Promise<Mask | undefined>;
}

const pictureName = /^(.+)\.(?:jpe?g|png|webp|gif|avif|tiff?)$/i;

/**
 * A folder of pictures that somebody downloaded for a table: named by the SHA-256 or MD5 of their address (hex), by the
 * row as the reference's download names them (`dl_007.jpg`), or listed in a `metadata.parquet` with columns url, img_file
 * and, for templates, mask_file, as the reference publishes them. Looked for in the folder, and one level below it.
 *
 * @throws VerbatimError (exit code 2) when it is no folder, or has no pictures
 */
export async function openSourcePictures(folder: string): Promise<SourcePictures> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new VerbatimError(`--images ${folder}: no such folder; give one with the table's pictures`, {
      exitCode: 2,
      cause,
    });
  });
  const folders = [folder, ...entries.filter((e) => e.isDirectory()).map((e) => join(folder, e.name))];
  const byName = new Map<string, string>();
  const listed = new Map<string, string>();
  const masks = new Map<string, string>();
  for (const one of folders) {
    const names = await readdir(one);
    for (const name of names) {
      const stem = pictureName.exec(name)?.[1]?.toLowerCase();
      if (stem !== undefined && !byName.has(stem)) byName.set(stem, join(one, name));
    }
    if (names.includes('metadata.parquet')) await readList(folder, one, listed, masks);
  }
  if (byName.size === 0 && listed.size === 0)
    throw new VerbatimError(`--images ${folder}: holds no pictures`, { exitCode: 2 });
  return {
    async picture(url, row) {
      const names = [
        sha256(url),
        md5(url),
        ...(row === undefined ? [] : [`dl_${String(row).padStart(3, '0')}`]),
      ];
      const path =
        listed.get(url) ?? names.map((name) => byName.get(name)).find((found) => found !== undefined);
      if (path === undefined)
        throw new VerbatimError(`there is no picture of ${url.slice(0, 200)} among --images`);
      const picture = await decodePicture(await readFile(path), { where: path });
      if (picture.data.every((value) => value === 0))
        throw new VerbatimError(`the picture of ${url.slice(0, 200)} is black: its download had failed`);
      return picture;
    },
    async mask(url) {
      const path = masks.get(url);
      return path === undefined
        ? undefined
        : pictureMask(await decodePicture(await readFile(path), { where: path }));
    },
  };
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

/** The rows of a metadata.parquet: names are taken from the folder, or from its own, and must not lead out. */
async function readList(
  root: string,
  folder: string,
  listed: Map<string, string>,
  masks: Map<string, string>,
): Promise<void> {
  const path = join(folder, 'metadata.parquet');
  const rows = await sql<Record<string, unknown>>(`SELECT * FROM ${fromParquet([path])}`);
  for (const [i, row] of rows.entries()) {
    const { url } = row;
    if (typeof url !== 'string') continue;
    for (const [column, into] of [
      ['img_file', listed],
      ['mask_file', masks],
    ] as const) {
      const name = row[column];
      if (typeof name !== 'string') continue;
      if (name.split(/[\\/]/).includes('..') || /^(?:[\\/]|[A-Za-z]:)/.test(name))
        throw new VerbatimError(`${path}: row ${i}: ${column} leads out of the folder`, { exitCode: 2 });
      into.set(url, join(root, name));
    }
  }
}
