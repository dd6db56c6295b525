import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import { VerbatimError } from '../../errors.ts';
import { decodePicture } from '../../images/index.ts';
import { fromParquet, hashFile, identifier, sql, tableFiles } from '../../tables/index.ts';
import type { Dataset } from '../types.ts';
import { article, captionColumns, checkIndex, clampRange, type DatasetFormat } from './format.ts';

const schema = z.strictObject({
  format: z.literal('parquet'),
  /** A .parquet file, or a folder of them (read in the order of their paths). */
  path: z.string().min(1),
  /** Column with the encoded pictures: struct{bytes, path} or bytes. Default: the first that looks like one. */
  imageColumn: z.string().optional(),
  /** Column with the captions. Default: text, caption or prompt. */
  captionColumn: z.string().optional(),
  /** Column with class numbers, used with `classes` when there is no caption. */
  labelColumn: z.string().default('label'),
  /** Names of the classes: the caption is then "a photo of a NAME" (or "an"). */
  classes: z.array(z.string().min(1)).optional(),
  /** Pictures with more pixels are refused. */
  maxPixels: z.number().int().positive().optional(),
});

export type ParquetSpec = z.infer<typeof schema>;

interface Shard {
  readonly path: string;
  /** Number of its first row in the dataset. */
  readonly first: number;
  readonly rows: number;
}

/** Encoded pictures are fetched in blocks of about `blockBytes`, and blocks of `keptBytes` together are kept. A lookup
 * costs some 10 ms whatever its size, so pictures of a few hundred bytes must not be fetched one by one. */
const blockBytes = 2 * 2 ** 20;
const keptBytes = 64 * 2 ** 20;
const mostBlockRows = 1024;
/** Captions are fetched this many rows at a time. */
const listRows = 4096;

async function files(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined)
    throw new VerbatimError(`${path}: no such file or folder; give the path of a dataset.`, { exitCode: 2 });
  const list = found.isDirectory() ? await tableFiles(path) : [path];
  if (list.length === 0) throw new VerbatimError(`${path}: holds no .parquet file.`);
  return list;
}

const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`).join(', ');

interface Layout {
  /** SQL of the encoded bytes. */
  readonly bytes: string;
  /** SQL of the caption, VARCHAR. */
  readonly caption: string;
}

async function layoutOf(path: string, spec: ParquetSpec): Promise<Layout> {
  const columns = await sql<{ column_name: string; column_type: string }>(
    `DESCRIBE SELECT * FROM ${fromParquet([path])}`,
  ).catch((cause: unknown) => {
    throw new VerbatimError(`${path}: not a readable Parquet file (${(cause as Error).message})`, { cause });
  });
  const names = columns.map((column) => column.column_name);
  const isPicture = (type: string) => type === 'BLOB' || /^STRUCT\(.*\bbytes BLOB\b/.test(type);
  const pictures = columns.filter((column) => isPicture(column.column_type));
  const image =
    spec.imageColumn === undefined
      ? pictures[0]
      : pictures.find((column) => column.column_name === spec.imageColumn);
  if (image === undefined) {
    throw new VerbatimError(
      `${path}: ${spec.imageColumn === undefined ? 'no column holds pictures (struct{bytes, path} or bytes)' : `column "${spec.imageColumn}" holds no pictures`}; the columns are ${quoted(names)}.`,
    );
  }
  const field = identifier(image.column_name);
  const bytes = image.column_type === 'BLOB' ? field : `${field}.bytes`;

  const captionColumn =
    spec.captionColumn ?? (spec.classes ? undefined : captionColumns.find((name) => names.includes(name)));
  if (captionColumn !== undefined) {
    if (!names.includes(captionColumn)) {
      throw new VerbatimError(
        `${path}: there is no column "${captionColumn}"; the columns are ${quoted(names)}.`,
      );
    }
    return { bytes, caption: `CAST(${identifier(captionColumn)} AS VARCHAR)` };
  }
  if (spec.classes === undefined || !names.includes(spec.labelColumn)) {
    throw new VerbatimError(
      `${path}: no column text, caption or prompt; name one as captionColumn, or give classes for the numbers in "${spec.labelColumn}". The columns are ${quoted(names)}.`,
    );
  }
  return { bytes, caption: `CAST(${identifier(spec.labelColumn)} AS VARCHAR)` };
}

/**
 * Parquet files in the layout of Hugging Face datasets: a column of encoded pictures (struct{bytes, path} or bytes) and
 * a column of captions, or class numbers with `classes`. Rows are looked up in blocks; only captions and pictures that
 * are asked for are read. The digest covers the bytes of all files.
 */
export async function openParquet(spec: ParquetSpec): Promise<Dataset> {
  const { classes } = spec;
  const hash = createHash('sha256').update(
    JSON.stringify(['parquet', spec.imageColumn, spec.captionColumn, classes]),
  );
  const shards: (Shard & Layout)[] = [];
  let size = 0;
  let bytes = 0;
  for (const path of await files(spec.path)) {
    const layout = await layoutOf(path, spec);
    const [counted] = await sql<{ n: number }>(`SELECT count(*) AS n FROM ${fromParquet([path])}`);
    shards.push({ path, first: size, rows: counted!.n, ...layout });
    size += counted!.n;
    bytes += (await stat(path)).size;
    await hashFile(hash, path);
  }
  const name = basename(spec.path);
  const pictureBytes = Math.max(1, bytes / Math.max(1, size));
  const blockRows = Math.max(1, Math.min(mostBlockRows, Math.floor(blockBytes / pictureBytes)));
  const blocksKept = Math.max(8, Math.floor(keptBytes / (blockRows * pictureBytes)));

  /** Shards' stretches of rows [from, to), each with its own row numbers. */
  function* stretches(from: number, to: number) {
    for (const shard of shards) {
      const start = Math.max(from, shard.first);
      const end = Math.min(to, shard.first + shard.rows);
      if (start < end) yield { shard, start: start - shard.first, rows: end - start };
    }
  }

  function captionOf(value: string | null, where: string): string {
    if (classes === undefined || spec.captionColumn !== undefined) return value ?? '';
    const label = value === null ? undefined : classes[Number(value)];
    if (label === undefined) {
      throw new VerbatimError(`${where}: class ${value} has no name; "classes" lists ${classes.length}.`);
    }
    return `a photo of ${article(label)} ${label}`;
  }

  const blocks = new Map<number, Promise<(Uint8Array | null)[]>>();
  async function fetchBlock(block: number): Promise<(Uint8Array | null)[]> {
    const result: (Uint8Array | null)[] = [];
    for (const { shard, start, rows } of stretches(block * blockRows, (block + 1) * blockRows)) {
      const fetched = await sql<{ picture: Uint8Array | null }>(
        `SELECT ${shard.bytes} AS picture FROM ${fromParquet([shard.path])} LIMIT ${rows} OFFSET ${start}`,
      );
      result.push(...fetched.map((row) => row.picture));
    }
    return result;
  }
  function block(number: number): Promise<(Uint8Array | null)[]> {
    const known = blocks.get(number) ?? fetchBlock(number);
    // The most recently used last: the first is the one to drop.
    blocks.delete(number);
    blocks.set(number, known);
    known.catch(() => blocks.delete(number));
    const oldest = blocks.keys().next();
    if (blocks.size > blocksKept && !oldest.done) blocks.delete(oldest.value);
    return known;
  }

  return {
    name,
    digest: hash.digest('hex'),
    size,
    async *rows(from, to) {
      const [start, end] = clampRange(size, from, to);
      for (let at = start; at < end; at += listRows) {
        let index = at;
        for (const part of stretches(at, Math.min(end, at + listRows))) {
          const { path, caption } = part.shard;
          const fetched = await sql<{ caption: string | null }>(
            `SELECT ${caption} AS caption FROM ${fromParquet([path])} LIMIT ${part.rows} OFFSET ${part.start}`,
          );
          for (const [offset, row] of fetched.entries()) {
            const where = `${path}, row ${part.start + offset}`;
            yield {
              index,
              key: `row-${String(index).padStart(7, '0')}`,
              caption: captionOf(row.caption, where),
            };
            index++;
          }
        }
      }
    },
    async picture(index) {
      checkIndex(name, index, size);
      const bytes = (await block(Math.floor(index / blockRows)))[index % blockRows];
      const shard = shards.findLast((candidate) => candidate.first <= index)!;
      const where = `${shard.path}, row ${index - shard.first}`;
      if (bytes === null || bytes === undefined) {
        throw new VerbatimError(
          `${where}: holds no picture bytes; a picture kept beside the file is not supported.`,
        );
      }
      return decodePicture(bytes, { where, ...(spec.maxPixels && { maxPixels: spec.maxPixels }) });
    },
    close: async () => blocks.clear(),
  };
}

export const parquetFormat: DatasetFormat<typeof schema> = {
  name: 'parquet',
  schema,
  detect: async (path) => {
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) return path.endsWith('.parquet');
    // A folder of pictures may have its captions in metadata.parquet.
    const list = found ? await tableFiles(path) : [];
    return list.length > 0 && !list.some((file) => basename(file) === 'metadata.parquet');
  },
  open: openParquet,
};
