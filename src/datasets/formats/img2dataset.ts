import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { z } from 'zod';
import { VerbatimError } from '../../errors.ts';
import {
  fileDigest,
  fromParquet,
  identifier,
  isFile,
  readJsonObject,
  sha256,
  sql,
  writeJsonAtomic,
} from '../../tables/index.ts';
import {
  createFileReader,
  createRecent,
  requireUnchanged,
  type StoredFile,
  storedFile,
} from '../storage/files.ts';
import type { Look } from '../storage/look.ts';
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
import { copyPicture, isPictureName, pictureEndings, readPicture } from '../storage/paths.ts';
import { splitName } from '../storage/samples.ts';
import { datasetOf, type StoredRow, type StoredShard, shardsOfKey } from '../storage/store.ts';
import { copyTar, indexTar, type TarMember } from '../storage/tar.ts';
import type { Dataset, DatasetProblem } from '../types.ts';
import type { DatasetFormat } from './format.ts';

const schema = z.strictObject({
  format: z.literal('img2dataset'),
  /** The output folder of img2dataset, in its webdataset, files or parquet output format. */
  path: z.string().min(1),
  /** Column of the Parquet files with the captions. Default: caption, text or prompt; without one all captions are empty. */
  captionColumn: z.string().min(1).optional(),
  /** Pictures with more pixels are refused. */
  maxPixels: z.number().int().positive().optional(),
});

type Img2datasetSpec = z.infer<typeof schema>;

/** Where a shard's pictures are: in its tar, as files in its folder, or in a column of its Parquet file. */
type Pictures =
  | { readonly kind: 'tar'; readonly stored: StoredFile }
  | { readonly kind: 'files'; readonly folder: string }
  | { readonly kind: 'column'; readonly column: string };

interface Shard extends StoredShard {
  readonly position: number;
  readonly table: StoredFile;
  readonly pictures: Pictures;
  /** SQL of the caption. */
  readonly caption: string;
}

/** What is known of the rows of one shard. */
interface ShardIndex {
  /** Unique in the shard, one per row. */
  readonly keys: readonly string[];
  /** The row of each key. */
  readonly rows: ReadonlyMap<string, number>;
  /** Why a row has no picture. */
  readonly errors: ReadonlyMap<number, string>;
  /** Members of the tar by key, or the names of files. */
  readonly members: ReadonlyMap<string, readonly TarMember[]>;
  readonly files: ReadonlyMap<string, readonly string[]>;
  readonly problems: readonly DatasetProblem[];
  readonly successes: number;
}

const indexedShards = 4;

/** Names of the shards of which anything is there, in order: numbers, padded with zeros as img2dataset was told to. */
async function shardNames(path: string): Promise<string[]> {
  const names = new Set<string>();
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const name = /^(\d+)(?:\.tar|\.parquet|_stats\.json)?$/.exec(entry.name)?.[1];
    if (name !== undefined && (entry.isFile() || entry.name === name)) names.add(name);
  }
  return [...names].sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
}

const isFolder = async (path: string) => (await stat(path).catch(() => undefined))?.isDirectory() ?? false;

async function picturesOf(base: string, { columns }: ParquetShape): Promise<Pictures> {
  if (await isFile(`${base}.tar`)) return { kind: 'tar', stored: await storedFile(`${base}.tar`) };
  if (await isFolder(base)) return { kind: 'files', folder: await realpath(base) };
  // The parquet output names the column after the encoding: jpg, png, webp.
  const column = columns.find(({ name, type }) => type === 'BLOB' && pictureEndings.has(`.${name}`))?.name;
  if (column !== undefined) return { kind: 'column', column };
  throw new VerbatimError(`${base}.tar: is missing, and there is no folder of that name`);
}

const countOf = (stats: Readonly<Record<string, unknown>>, name: string) =>
  typeof stats[name] === 'number' ? (stats[name] as number) : undefined;

/** @throws VerbatimError when the shard cannot be used */
async function openShard(
  spec: Img2datasetSpec,
  name: string,
  position: number,
): Promise<{ shard: Shard; stats: Readonly<Record<string, unknown>> }> {
  const base = join(spec.path, name);
  if (!(await isFile(`${base}_stats.json`)))
    throw new VerbatimError(
      `${base}: is not finished (no ${name}_stats.json); run img2dataset again with --incremental_mode incremental`,
    );
  const stats = await readJsonObject(`${base}_stats.json`);
  const path = `${base}.parquet`;
  if (!(await isFile(path))) throw new VerbatimError(`${path}: is missing`);
  const shape = await parquetShape(path);
  const names = shape.columns.map((column) => column.name);
  for (const needed of ['key', 'status'])
    if (!names.includes(needed))
      throw new VerbatimError(`${path}: no column "${needed}"; the columns are ${quotedNames(names)}`);
  const caption = captionColumnOf(names, spec.captionColumn);
  if (caption === undefined && spec.captionColumn !== undefined)
    throw new VerbatimError(
      `${path}: no column "${spec.captionColumn}"; the columns are ${quotedNames(names)}`,
    );
  const pictures = await picturesOf(base, shape);
  const digests = [await fileDigest(path)];
  if (pictures.kind === 'tar') digests.push(await fileDigest(pictures.stored.path));
  if (pictures.kind === 'files') digests.push(await folderDigest(pictures.folder));
  return {
    stats,
    shard: {
      name,
      position,
      size: shape.rows,
      digest: sha256(digests.join(' ')),
      table: await storedFile(path),
      pictures,
      caption: caption === undefined ? "''" : asText(caption),
    },
  };
}

/** SHA-256 over the names and digests of the files of a folder. */
async function folderDigest(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.')).sort();
  const parts: string[] = [];
  for (const name of names) {
    const path = join(folder, name);
    parts.push(`${name} ${(await isFile(path)) ? await fileDigest(path) : 'no file'}`);
  }
  return sha256(parts.join('\n'));
}

/** Reads the keys of a shard's table and finds the picture of each row. */
async function indexShard({ table, pictures, size }: Shard): Promise<ShardIndex> {
  const members = new Map<string, TarMember[]>();
  const files = new Map<string, string[]>();
  const problems: DatasetProblem[] = [];
  const store = <T>(map: Map<string, T[]>, key: string, value: T) => {
    const list = map.get(key);
    if (list === undefined) map.set(key, [value]);
    else list.push(value);
  };
  if (pictures.kind === 'tar') {
    const index = await indexTar(pictures.stored);
    problems.push(...index.problems);
    for (const member of index.members) store(members, splitName(member.name)?.key ?? member.name, member);
  } else if (pictures.kind === 'files') {
    for (const name of (await readdir(pictures.folder)).sort())
      if (!name.startsWith('.')) store(files, splitName(name)?.key ?? name, name);
  }
  const where =
    pictures.kind === 'tar' ? pictures.stored.path : pictures.kind === 'files' ? pictures.folder : table.path;

  const keys: string[] = [];
  const rows = new Map<string, number>();
  const errors = new Map<number, string>();
  const taken = new Set<string>();
  let successes = 0;
  const select = `${asText('key')} AS key, status, ${await messageColumn(table.path)} AS message`;
  type Entry = { key: string | null; status: string | null; message: string | null };
  for await (const { key, status, message } of parquetStretches<Entry>(table, select, 0, size)) {
    const row = keys.length;
    let unique = key ?? '';
    while (rows.has(unique) || unique === '') unique = `${unique}#${row}`;
    keys.push(unique);
    rows.set(unique, row);
    if (status === 'success') successes++;
    const found = members.has(unique) || files.has(unique);
    if (found) taken.add(unique);
    if (status !== 'success') errors.set(row, `${status ?? 'no status'}${message ? `: ${message}` : ''}`);
    else if (unique !== key)
      errors.set(
        row,
        key === null ? 'has no key' : `key ${key} stands in the shard again; the first row counts`,
      );
    else if (pictures.kind !== 'column' && pictureOf(unique, members, files) === undefined)
      errors.set(row, `${where} holds no picture for key ${key}`);
  }
  const without = [...members.keys(), ...files.keys()].filter((key) => !taken.has(key));
  if (without.length > 0)
    problems.push({
      where,
      what: `holds ${without.length} ${without.length === 1 ? 'sample' : 'samples'} of which ${table.path} has no row (the first: ${without[0]}); left out`,
      rows: without.length,
    });
  return { keys, rows, errors, members, files, problems, successes };
}

/** SQL of the error message; older versions have no such column. */
async function messageColumn(path: string): Promise<string> {
  const { columns } = await parquetShape(path);
  return columns.some(({ name }) => name === 'error_message') ? asText('error_message') : 'NULL';
}

function pictureOf(
  key: string,
  members: ReadonlyMap<string, readonly TarMember[]>,
  files: ReadonlyMap<string, readonly string[]>,
): TarMember | string | undefined {
  return members.get(key)?.find(({ name }) => isPictureName(name)) ?? files.get(key)?.find(isPictureName);
}

/**
 * What img2dataset leaves: numbered shards of a table (NNNNN.parquet, a row per address), the pictures (NNNNN.tar, a
 * folder NNNNN/, or a column of the table) and NNNNN_stats.json, which is written last. Every row of the tables is a
 * row, in their order; those whose download failed have an error. A shard that is not whole is left out, as a problem.
 */
async function openImg2dataset(spec: Img2datasetSpec): Promise<Dataset> {
  const { path } = spec;
  if (!(await isFolder(path)))
    throw new VerbatimError(`${path}: no such folder; give the output folder of img2dataset.`, {
      exitCode: 2,
    });
  const names = await shardNames(path);
  const shards: Shard[] = [];
  const problems: DatasetProblem[] = [];
  const indexes = createRecent<Shard, ShardIndex>(indexedShards, indexShard);
  for (const name of names) {
    try {
      const { shard, stats } = await openShard(spec, name, shards.length);
      const { successes, problems: ofIndex } = await indexes.get(shard);
      shards.push(shard);
      problems.push(...ofIndex);
      for (const [what, counted, said] of [
        ['rows', shard.size, countOf(stats, 'count')],
        ['successful rows', successes, countOf(stats, 'successes')],
      ] as const)
        if (said !== counted)
          problems.push({
            where: join(path, `${name}_stats.json`),
            what: `says ${said ?? 'nothing'} of ${what}, ${name}.parquet has ${counted}; the table counts`,
            rows: null,
          });
    } catch (error) {
      if (!(error instanceof VerbatimError)) throw error;
      problems.push({ where: join(path, name), what: `${error.message}; the shard is left out`, rows: null });
    }
  }
  if (shards.length === 0)
    throw new VerbatimError(
      `${path}: ${names.length === 0 ? 'holds no shards (00000.parquet, 00000.tar, 00000_stats.json)' : `none of its ${names.length} shards can be read (${problems[0]!.what})`}.`,
    );

  const reader = createFileReader();
  const blocks = blockReader<{ picture: Uint8Array | null }>(
    shards.map(({ table, size, pictures }) => ({
      file: table,
      rows: size,
      select: `${pictures.kind === 'column' ? identifier(pictures.column) : 'NULL'} AS picture`,
    })),
  );
  const where = ({ table }: Shard, row: number) => `${table.path}, row ${row}`;
  const errorOf = (shard: Shard, row: number, { errors }: ShardIndex) => {
    const error = errors.get(row);
    return error && `${where(shard, row)}: ${error}.`;
  };

  return datasetOf<Shard>({
    format: 'img2dataset',
    path,
    options: [spec.captionColumn],
    shards,
    problems,
    maxPixels: spec.maxPixels,
    async *rows(shard, from, to): AsyncGenerator<StoredRow> {
      const index = await indexes.get(shard);
      if (shard.pictures.kind === 'tar') await requireUnchanged(shard.pictures.stored);
      let row = from;
      const captions = parquetStretches<{ caption: string | null }>(
        shard.table,
        `${shard.caption} AS caption`,
        from,
        to,
      );
      for await (const { caption } of captions) {
        yield {
          key: `${shard.name}/${index.keys[row]!}`,
          caption: caption ?? '',
          error: errorOf(shard, row, index),
        };
        row++;
      }
    },
    async encoded(shard, row) {
      const index = await indexes.get(shard);
      const error = errorOf(shard, row, index);
      if (error !== undefined) throw new VerbatimError(error);
      const { pictures } = shard;
      if (pictures.kind === 'column') {
        const picture = (await blocks.get(shard.position, row))?.picture;
        if (!picture) throw new VerbatimError(`${where(shard, row)}: column ${pictures.column} is empty.`);
        return picture;
      }
      const found = pictureOf(index.keys[row]!, index.members, index.files)!;
      if (typeof found !== 'string' && pictures.kind === 'tar')
        return reader.read(pictures.stored, found.offset, found.sizeBytes);
      const folder = pictures.kind === 'files' ? pictures.folder : '';
      return readPicture(folder, String(found), `${where(shard, row)} (${String(found)})`, folder);
    },
    where,
    async find(key) {
      for (const { shard, rest } of shardsOfKey(shards, key)) {
        const row = (await indexes.get(shard)).rows.get(rest);
        if (row !== undefined) return { shard, row };
      }
      return undefined;
    },
    async copy(shard, mask, output, signal) {
      const { keys, members, files } = await indexes.get(shard);
      const kept = keys.filter((_, row) => mask[row] !== 0);
      const { pictures, name } = shard;
      if (pictures.kind === 'tar') {
        const chosen = kept.flatMap((key) => members.get(key) ?? []);
        await copyTar(pictures.stored, chosen, join(output, `${name}.tar`), signal);
      } else if (pictures.kind === 'files') {
        for (const file of kept.flatMap((key) => files.get(key) ?? [])) {
          signal?.throwIfAborted();
          await copyPicture(pictures.folder, file, join(output, name));
        }
      }
      const table = join(output, `${name}.parquet`);
      await filterParquet(shard.table, mask, table);
      // Last, as img2dataset does: with it the shard is whole.
      await writeStats(join(path, `${name}_stats.json`), table, join(output, `${name}_stats.json`));
    },
    async close() {
      indexes.clear();
      blocks.clear();
      await reader.close();
    },
  });
}

/** The statistics of a shard with the counts of its filtered table; what else stands there stays. */
async function writeStats(original: string, table: string, output: string): Promise<void> {
  const counts = await sql<{ status: string; message: string | null; n: number }>(
    `SELECT status, ${await messageColumn(table)} AS message, count(*) AS n FROM ${fromParquet([table])} GROUP BY ALL ORDER BY n DESC, status, message`,
  );
  const sum = (status?: string) =>
    counts.reduce((total, row) => total + (status === undefined || row.status === status ? row.n : 0), 0);
  const statuses: Record<string, number> = {};
  for (const { status, message, n } of counts) {
    const name = status === 'success' || message === null ? status : message;
    statuses[name] = (statuses[name] ?? 0) + n;
  }
  await writeJsonAtomic(output, {
    ...(await readJsonObject(original)),
    count: sum(),
    successes: sum('success'),
    failed_to_download: sum('failed_to_download'),
    failed_to_resize: sum('failed_to_resize'),
    status_dict: statuses,
  });
}

async function detect(look: Look): Promise<boolean> {
  const names = new Set(look.top.map(({ name }) => name));
  return look.top.some(({ name }) => {
    const stem = /^(\d+)(?:_stats\.json|\.parquet)$/.exec(name)?.[1];
    if (stem === undefined) return false;
    return extname(name) === '.json' || names.has(`${stem}.tar`) || names.has(`${stem}_stats.json`);
  });
}

export const img2datasetFormat: DatasetFormat<typeof schema> = {
  name: 'img2dataset',
  schema,
  detect,
  open: openImg2dataset,
};
