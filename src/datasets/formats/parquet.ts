import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { z } from 'zod';
import { VerbatimError } from '../../errors.ts';
import { fileDigest, identifier } from '../../tables/index.ts';
import { type StoredFile, storedFile } from '../storage/files.ts';
import { filesOf, type Look } from '../storage/look.ts';
import {
  asText,
  blockReader,
  captionColumnOf,
  filterParquet,
  type ParquetShape,
  parquetShape,
  parquetStretches,
  quotedNames,
} from '../storage/parquet-file.ts';
import { copyPicture, nameFault, readPicture, refusal } from '../storage/paths.ts';
import {
  datasetOf,
  locateRow,
  rowKey,
  rowOfKey,
  type StoredRow,
  type StoredShard,
} from '../storage/store.ts';
import type { Dataset, DatasetProblem } from '../types.ts';
import { article, type DatasetFormat, shardName } from './format.ts';

const schema = z.strictObject({
  format: z.literal('parquet'),
  /** A .parquet file, or a folder of them (read in the order of their paths). */
  path: z.string().min(1),
  /** Column with the encoded pictures (struct{bytes, path} or bytes) or with their file names. Default: the first that looks like one. */
  imageColumn: z.string().optional(),
  /** Column with the captions. Default: text, caption or prompt; without one captions are empty. */
  captionColumn: z.string().optional(),
  /** Column with class numbers, used with `classes` when there is no caption. */
  labelColumn: z.string().default('label'),
  /** Names of the classes: the caption is then "a photo of a NAME" (or "an"). */
  classes: z.array(z.string().min(1)).optional(),
  /** Folder that file names of pictures are relative to. Default: the folder of the Parquet file. */
  images: z.string().min(1).optional(),
  /** Pictures with more pixels are refused. */
  maxPixels: z.number().int().positive().optional(),
});

export type ParquetSpec = z.infer<typeof schema>;

interface Layout {
  /** SQL of the encoded bytes; undefined where the column holds names alone. */
  readonly bytes: string | undefined;
  /** SQL of the file's name, VARCHAR; undefined where there is none. */
  readonly file: string | undefined;
  /** SQL of the caption, VARCHAR; undefined where there is none. */
  readonly caption: string | undefined;
  /** SQL of how often the model saw the picture, INTEGER; undefined where the table does not say. */
  readonly copies: string | undefined;
}

interface Shard extends StoredShard, Layout {
  readonly stored: StoredFile;
  readonly position: number;
  /** Real path of the folder that file names are relative to, and as the user wrote it. */
  readonly root: string;
  readonly shown: string;
}

/** Columns of text that may name picture files, when no column holds pictures. */
const nameColumns = ['image', 'img', 'picture', 'file_name', 'image_path', 'image_file', 'filename', 'path'];

const holdsBytes = (type: string) => type === 'BLOB' || /^STRUCT\(.*\bbytes BLOB\b/.test(type);
const holdsPath = (type: string) => /^STRUCT\(.*\bpath VARCHAR\b/.test(type);

function imageColumn({ columns }: ParquetShape, wanted: string | undefined) {
  if (wanted !== undefined)
    return columns.find(
      ({ name, type }) => name === wanted && (holdsBytes(type) || holdsPath(type) || type === 'VARCHAR'),
    );
  return (
    columns.find(({ type }) => holdsBytes(type)) ??
    columns.find(({ type }) => holdsPath(type)) ??
    nameColumns.flatMap((known) =>
      columns.filter(({ name, type }) => name === known && type === 'VARCHAR'),
    )[0]
  );
}

function layoutOf(path: string, shape: ParquetShape, spec: ParquetSpec): Layout {
  const names = shape.columns.map((column) => column.name);
  const image = imageColumn(shape, spec.imageColumn);
  if (image === undefined) {
    throw new VerbatimError(
      `${path}: ${spec.imageColumn === undefined ? 'no column holds pictures (struct{bytes, path}, bytes or file names)' : `column "${spec.imageColumn}" holds no pictures`}; the columns are ${quotedNames(names)}.`,
    );
  }
  const field = identifier(image.name);
  const { type } = image;
  const bytes = type === 'BLOB' ? field : holdsBytes(type) ? `${field}.bytes` : undefined;
  const file = holdsPath(type) ? `${field}.path` : type === 'VARCHAR' ? field : undefined;

  const says = shape.columns.some(
    ({ name, type }) => name === 'copies' && /^U?(TINY|SMALL|BIG)?INT(EGER)?$/.test(type),
  );
  const copies = says ? 'TRY_CAST(copies AS INTEGER)' : undefined;

  const caption =
    spec.classes && !spec.captionColumn ? undefined : captionColumnOf(names, spec.captionColumn);
  if (caption !== undefined) return { bytes, file, copies, caption: asText(caption) };
  if (spec.captionColumn !== undefined)
    throw new VerbatimError(
      `${path}: there is no column "${spec.captionColumn}"; the columns are ${quotedNames(names)}.`,
    );
  if (spec.classes === undefined) return { bytes, file, copies, caption: undefined };
  if (!names.includes(spec.labelColumn))
    throw new VerbatimError(
      `${path}: no column "${spec.labelColumn}" with the numbers of the classes; name it as labelColumn. The columns are ${quotedNames(names)}.`,
    );
  return { bytes, file, copies, caption: asText(spec.labelColumn) };
}

/**
 * Parquet files in the layout of Hugging Face datasets: a column of encoded pictures (struct{bytes, path} or bytes), or
 * of names of files beside them, and a column of captions, or class numbers with `classes`. Rows are looked up in
 * blocks; only captions and pictures that are asked for are read. A file among several that cannot be read is left
 * out, as a problem.
 */
export async function openParquet(spec: ParquetSpec): Promise<Dataset> {
  const { classes } = spec;
  const { files, at } = await filesOf(spec.path, (name) => name.endsWith('.parquet'));
  if (files.length === 0) throw new VerbatimError(`${spec.path}: holds no .parquet file.`);

  const shards: Shard[] = [];
  const problems: DatasetProblem[] = [];
  for (const file of files) {
    const path = at(spec.path, file);
    try {
      const shape = await parquetShape(path);
      const layout = layoutOf(path, shape, spec);
      const shown = spec.images ?? dirname(path);
      const root = await realpath(shown).catch(() => undefined);
      if (root === undefined)
        throw new VerbatimError(`images: ${shown}: no such folder; give the folder of the pictures.`, {
          exitCode: 2,
        });
      shards.push({
        name: shardName(file),
        size: shape.rows,
        digest: await fileDigest(path),
        stored: await storedFile(path),
        position: shards.length,
        root,
        shown,
        ...layout,
      });
    } catch (error) {
      // One of several files is left out, with its reason; a dataset of nothing else is an error.
      if (files.length === 1 || !(error instanceof VerbatimError) || error.exitCode === 2) throw error;
      problems.push({
        where: path,
        what: `${error.message.replace(`${path}: `, '')}; it is left out`,
        rows: null,
      });
    }
  }
  if (shards.length === 0)
    throw new VerbatimError(
      `${spec.path}: none of its ${files.length} files can be read (${problems[0]!.what})`,
    );

  function captionOf(value: string | null, where: string): string {
    if (classes === undefined || spec.captionColumn !== undefined) return value ?? '';
    const label = value === null ? undefined : classes[Number(value)];
    if (label === undefined) {
      throw new VerbatimError(`${where}: class ${value} has no name; "classes" lists ${classes.length}.`);
    }
    return `a photo of ${article(label)} ${label}`;
  }

  const where = (shard: Shard, row: number) => `${shard.stored.path}, row ${row}`;
  const blocks = blockReader<{ picture: Uint8Array | null; file: string | null }>(
    shards.map(({ stored, size, bytes, file }) => ({
      file: stored,
      rows: size,
      select: `${bytes ?? 'NULL'} AS picture, ${file ?? 'NULL'} AS file`,
    })),
  );

  return datasetOf<Shard>({
    format: 'parquet',
    path: spec.path,
    options: [spec.imageColumn, spec.captionColumn, classes],
    shards,
    problems,
    maxPixels: spec.maxPixels,
    async *rows(shard, from, to, first): AsyncGenerator<StoredRow> {
      // Names alone are looked at; whether bytes are null is not known without reading them.
      const file = shard.bytes === undefined ? shard.file! : 'NULL';
      const rows = parquetStretches<{ caption: string | null; file: string | null; copies: number | null }>(
        shard.stored,
        `${shard.caption ?? 'NULL'} AS caption, ${file} AS file, ${shard.copies ?? 'NULL'} AS copies`,
        from,
        to,
      );
      let row = from;
      for await (const { caption, file, copies } of rows) {
        const error = shard.bytes === undefined ? nameFault(file, where(shard, row)) : undefined;
        yield {
          key: rowKey(first + row),
          caption: captionOf(caption, where(shard, row)),
          error,
          copies: copies ?? undefined,
        };
        row++;
      }
    },
    async encoded(shard, row) {
      const { picture, file } = (await blocks.get(shard.position, row)) ?? { picture: null, file: null };
      if (picture !== null) return picture;
      const fault = nameFault(file, where(shard, row));
      if (fault !== undefined) throw new VerbatimError(fault);
      return readPicture(shard.root, file!, `${where(shard, row)} (${file})`, shard.shown);
    },
    where,
    find: async (key) => locateRow(shards, rowOfKey(key)),
    async copy(shard, mask, output, signal) {
      const file = files.find((file) => shardName(file) === shard.name)!;
      const target = at(output, file);
      await filterParquet(shard.stored, mask, target);
      // With a folder of their own the pictures stay there: the copy is opened with the same option.
      if (spec.images !== undefined || shard.file === undefined) return;
      await copyNamedFiles(shard, mask, dirname(target), signal);
    },
    close: async () => blocks.clear(),
  });
}

/** Copies the pictures that kept rows name, those whose bytes are in the table left out. */
async function copyNamedFiles(
  shard: Shard,
  mask: Uint8Array,
  output: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const select = `CASE WHEN ${shard.bytes ?? 'NULL'} IS NULL THEN ${shard.file} END AS file`;
  let row = 0;
  for await (const { file } of parquetStretches<{ file: string | null }>(
    shard.stored,
    select,
    0,
    shard.size,
  )) {
    signal?.throwIfAborted();
    if (mask[row++] !== 0 && file !== null) await copyPicture(shard.root, file, output);
  }
}

/** Whether a Parquet file holds pictures, or names ones that are there; also when it cannot be read, to say so. */
async function looksLikePictures(path: string): Promise<boolean> {
  const shape = await parquetShape(path).catch(() => undefined);
  if (shape === undefined) return true;
  const image = imageColumn(shape, undefined);
  if (image === undefined) return false;
  if (image.type !== 'VARCHAR') return true;
  const rows = parquetStretches<{ file: string | null }>(
    await storedFile(path),
    `${identifier(image.name)} AS file`,
    0,
    Math.min(16, shape.rows),
  );
  for await (const { file } of rows) {
    if (file === null || refusal(file) !== undefined) continue;
    if (await stat(join(dirname(path), file)).catch(() => undefined)) return true;
  }
  return false;
}

async function detect(look: Look): Promise<boolean> {
  if (look.isFile) return extname(look.path) === '.parquet' && looksLikePictures(look.path);
  const files = (await look.files()).filter((file) => file.endsWith('.parquet'));
  // A folder of pictures may have its captions in metadata.parquet.
  if (files.length === 0 || files.some((file) => basename(file) === 'metadata.parquet')) return false;
  return looksLikePictures(join(look.path, files[0]!));
}

export const parquetFormat: DatasetFormat<typeof schema> = {
  name: 'parquet',
  schema,
  detect,
  open: openParquet,
};
