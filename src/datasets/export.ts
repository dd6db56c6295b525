import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../errors.ts';
import { encodePng, type Picture } from '../images/index.ts';
import {
  column,
  isFile,
  nullable,
  type Row,
  readTextIfThere,
  sha256,
  writeFileAtomic,
  writeJsonAtomic,
  writeTable,
} from '../tables/index.ts';
import { type TarFile, writeTar } from './storage/tar-write.ts';

/** A picture with its caption, to be written. */
export interface ExportedRow {
  readonly caption: string;
  picture(): Promise<Picture>;
}

export interface ExportOptions {
  /** Rows of a shard, 10,000 at most as in img2dataset. */
  readonly shardRows?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

const tableColumns = {
  caption: column('VARCHAR'),
  url: nullable('VARCHAR'),
  key: column('VARCHAR'),
  status: column('VARCHAR'),
  error_message: nullable('VARCHAR'),
  width: column('INTEGER'),
  height: column('INTEGER'),
  sha256: column('VARCHAR'),
} as const;

/**
 * Writes pictures as img2dataset would have downloaded them: 00000.tar with 000000000.png, .txt and .json, 00000.parquet, and
 * 00000_stats.json last, which says that the shard is whole. Shards that are whole are left, so a killed export goes on.
 *
 * @param source names what the rows are; it is kept in the folder, which takes no others.
 * @throws VerbatimError (exit code 2) when the folder holds something else
 */
export async function writeImg2dataset(
  output: string,
  source: string,
  rows: readonly ExportedRow[],
  { shardRows = 10_000, signal, onProgress }: ExportOptions = {},
): Promise<void> {
  await claim(output, sha256(JSON.stringify([source, shardRows, rows.map(({ caption }) => caption)])));
  for (let shard = 0; shard * shardRows < rows.length; shard++) {
    const from = shard * shardRows;
    const part = rows.slice(from, from + shardRows);
    const name = String(shard).padStart(5, '0');
    const stats = join(output, `${name}_stats.json`);
    if (!(await isFile(stats))) {
      const table: Row<typeof tableColumns>[] = [];
      async function* files(): AsyncGenerator<TarFile> {
        for (const [at, { caption, picture }] of part.entries()) {
          signal?.throwIfAborted();
          const key = `${name}${String(at).padStart(4, '0')}`;
          const drawn = await picture();
          const bytes = await encodePng(drawn);
          const { width, height } = drawn;
          const row = {
            caption,
            url: null,
            key,
            status: 'success',
            error_message: null,
            width,
            height,
            sha256: sha256(bytes),
          };
          table.push(row);
          yield { name: `${key}.png`, bytes };
          yield { name: `${key}.txt`, bytes: Buffer.from(caption) };
          yield { name: `${key}.json`, bytes: Buffer.from(JSON.stringify(row)) };
          onProgress?.(from + at + 1, rows.length);
        }
      }
      await writeTar(join(output, `${name}.tar`), files());
      await writeTable(join(output, `${name}.parquet`), tableColumns, table);
      const count = part.length;
      await writeJsonAtomic(stats, {
        count,
        successes: count,
        failed_to_download: 0,
        failed_to_resize: 0,
        status_dict: { success: count },
      });
    }
    onProgress?.(from + part.length, rows.length);
  }
}

/** Hidden, so that neither img2dataset nor a reader of its folders takes it for a part. */
const sourceFile = '.verbatim-export';

async function claim(output: string, digest: string): Promise<void> {
  const there = await readTextIfThere(join(output, sourceFile));
  // Hidden ones may be what a kill has left of that file.
  const names = await readdir(output).catch(() => [] as string[]);
  const isEmpty = names.every((name) => name.startsWith('.'));
  if (there === undefined ? !isEmpty : there !== digest)
    throw new VerbatimError(`${output}: holds something else already; name a new folder.`, { exitCode: 2 });
  await writeFileAtomic(join(output, sourceFile), digest);
}
