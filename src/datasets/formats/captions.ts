import { extname, join } from 'node:path';
import { z } from 'zod';
import { VerbatimError } from '../../errors.ts';
import { fileDigest } from '../../tables/index.ts';
import { csvColumn, csvDialect, csvRows, filterCsv } from '../storage/csv.ts';
import { problemList, requireUnchanged, type StoredFile, storedFile } from '../storage/files.ts';
import { copyLines, jsonObject, linesOf } from '../storage/lines.ts';
import { filesOf, type Look } from '../storage/look.ts';
import {
  asText,
  captionColumnOf,
  filterParquet,
  parquetShape,
  parquetStretches,
  quotedNames,
} from '../storage/parquet-file.ts';
import {
  datasetOf,
  locateRow,
  rowKey,
  rowOfKey,
  type StoredRow,
  type StoredShard,
} from '../storage/store.ts';
import type { Dataset, DatasetProblem } from '../types.ts';
import { type DatasetFormat, shardName } from './format.ts';

const schema = z.strictObject({
  format: z.literal('captions'),
  /** A .csv, .tsv, .jsonl or .parquet file, or a folder of them (read in the order of their paths). */
  path: z.string().min(1),
  /** Column with the captions. Default: text, caption or prompt, in any case. */
  captionColumn: z.string().min(1).optional(),
});

type CaptionsSpec = z.infer<typeof schema>;

/** A table of text, opened. */
interface Table {
  readonly rows: number;
  readonly problems: readonly DatasetProblem[];
  captions(from: number, to: number): AsyncIterable<string>;
  copy(mask: Uint8Array, output: string): Promise<void>;
}

interface Shard extends StoredShard {
  readonly file: string;
  readonly stored: StoredFile;
  readonly table: Table;
}

function requireColumn(path: string, names: readonly string[], wanted: string | undefined): string {
  const found = captionColumnOf(names, wanted);
  if (found !== undefined) return found;
  throw new VerbatimError(
    `${path}: no column ${wanted === undefined ? 'text, caption or prompt' : `"${wanted}"`}; the columns are ${quotedNames(names)}.`,
  );
}

async function csvTable(file: StoredFile, wanted: string | undefined): Promise<Table> {
  const dialect = await csvDialect(file.path);
  const column = requireColumn(file.path, dialect.columns, wanted);
  return {
    ...(await csvRows(file, dialect)),
    captions: (from, to) => csvColumn(file, dialect, column, from, to),
    copy: (mask, output) => filterCsv(file, dialect, mask, output),
  };
}

async function jsonTable(file: StoredFile, wanted: string | undefined): Promise<Table> {
  const { path } = file;
  const problems = problemList(path);
  let rows = 0;
  let column: string | undefined;
  for await (const { line, text } of linesOf(path)) {
    if (text.trim() === '') continue;
    const row = jsonObject(text);
    if (row === undefined) {
      problems.add(`${path}, line ${line}`, 'is no JSON object; it is left out', 1);
      continue;
    }
    rows++;
    column ??= requireColumn(path, Object.keys(row), wanted);
  }
  if (column === undefined) throw new VerbatimError(`${path}: holds no line with a JSON object.`);
  const known = column;
  return {
    rows,
    problems: problems.list(),
    async *captions(from, to) {
      await requireUnchanged(file);
      let at = 0;
      for await (const { text } of linesOf(path)) {
        if (at >= to) break;
        const row = jsonObject(text);
        if (row === undefined || at++ < from) continue;
        const value = Object.hasOwn(row, known) ? row[known] : undefined;
        yield value === undefined || value === null
          ? ''
          : typeof value === 'string'
            ? value
            : JSON.stringify(value);
      }
      await requireUnchanged(file);
    },
    copy: (mask, output) => copyLines(file, mask, output),
  };
}

async function parquetTable(file: StoredFile, wanted: string | undefined): Promise<Table> {
  const { columns, rows } = await parquetShape(file.path);
  const names = columns.map(({ name }) => name);
  const select = `${asText(requireColumn(file.path, names, wanted))} AS caption`;
  return {
    rows,
    problems: [],
    async *captions(from, to) {
      for await (const { caption } of parquetStretches<{ caption: string | null }>(file, select, from, to))
        yield caption ?? '';
    },
    copy: (mask, output) => filterParquet(file, mask, output),
  };
}

type OpenTable = (file: StoredFile, wanted: string | undefined) => Promise<Table>;
const tables: Readonly<Record<string, OpenTable>> = {
  '.csv': csvTable,
  '.tsv': csvTable,
  '.jsonl': jsonTable,
  '.ndjson': jsonTable,
  '.parquet': parquetTable,
};
const isTable = (name: string) => Object.hasOwn(tables, extname(name).toLowerCase());

/**
 * Captions without pictures, as lists of prompts have them: tables of text (comma, semicolon, tab or | by the header),
 * JSON lines or Parquet. A line that cannot be read is a problem with its number; the others go on. Read in order;
 * looking into the middle of a text file reads it from its beginning.
 */
async function openCaptions(spec: CaptionsSpec): Promise<Dataset> {
  const { files, at } = await filesOf(spec.path, isTable);
  const stems = new Set(files.map(shardName));
  const problems: DatasetProblem[] = [];
  const shards: Shard[] = [];
  for (const file of files) {
    const path = at(spec.path, file);
    try {
      const open = tables[extname(file).toLowerCase()];
      if (open === undefined)
        throw new VerbatimError(`${path}: not a table of captions (.csv, .tsv, .jsonl or .parquet).`, {
          exitCode: 2,
        });
      const stored = await storedFile(path);
      const table = await open(stored, spec.captionColumn);
      problems.push(...table.problems);
      // a.csv beside a.jsonl: their names are told apart by their endings.
      const name = stems.size === files.length ? shardName(file) : file;
      shards.push({ name, size: table.rows, digest: await fileDigest(path), file, stored, table });
    } catch (error) {
      if (files.length === 1 || !(error instanceof VerbatimError)) throw error;
      problems.push({
        where: path,
        what: `${error.message.replace(`${path}: `, '')}; it is left out`,
        rows: null,
      });
    }
  }
  if (shards.length === 0)
    throw new VerbatimError(
      `${spec.path}: ${problems[0] === undefined ? 'holds no table (.csv, .tsv, .jsonl, .parquet)' : `none of its tables can be read (${problems[0].what})`}.`,
    );
  return datasetOf<Shard>({
    format: 'captions',
    path: spec.path,
    options: [spec.captionColumn],
    shards,
    problems,
    async *rows({ table }, from, to, first): AsyncGenerator<StoredRow> {
      let row = first + from;
      for await (const caption of table.captions(from, to)) yield { key: rowKey(row++), caption };
    },
    encoded: undefined,
    where: ({ stored }, row) => `${stored.path}, row ${row}`,
    find: async (key) => locateRow(shards, rowOfKey(key)),
    copy: ({ table, file }, mask, output) => table.copy(mask, at(output, file)),
    close: async () => {},
  });
}

/** Whether a table has a caption column; also when it cannot be read, to say so. */
async function hasCaptions(path: string): Promise<boolean> {
  const ending = extname(path).toLowerCase();
  const names = async () => {
    if (ending === '.parquet') return (await parquetShape(path)).columns.map(({ name }) => name);
    if (ending === '.csv' || ending === '.tsv') return (await csvDialect(path)).columns;
    for await (const { text } of linesOf(path)) {
      const row = jsonObject(text);
      if (row !== undefined) return Object.keys(row);
    }
    return [];
  };
  return captionColumnOf(await names().catch(() => ['text']), undefined) !== undefined;
}

async function detect(look: Look): Promise<boolean> {
  if (look.isFile) return isTable(look.path) && hasCaptions(look.path);
  for (const file of await look.files())
    if (isTable(file) && (await hasCaptions(join(look.path, file)))) return true;
  return false;
}

export const captionsFormat: DatasetFormat<typeof schema> = {
  name: 'captions',
  schema,
  detect,
  open: openCaptions,
};
