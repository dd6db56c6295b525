import { createHash } from 'node:crypto';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { VerbatimError } from '../../errors.ts';
import { decodePicture } from '../../images/index.ts';
import { fromParquet, hashFile, identifier, sql, textLiteral } from '../../tables/index.ts';
import type { Dataset, DatasetRow } from '../types.ts';
import { captionColumns, checkIndex, clampRange, type DatasetFormat } from './format.ts';

const schema = z.strictObject({
  format: z.literal('image-folder'),
  path: z.string().min(1),
  /** Column of the metadata file with the captions. Default: text, caption or prompt. */
  captionColumn: z.string().optional(),
  /** Pictures with more pixels are refused. */
  maxPixels: z.number().int().positive().optional(),
});

export type ImageFolderSpec = z.infer<typeof schema>;

const extensions = new Set(['.png', '.jpg', '.jpeg', '.webp', '.gif', '.tif', '.tiff', '.avif']);
const metadataFiles = ['metadata.csv', 'metadata.jsonl', 'metadata.parquet'] as const;
/** A picture file larger than this is refused before it is read. */
const maxFileBytes = 512 * 2 ** 20;

interface Entry {
  /** Relative to the folder, with forward slashes. */
  readonly file: string;
  readonly caption: string;
  /** For errors: the metadata file's row, or nothing. */
  readonly row: string;
}

/** Why a file name from a metadata file may not be followed, or undefined. */
export function refusal(file: string): string | undefined {
  if (file === '') return 'is empty';
  if (file.includes('\0')) return 'contains a NUL character';
  if (/^[a-z][a-z0-9+.-]*:/i.test(file)) return 'is a URL or a drive; only files in the folder are read';
  if (file.startsWith('/') || file.startsWith('\\'))
    return 'is an absolute path; it must be relative to the folder';
  if (file.split(/[/\\]/).includes('..')) return 'contains ".."; it must stay in the folder';
  return undefined;
}

/** The SQL expression that reads a metadata file; every column named in `texts` as text: a caption "007" stays one. */
function reader(metadata: string, texts: readonly string[] = []): string {
  if (metadata.endsWith('.parquet')) return fromParquet([metadata]);
  // Brackets and stars in a folder's name are not patterns.
  const file = textLiteral(metadata.replace(/[*?[]/g, '[$&]'));
  if (metadata.endsWith('.csv')) return `read_csv(${file}, header = true, all_varchar = true)`;
  const columns = texts.map((name) => `${textLiteral(name)}: 'VARCHAR'`).join(', ');
  const typed = texts.length > 0 ? `, columns = {${columns}}` : '';
  return `read_json(${file}, format = 'newline_delimited', maximum_object_size = 16777216${typed})`;
}

/** Whether a file holds nothing but white space. */
async function isBlank(path: string): Promise<boolean> {
  const { size } = await stat(path);
  return size === 0 || (size < 4096 && (await readFile(path, 'utf8')).trim() === '');
}

/**
 * The line of a CSV file that keeps it from being read as columns, in words. DuckDB takes a file that fits no
 * delimiter for one wide column, so it is asked again with the header's columns; undefined where that works.
 */
async function brokenLine(metadata: string, header: string): Promise<string | undefined> {
  const columns = header.split(',').map((_, i) => `'c${i}': 'VARCHAR'`);
  const dialect = `delim = ',', quote = '"', escape = '"', auto_detect = false`;
  const file = textLiteral(metadata.replace(/[*?[]/g, '[$&]'));
  const query = `SELECT count(*) FROM read_csv(${file}, header = true, ${dialect}, columns = {${columns.join(', ')}})`;
  const error = await sql(query).then(
    () => undefined,
    (reason: unknown) => (reason as Error).cause,
  );
  const said = error instanceof Error ? error.message : '';
  const line = said.match(/CSV Error on Line: (\d+)/)?.[1];
  if (line === undefined) return undefined;
  const found = said.match(/Expected Number of Columns: (\d+) Found: (\d+)/);
  return `line ${line} ${found ? `has ${found[2]} of ${found[1]} columns` : 'is not CSV'}`;
}

async function fromMetadata(metadata: string, spec: ImageFolderSpec): Promise<Entry[]> {
  const explain = (cause: unknown): never => {
    throw new VerbatimError(`${metadata}: cannot be read (${(cause as Error).message})`, { cause });
  };
  // DuckDB has a column for what holds nothing.
  if ((await isBlank(metadata)) && !metadata.endsWith('.parquet'))
    throw new VerbatimError(
      `${metadata}: is empty; give file_name and a caption for each picture, or remove the file to take captions from names.`,
    );
  const columns = await sql<{ column_name: string }>(`DESCRIBE SELECT * FROM ${reader(metadata)}`).catch(
    explain,
  );
  const names = columns.map((column) => column.column_name);
  const [only] = names;
  if (metadata.endsWith('.csv') && names.length === 1 && only!.includes(',')) {
    const fault = await brokenLine(metadata, only!);
    if (fault !== undefined) throw new VerbatimError(`${metadata}: ${fault}; mend that line.`);
  }
  const caption = spec.captionColumn ?? captionColumns.find((name) => names.includes(name));
  for (const [needed, name] of [
    ['file names', 'file_name'],
    ['captions', caption],
  ] as const) {
    if (name !== undefined && names.includes(name)) continue;
    const wanted = name === undefined ? 'text, caption or prompt' : `"${name}"`;
    throw new VerbatimError(
      `${metadata}: no column ${wanted} for the ${needed}; the columns are ${names.map((known) => `"${known}"`).join(', ')}.`,
    );
  }
  const rows = await sql<{ file: string | null; caption: string | null }>(
    `SELECT CAST(file_name AS VARCHAR) AS file, CAST(${identifier(caption!)} AS VARCHAR) AS caption FROM ${reader(metadata, ['file_name', caption!])}`,
  ).catch(explain);
  return rows.map(({ file, caption }, index) => {
    const row = `${metadata}, row ${index}`;
    if (file === null) throw new VerbatimError(`${row}: file_name is missing.`);
    const problem = refusal(file);
    if (problem !== undefined)
      throw new VerbatimError(`${row}: file_name ${JSON.stringify(file)} ${problem}.`);
    // An empty field of a CSV file is an empty caption, which a generator may well be asked for.
    return { file, caption: caption ?? '', row };
  });
}

/** Pictures below the folder in the order of their paths; a caption is the name of the folder that holds the picture,
 * or of the file itself when it lies at the top. */
async function fromNames(root: string): Promise<Entry[]> {
  const found = await readdir(root, { recursive: true, withFileTypes: true });
  const files = found
    .filter((entry) => !entry.isDirectory() && extensions.has(extname(entry.name).toLowerCase()))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((file) => !file.split('/').some((part) => part.startsWith('.')));
  return files
    .sort((a, b) => (a < b ? -1 : 1))
    .map((file) => {
      const folder = basename(dirname(file));
      const words = folder === '.' || folder === '' ? basename(file, extname(file)) : folder;
      return { file, caption: words.replace(/[_-]+/g, ' ').trim(), row: '' };
    });
}

/**
 * A folder of pictures as Hugging Face's "imagefolder": metadata.csv, .jsonl or .parquet at its top with file_name and
 * a caption; without one, folder names are the captions. File names are untrusted: absolute paths, "..", URLs and links
 * that lead out of the folder are refused. The digest covers names, captions and the bytes of all pictures.
 */
export async function openImageFolder(spec: ImageFolderSpec): Promise<Dataset> {
  const folder = await stat(spec.path).catch(() => undefined);
  if (!folder?.isDirectory())
    throw new VerbatimError(`${spec.path}: no such folder; give the folder of the pictures.`, {
      exitCode: 2,
    });
  const root = await realpath(spec.path);
  const present = new Set(await readdir(root));
  const metadata = metadataFiles.filter((file) => present.has(file));
  if (metadata.length > 1) {
    throw new VerbatimError(`${spec.path}: has both ${metadata.join(' and ')}; keep one of them.`);
  }
  const entries =
    metadata[0] === undefined ? await fromNames(root) : await fromMetadata(join(root, metadata[0]), spec);
  if (entries.length === 0) {
    throw new VerbatimError(
      `${spec.path}: holds no pictures (${[...extensions].join(' ')}) and no metadata that names any.`,
    );
  }
  const name = basename(resolve(spec.path));

  /** The real path of a picture, or an error: it must be a file inside the folder, links followed. */
  async function locate({ file, row }: Entry): Promise<string> {
    const where = row === '' ? join(spec.path, file) : `${row} (${file})`;
    const path = await realpath(join(root, file)).catch(() => undefined);
    if (path === undefined) throw new VerbatimError(`${where}: no such file in ${spec.path}.`);
    if (!path.startsWith(root + sep))
      throw new VerbatimError(`${where}: is a link that leads out of ${spec.path}.`);
    const found = await stat(path);
    if (!found.isFile()) throw new VerbatimError(`${where}: is not a file.`);
    if (found.size > maxFileBytes)
      throw new VerbatimError(`${where}: ${found.size} bytes exceed the limit of ${maxFileBytes}.`);
    return path;
  }

  const hash = createHash('sha256').update('image-folder');
  for (const entry of entries) {
    hash.update(JSON.stringify([entry.file, entry.caption]));
    // A missing picture is an error of its row, later; here it only has to count as something else than a present one.
    const path = await locate(entry).catch(() => undefined);
    if (path === undefined) hash.update('missing');
    else await hashFile(hash, path);
  }

  const seen = new Set<string>();
  const rows: DatasetRow[] = entries.map(({ file, caption }, index) => {
    const key = seen.has(file) ? `${file}#${index}` : file;
    seen.add(file);
    return { index, key, caption };
  });

  return {
    name,
    digest: hash.digest('hex'),
    size: rows.length,
    async *rows(from, to) {
      yield* rows.slice(...clampRange(rows.length, from, to));
    },
    async picture(index) {
      checkIndex(name, index, rows.length);
      const entry = entries[index]!;
      const path = await locate(entry);
      const where = entry.row === '' ? join(spec.path, entry.file) : `${entry.row} (${entry.file})`;
      return decodePicture(await readFile(path), {
        where,
        ...(spec.maxPixels && { maxPixels: spec.maxPixels }),
      });
    },
    close: async () => {},
  };
}

export const imageFolderFormat: DatasetFormat<typeof schema> = {
  name: 'image-folder',
  schema,
  detect: async (path) => {
    const found = await stat(path).catch(() => undefined);
    if (!found?.isDirectory()) return false;
    const list = await readdir(path, { recursive: true });
    return list.some(
      (file) =>
        extensions.has(extname(file).toLowerCase()) || (metadataFiles as readonly string[]).includes(file),
    );
  },
  open: openImageFolder,
};
