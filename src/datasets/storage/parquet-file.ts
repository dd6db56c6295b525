import { VerbatimError } from '../../errors.ts';
import { atomically, fromParquet, identifier, sql, textLiteral } from '../../tables/index.ts';
import { createRecent, requireUnchanged, type StoredFile } from './files.ts';

export interface ParquetColumn {
  readonly name: string;
  /** DuckDB's name of the type. */
  readonly type: string;
}

export interface ParquetShape {
  readonly columns: readonly ParquetColumn[];
  readonly rows: number;
}

/** @throws VerbatimError naming the file when it is no Parquet file, or is cut short */
export async function parquetShape(path: string): Promise<ParquetShape> {
  try {
    const columns = await sql<{ column_name: string; column_type: string }>(
      `DESCRIBE SELECT * FROM ${fromParquet([path])}`,
    );
    const [counted] = await sql<{ n: number }>(`SELECT count(*) AS n FROM ${fromParquet([path])}`);
    return {
      columns: columns.map(({ column_name, column_type }) => ({ name: column_name, type: column_type })),
      rows: counted!.n,
    };
  } catch (cause) {
    throw new VerbatimError(`${path}: not a readable Parquet file (${(cause as Error).message})`, { cause });
  }
}

/** Rows [from, to) of a Parquet file: `select` is SQL over its columns. */
export async function parquetRows<T>(
  file: StoredFile,
  select: string,
  from: number,
  to: number,
): Promise<T[]> {
  await requireUnchanged(file);
  // By their number, not by OFFSET: row groups that hold none of them are stepped over.
  return sql<T>(
    `SELECT ${select} FROM ${fromParquet([file.path])} WHERE file_row_number BETWEEN ${from} AND ${to - 1}`,
  );
}

/** Captions and their like are fetched this many rows at a time. */
export const listedTogether = 4096;

/** Rows [from, to) as `parquetRows`, in stretches. */
export async function* parquetStretches<T>(
  file: StoredFile,
  select: string,
  from: number,
  to: number,
): AsyncGenerator<T> {
  for (let at = from; at < to; at += listedTogether)
    yield* await parquetRows<T>(file, select, at, Math.min(to, at + listedTogether));
}

/** Encoded pictures are fetched in blocks of about `blockBytes`, and blocks of `keptBytes` together are kept. A lookup
 * costs some 10 ms whatever its size, so pictures of a few hundred bytes must not be fetched one by one. */
const blockBytes = 2 * 2 ** 20;
const keptBytes = 64 * 2 ** 20;
const mostBlockRows = 1024;

/** One value per row of several files (encoded pictures), looked up in blocks. */
export function blockReader<T>(
  files: readonly { readonly file: StoredFile; readonly rows: number; readonly select: string }[],
) {
  const bytes = files.reduce((sum, { file }) => sum + file.sizeBytes, 0);
  const rows = files.reduce((sum, { rows }) => sum + rows, 0);
  const pictureBytes = Math.max(1, bytes / Math.max(1, rows));
  const blockRows = Math.max(1, Math.min(mostBlockRows, Math.floor(blockBytes / pictureBytes)));
  const blocksKept = Math.max(8, Math.floor(keptBytes / (blockRows * pictureBytes)));
  const recent = createRecent(blocksKept, async (id: string) => {
    const [shard, number] = id.split(':').map(Number) as [number, number];
    const { file, rows, select } = files[shard]!;
    return parquetRows<T>(file, select, number * blockRows, Math.min(rows, (number + 1) * blockRows));
  });
  return {
    async get(shard: number, row: number): Promise<T | undefined> {
      await requireUnchanged(files[shard]!.file);
      return (await recent.get(`${shard}:${Math.floor(row / blockRows)}`))[row % blockRows];
    },
    clear: recent.clear,
  };
}

/** SQL that is true for the rows whose value in `mask` is not 0. */
export function maskedBy(mask: Uint8Array, rowNumber: string): string {
  if (mask.length === 0) return 'false';
  const bits = Buffer.alloc(mask.length, '0');
  for (let row = 0; row < mask.length; row++) if (mask[row] !== 0) bits[row] = 0x31;
  return `get_bit('${bits.toString('latin1')}'::BIT, CAST(${rowNumber} AS INTEGER)) = 1`;
}

/**
 * Writes the rows that `mask` chooses, with all their columns, as another Parquet file, whole or not at all. Of the
 * metadata only what Hugging Face keeps there goes along: it says which column is a picture.
 */
export async function filterParquet(file: StoredFile, mask: Uint8Array, output: string): Promise<void> {
  await requireUnchanged(file);
  const [kept] = await sql<{ value: string }>(
    `SELECT decode(value) AS value FROM parquet_kv_metadata(${textLiteral(file.path.replace(/[*?[]/g, '[$&]'))}) WHERE decode(key) = 'huggingface'`,
  );
  const metadata = kept ? `, KV_METADATA {huggingface: ${textLiteral(kept.value)}}` : '';
  await atomically(output, async (temporary) => {
    await sql(
      `COPY (SELECT * FROM ${fromParquet([file.path])} WHERE ${maskedBy(mask, 'file_row_number')}) TO ${textLiteral(temporary)} (FORMAT parquet, COMPRESSION zstd${metadata})`,
    );
  });
  await requireUnchanged(file);
}

/** A column's text in SQL. */
export const asText = (name: string): string => `CAST(${identifier(name)} AS VARCHAR)`;

/** Columns that hold captions, in the order in which they are looked for. */
export const captionColumns = ['text', 'caption', 'prompt'] as const;

/** The caption column among `names`: the one asked for, or text, caption or prompt in any case; undefined where there is none. */
export function captionColumnOf(names: readonly string[], wanted: string | undefined): string | undefined {
  if (wanted !== undefined) return names.find((name) => name === wanted);
  for (const known of captionColumns) {
    const found = names.find((name) => name === known) ?? names.find((name) => name.toLowerCase() === known);
    if (found !== undefined) return found;
  }
  return undefined;
}

export const quotedNames = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ');
