import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { messageOf, VerbatimError } from '../errors.ts';

let instance: Promise<DuckDBInstance> | undefined;
let opened: Promise<DuckDBConnection> | undefined;

/**
 * The process's one in-memory DuckDB. One thread: sums of floats and the order of rows are then the same
 * on every machine. Extensions are neither fetched nor loaded: nothing here touches the network.
 */
export function connection(): Promise<DuckDBConnection> {
  opened ??= connect();
  return opened;
}

async function connect(): Promise<DuckDBConnection> {
  instance ??= create();
  return (await instance).connect();
}

async function create(): Promise<DuckDBInstance> {
  // Loaded on first use: the command line must start quickly.
  const { DuckDBInstance } = await import('@duckdb/node-api');
  return DuckDBInstance.create(':memory:', {
    threads: '1',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    // An in-memory database would spill to the current folder.
    temp_directory: '',
  });
}

/** A SQL string literal. */
export function textLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A SQL identifier in quotes. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * The SQL expression that reads Parquet files as one table, in the order given. Paths are taken
 * literally: brackets and stars in a folder's name are not patterns.
 *
 * @example await sql(`SELECT count(*) AS n FROM ${fromParquet(files)}`)
 */
export function fromParquet(paths: readonly string[]): string {
  const literals = paths.map((path) => textLiteral(path.replace(/[*?[]/g, '[$&]')));
  return `read_parquet([${literals.join(', ')}])`;
}

/** What `sql` returns in a field. 64-bit and wider integers come as numbers where they are exact, else as bigint. */
export type SqlValue = string | number | bigint | boolean | null | readonly SqlValue[];

/**
 * Runs one SQL query (DuckDB's dialect) and returns its rows by column name.
 *
 * The type parameter is the caller's promise of what the query selects; it is not checked.
 * @throws VerbatimError with DuckDB's first line when the query fails.
 */
export async function sql<T = Record<string, SqlValue>>(query: string): Promise<T[]> {
  const db = await connection();
  try {
    const reader = await db.runAndReadAll(query);
    return reader.getRowObjectsJS().map((row) => plainRow<T>(row));
  } catch (error) {
    throw new VerbatimError(`DuckDB: ${firstLine(error)}`, { cause: error });
  }
}

/**
 * As `sql`, a few thousand rows at a time: what is in memory does not grow with the answer. On a connection of its
 * own, because another query would end the answer of this one.
 */
export async function* sqlStream<T = Record<string, SqlValue>>(query: string): AsyncGenerator<T[]> {
  const db = await connect();
  try {
    const result = await db.stream(query);
    for await (const rows of result.yieldRowObjectJs()) yield rows.map((row) => plainRow<T>(row));
  } catch (error) {
    throw new VerbatimError(`DuckDB: ${firstLine(error)}`, { cause: error });
  } finally {
    db.closeSync();
  }
}

function plainRow<T>(row: Readonly<Record<string, unknown>>): T {
  const plain: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(row)) plain[name] = plainValue(value);
  return plain as T;
}

function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(plainValue);
  return value;
}

/** DuckDB's messages quote the query below their first line; that line says it all. */
export function firstLine(error: unknown): string {
  return messageOf(error).split('\n', 1)[0]!;
}
