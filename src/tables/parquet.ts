import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api';
import { VerbatimError } from '../errors.ts';
import { atomically, atomicallyNew } from './atomic.ts';
import type { Column, Columns, Row } from './columns.ts';
import { connection, firstLine, fromParquet, identifier, textLiteral } from './database.ts';

/** Rows per Parquet row group, fixed because it decides the bytes. */
const rowGroupSize = 16_384;
let tableCount = 0;

/**
 * Writes rows, in the order given, as one Parquet file, whole or not at all (see `atomically`).
 *
 * The bytes depend on columns, rows and DuckDB's version alone: one thread, zstd, a fixed row group, and
 * no clock, host or path in the file. Rows are held in memory once more while they are written, so a
 * large table is cut into shards by the caller.
 *
 * @throws VerbatimError naming the file, row and column when a value does not fit its column, or when
 *   the disk is full.
 */
export async function writeTable<C extends Columns>(
  path: string,
  columns: C,
  rows: Iterable<Row<C>>,
): Promise<void> {
  await withRows(path, columns, rows, (copy) => atomically(path, copy));
}

/** As `writeTable`, but never in the place of another file: false where there is one already. */
export async function writeNewTable<C extends Columns>(
  path: string,
  columns: C,
  rows: Iterable<Row<C>>,
): Promise<boolean> {
  return withRows(path, columns, rows, (copy) => atomicallyNew(path, copy));
}

/** Holds the rows as a table of the database while `use` copies it to a file. */
async function withRows<C extends Columns, T>(
  path: string,
  columns: C,
  rows: Iterable<Row<C>>,
  use: (copy: (temporary: string) => Promise<void>) => Promise<T>,
): Promise<T> {
  const entries = Object.entries(columns);
  if (entries.length === 0) throw new RangeError('a table needs at least one column');
  const db = await connection();
  tableCount += 1;
  const table = `shard_${tableCount}`;
  const fields = entries.map(
    ([name, { type, nullable }]) => `${identifier(name)} ${type}${nullable ? '' : ' NOT NULL'}`,
  );
  await db.run(`CREATE TABLE ${table} (${fields.join(', ')})`);
  try {
    await appendRows(db, table, path, entries, rows);
    return await use(async (temporary) => {
      await db.run(
        `COPY ${table} TO ${textLiteral(temporary)}
           (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${rowGroupSize})`,
      );
    });
  } finally {
    await db.run(`DROP TABLE ${table}`);
  }
}

async function appendRows<C extends Columns>(
  db: DuckDBConnection,
  table: string,
  path: string,
  columns: readonly [string, Column][],
  rows: Iterable<Row<C>>,
): Promise<void> {
  const appender = await db.createAppender(table);
  try {
    let index = 0;
    for (const row of rows) {
      for (const [name, definition] of columns) {
        const value = row[name as keyof C] as unknown;
        const problem = append(appender, definition, value);
        if (problem !== undefined)
          throw new VerbatimError(`cannot write ${path}: row ${index}, column ${name}: ${problem}`);
      }
      appender.endRow();
      index += 1;
    }
  } catch (error) {
    appender.clear();
    appender.closeSync();
    throw error;
  }
  appender.closeSync();
}

/** Appends one value, or says why it does not fit. */
function append(appender: DuckDBAppender, column: Column, value: unknown): string | undefined {
  if (value === null) {
    if (!column.nullable) return `null in a column that allows none`;
    appender.appendNull();
    return undefined;
  }
  switch (column.type) {
    case 'VARCHAR':
      if (typeof value !== 'string') return expected('text', value);
      appender.appendVarchar(value);
      return undefined;
    case 'DOUBLE':
      if (typeof value !== 'number' || Number.isNaN(value)) return expected('a number', value);
      appender.appendDouble(value);
      return undefined;
    case 'INTEGER':
      if (typeof value !== 'number' || (value | 0) !== value) return expected('a 32-bit integer', value);
      appender.appendInteger(value);
      return undefined;
    case 'BIGINT':
      if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value)
        return expected('a 64-bit integer (bigint)', value);
      appender.appendBigInt(value);
      return undefined;
    case 'BOOLEAN':
      if (typeof value !== 'boolean') return expected('true or false', value);
      appender.appendBoolean(value);
      return undefined;
  }
}

function expected(what: string, value: unknown): string {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);
  return `expected ${what}, got ${shown} (${typeof value})`;
}

/**
 * Writes the rows of several Parquet files of one layout as one, in the order of some columns; whole or not at all. Equal rows
 * by those columns stay in the order of the files.
 */
export async function copyTables(
  paths: readonly string[],
  output: string,
  orderBy: readonly string[],
): Promise<void> {
  const db = await connection();
  await atomically(output, async (temporary) => {
    await db.run(
      `COPY (SELECT * FROM ${fromParquet(paths)} ORDER BY ${orderBy.map(identifier).join(', ')})
         TO ${textLiteral(temporary)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${rowGroupSize})`,
    );
  });
}

/**
 * The Parquet files of a table: every `.parquet` below `folder`, sorted by path, none when the folder
 * does not exist. Absolute or relative as `folder` is.
 */
export async function tableFiles(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && entry.name.endsWith('.parquet') && !entry.name.startsWith('.'))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/**
 * Reads one file, or several in order, into typed rows. Columns that the definition does not name are
 * left out; the caller bounds memory by reading shard after shard.
 *
 * @throws VerbatimError naming the file when it is missing, cut short or corrupt, or when a column is
 *   missing or of another type.
 */
export async function readTable<C extends Columns>(
  paths: string | readonly string[],
  columns: C,
): Promise<Row<C>[]> {
  const all: Row<C>[] = [];
  for (const path of typeof paths === 'string' ? [paths] : paths) {
    for (const row of await readShard(path, columns)) all.push(row);
  }
  return all;
}

async function readShard<C extends Columns>(path: string, columns: C): Promise<Row<C>[]> {
  const db = await connection();
  const source = fromParquet([path]);
  const names = Object.keys(columns);
  try {
    const described = await db.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`);
    const types = new Map(
      described.getRowObjectsJS().map((row) => [String(row['column_name']), String(row['column_type'])]),
    );
    for (const [name, { type }] of Object.entries(columns)) {
      if (types.get(name) === type) continue;
      const found = types.has(name) ? `is ${types.get(name)}` : 'is missing';
      throw new VerbatimError(
        `${path}: column ${name} ${found}, expected ${type}; the file is not the table that belongs there`,
      );
    }
    const reader = await db.runAndReadAll(`SELECT ${names.map(identifier).join(', ')} FROM ${source}`);
    return reader.getRowObjectsJS() as Row<C>[];
  } catch (error) {
    if (error instanceof VerbatimError) throw error;
    const reason = firstLine(error);
    throw new VerbatimError(
      /No files found/.test(reason)
        ? `${path}: no such file; run the stage that makes it first`
        : `${path}: not a readable Parquet file (${reason}); delete it and give the command that made it once more (of a run: verbatim audit RUN)`,
      { cause: error },
    );
  }
}
