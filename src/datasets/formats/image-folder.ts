import { createHash } from 'node:crypto';
import { open, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { z } from 'zod';
import { VerbatimError } from '../../errors.ts';
import {
  atomically,
  fromParquet,
  identifier,
  sql,
  textLiteral,
  wholeDigestBytes,
} from '../../tables/index.ts';
import { createRecent, requireUnchanged, type StoredFile, storedFile } from '../storage/files.ts';
import { copyLines } from '../storage/lines.ts';
import type { Look } from '../storage/look.ts';
import { captionColumnOf, filterParquet, maskedBy, quotedNames } from '../storage/parquet-file.ts';
import {
  copyPicture,
  filesBelow,
  isPictureName,
  locatePicture,
  nameFault,
  pictureEndings,
  readPicture,
} from '../storage/paths.ts';
import { datasetOf, type StoredRow, type StoredShard } from '../storage/store.ts';
import type { Dataset } from '../types.ts';
import type { DatasetFormat } from './format.ts';

const schema = z.strictObject({
  format: z.literal('image-folder'),
  path: z.string().min(1),
  /** Column of the metadata file with the captions. Default: text, caption or prompt; without one captions are empty. */
  captionColumn: z.string().optional(),
  /** Pictures with more pixels are refused. */
  maxPixels: z.number().int().positive().optional(),
});

export type ImageFolderSpec = z.infer<typeof schema>;

const metadataFiles = ['metadata.csv', 'metadata.jsonl', 'metadata.parquet'] as const;

interface Entry {
  /** Relative to the folder, with forward slashes. */
  readonly file: string;
  readonly caption: string;
  /** Why the name is not followed. */
  readonly error?: string | undefined;
}

interface Shard extends StoredShard {
  /** Its first entry. */
  readonly first: number;
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
  const caption = captionColumnOf(names, spec.captionColumn);
  for (const [needed, name] of [
    ['file names', 'file_name'],
    ['captions', spec.captionColumn],
  ] as const)
    if (name !== undefined && !names.includes(name))
      throw new VerbatimError(
        `${metadata}: no column "${name}" for the ${needed}; the columns are ${quotedNames(names)}.`,
      );
  const captionText = caption === undefined ? 'NULL' : `CAST(${identifier(caption)} AS VARCHAR)`;
  const texts = caption === undefined ? ['file_name'] : ['file_name', caption];
  const rows = await sql<{ file: string | null; caption: string | null }>(
    `SELECT CAST(file_name AS VARCHAR) AS file, ${captionText} AS caption FROM ${reader(metadata, texts)}`,
  ).catch(explain);
  const entries = rows.map(({ file, caption }, index) => ({
    file: file ?? '',
    // An empty field of a CSV file is an empty caption, which a generator may well be asked for.
    caption: caption ?? '',
    error: nameFault(file, `${metadata}, row ${index}`),
  }));
  if (entries.length > 0 && entries.every(({ error }) => error !== undefined))
    throw new VerbatimError(entries[0]!.error!);
  return entries;
}

/** Pictures below the folder in the order of their paths; a caption is the name of the folder that holds the picture,
 * or of the file itself when it lies at the top. */
async function fromNames(root: string): Promise<Entry[]> {
  const top = (file: string) => !file.includes('/');
  const files = await filesBelow(root, isPictureName);
  // Files at the top first: each shard is then one stretch, whatever the names are.
  return [...files.filter(top), ...files.filter((file) => !top(file))].map((file) => {
    const folder = basename(dirname(file));
    const words = folder === '.' || folder === '' ? basename(file, extname(file)) : folder;
    return { file, caption: words.replace(/[_-]+/g, ' ').trim() };
  });
}

/** Stats of so many files are asked for at a time. */
const askedTogether = 64;
const sampledFiles = 1024;
const sampledBytes = 64 * 2 ** 10;

/**
 * SHA-256 over names, captions and sizes of pictures, and over their bytes up to 64 MiB together; of more, over the
 * first 64 KiB of 1,024 of them, spread evenly. As fileDigest, so that opening a large folder does not read it.
 */
async function entriesDigest(
  entries: readonly Entry[],
  locate: (entry: Entry) => Promise<string>,
): Promise<string> {
  const hash = createHash('sha256');
  const present: string[] = [];
  let bytes = 0;
  for (let at = 0; at < entries.length; at += askedTogether) {
    const together = entries.slice(at, at + askedTogether);
    // A missing picture is an error of its row, later; here it only has to count as something else than a present one.
    const found = await Promise.all(
      together.map(async (entry) => {
        const path = await locate(entry).catch(() => undefined);
        return path === undefined ? undefined : { path, size: (await stat(path)).size };
      }),
    );
    for (const [offset, entry] of together.entries()) {
      const one = found[offset];
      hash.update(JSON.stringify([entry.file, entry.caption, one?.size ?? 'missing']));
      if (one === undefined) continue;
      present.push(one.path);
      bytes += one.size;
    }
  }
  if (bytes <= wholeDigestBytes) {
    for (const path of present) hash.update(await readFile(path));
    return hash.digest('hex');
  }
  const buffer = Buffer.alloc(sampledBytes);
  const sampled = Math.min(sampledFiles, present.length);
  for (let i = 0; i < sampled; i++) {
    const file = await open(present[Math.floor((i * present.length) / sampled)]!);
    try {
      const { bytesRead } = await file.read(buffer, 0, sampledBytes, 0);
      hash.update(buffer.subarray(0, bytesRead));
    } finally {
      await file.close();
    }
  }
  return hash.digest('hex');
}

/**
 * A folder of pictures as Hugging Face's "imagefolder": metadata.csv, .jsonl or .parquet at its top with file_name and
 * a caption; without one, folder names are the captions. File names are untrusted: absolute paths, "..", URLs and links
 * that lead out of the folder are errors of their rows. Names and captions are in memory, pictures are not.
 */
export async function openImageFolder(spec: ImageFolderSpec): Promise<Dataset> {
  const folder = await stat(spec.path).catch(() => undefined);
  if (!folder?.isDirectory())
    throw new VerbatimError(`${spec.path}: no such folder; give the folder of the pictures.`, {
      exitCode: 2,
    });
  const root = await realpath(spec.path);
  const present = new Set(await readdir(root));
  const several = metadataFiles.filter((file) => present.has(file));
  if (several.length > 1) {
    throw new VerbatimError(`${spec.path}: has both ${several.join(' and ')}; keep one of them.`);
  }
  const metadata = several[0] === undefined ? undefined : await storedFile(join(root, several[0]));
  const entries = metadata === undefined ? await fromNames(root) : await fromMetadata(metadata.path, spec);
  if (entries.length === 0) {
    throw new VerbatimError(
      `${spec.path}: holds no pictures (${[...pictureEndings].join(' ')}) and no metadata that names any.`,
    );
  }

  const where = ({ first }: Shard, row: number) => {
    const { file } = entries[first + row]!;
    return metadata === undefined ? join(spec.path, file) : `${metadata.path}, row ${first + row} (${file})`;
  };

  /** A top-level folder is a shard, and so are the files at the top; with a metadata file everything is one. */
  const shardOf = ({ file }: Entry) =>
    metadata === undefined && file.includes('/') ? file.slice(0, file.indexOf('/')) : '.';
  const shards: Shard[] = [];
  for (let from = 0; from < entries.length; ) {
    const name = shardOf(entries[from]!);
    let to = from;
    while (to < entries.length && shardOf(entries[to]!) === name) to++;
    const digest = await entriesDigest(entries.slice(from, to), ({ file }) =>
      locatePicture(root, file, file, spec.path),
    );
    shards.push({ name, first: from, size: to - from, digest });
    from = to;
  }

  const positions = createRecent(1, async (_all: 'all') => {
    const positions = new Map<string, number>();
    for (const [index, { file }] of entries.entries())
      positions.set(positions.has(file) ? `${file}#${index}` : file, index);
    return positions;
  });

  return datasetOf<Shard>({
    format: 'image-folder',
    path: spec.path,
    options: [spec.captionColumn],
    shards,
    problems: [],
    maxPixels: spec.maxPixels,
    async *rows({ first }, from, to): AsyncGenerator<StoredRow> {
      const known = metadata === undefined ? undefined : await positions.get('all');
      for (let index = first + from; index < first + to; index++) {
        const { file, caption, error } = entries[index]!;
        // Only metadata can name a file twice.
        yield { key: (known?.get(file) ?? index) === index ? file : `${file}#${index}`, caption, error };
      }
    },
    async encoded(shard, row) {
      const { file, error } = entries[shard.first + row]!;
      if (error !== undefined) throw new VerbatimError(error);
      return readPicture(root, file, where(shard, row), spec.path);
    },
    where,
    async find(key) {
      const index = (await positions.get('all')).get(key);
      const shard = shards.find(
        ({ first, size }) => index !== undefined && first <= index && index < first + size,
      );
      return shard && { shard, row: index! - shard.first };
    },
    async copy({ first }, mask, output, signal) {
      for (const [row, kept] of mask.entries()) {
        if (kept === 0) continue;
        signal?.throwIfAborted();
        await copyPicture(root, entries[first + row]!.file, output);
      }
      // Last: a folder with its metadata is a whole one.
      if (metadata !== undefined) await copyMetadata(metadata, mask, output);
    },
    close: async () => positions.clear(),
  });
}

/** Writes the rows of a metadata file that `mask` chooses, with all their columns. */
async function copyMetadata(metadata: StoredFile, mask: Uint8Array, output: string): Promise<void> {
  const target = join(output, basename(metadata.path));
  if (metadata.path.endsWith('.parquet')) return filterParquet(metadata, mask, target);
  if (metadata.path.endsWith('.jsonl')) return copyLines(metadata, mask, target);
  await requireUnchanged(metadata);
  await atomically(target, async (temporary) => {
    await sql(
      `COPY (SELECT * EXCLUDE (verbatim_row) FROM (SELECT *, row_number() OVER () - 1 AS verbatim_row FROM ${reader(metadata.path)}) WHERE ${maskedBy(mask, 'verbatim_row')}) TO ${textLiteral(temporary)} (FORMAT csv, HEADER)`,
    );
  });
}

async function detect(look: Look): Promise<boolean> {
  if (look.top.some(({ name }) => (metadataFiles as readonly string[]).includes(name))) return true;
  return (await look.files()).some(isPictureName);
}

export const imageFolderFormat: DatasetFormat<typeof schema> = {
  name: 'image-folder',
  schema,
  detect,
  open: openImageFolder,
};
