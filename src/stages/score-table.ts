import { basename, join } from 'node:path';
import { createSubject } from '../attacks/index.ts';
import type { Pipeline } from '../diffusion/index.ts';
import { VerbatimError } from '../errors.ts';
import { spearman } from '../math/index.ts';
import type { NoiseSource } from '../noise/index.ts';
import type { Meter } from '../runtime/index.ts';
import { atomically, fileDigest, fromParquet, identifier, sql, textLiteral } from '../tables/index.ts';
import type { NamedAttack } from './attack-list.ts';
import { type CandidateRow, scoreColumns } from './columns.ts';
import { openRun, type RunDescription, runTable } from './run-folder.ts';
import { scoreShard } from './scores.ts';
import { runStage, type StageProgress } from './stage.ts';

export interface ScoreTableOptions {
  /** A Parquet file with a column `caption`, as Webster 2023 publishes its captions. */
  readonly file: string;
  readonly attacks: readonly NamedAttack[];
  /** Which noise a seed stands for. */
  readonly noise: NoiseSource;
  readonly pipeline: Pipeline;
  readonly meter: Pick<Meter, 'evaluations'>;
  readonly output: string;
  /** A column of the table whose ranking the scores are compared with. */
  readonly compare?: string | undefined;
  readonly batch: number;
  readonly shardSize: number;
  readonly verbatim: string;
  readonly versions: RunDescription['versions'];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StageProgress) => void;
}

export interface ScoredTable {
  /** The copy of the table with the scores. */
  readonly path: string;
  readonly rows: number;
  readonly failed: number;
  readonly added: readonly {
    readonly attack: string;
    readonly column: string;
    readonly spearman: number | null;
    /** Rows where both the score and the compared column have a number; 0 without one to compare with. */
    readonly compared: number;
  }[];
}

/** What the reference calls the column that it adds. */
const referenceColumn = 'scores';

/**
 * Scores the captions of a published table and writes a copy of it with all its columns and one more per attack: `scores`,
 * as the reference calls its own, for one attack where that name is free, else the attack's name. A caption that could not
 * be scored has null there. Tables/scores keeps why. A killed run goes on from its shards.
 *
 * @throws VerbatimError (exit code 2) when the file is no such table, a column is not there or is there already
 */
export async function scoreTable(options: ScoreTableOptions): Promise<ScoredTable> {
  const { file, attacks, pipeline, meter, compare, signal } = options;
  const columns = await columnsOf(file);
  const added = attacks.map(({ label }) => ({
    attack: label,
    column: columnFor(label, attacks.length, columns),
  }));
  for (const { column } of added)
    if (columns.has(column))
      throw wrong(
        `${file}: has a column ${column} already; name the attack otherwise: --attack "{attack: …, as: …}"`,
      );
  if (compare !== undefined && !columns.has(compare))
    throw wrong(
      `${file}: has no column ${compare} to compare with; it has ${[...columns.keys()].join(', ')}`,
    );
  const type = compare === undefined ? undefined : columns.get(compare);
  if (type !== undefined && !numeric.test(type))
    throw wrong(
      `${file}: column ${compare} is ${type}, not numbers to compare with; those are ${numbersOf(columns)}`,
    );
  const [{ size }] = (await sql<{ size: number }>(`SELECT count(*) AS size FROM ${fromParquet([file])}`)) as [
    { size: number },
  ];
  const { folder, release } = await openRun(options.output, {
    command: 'score',
    verbatim: options.verbatim,
    versions: options.versions,
    model: { name: pipeline.name, digest: pipeline.digest },
    dataset: { name: basename(file), digest: await fileDigest(file), size },
    heldOut: null,
    config: JSON.parse(
      JSON.stringify({
        attacks: attacks.map(({ label, attack }) => ({
          attack: attack.name,
          as: label,
          options: attack.options,
        })),
        noise: options.noise,
        batch: options.batch,
        shardSize: options.shardSize,
      }),
    ) as RunDescription['config'],
  });
  try {
    const subject = createSubject(pipeline, { noise: options.noise });
    await runStage({
      folder,
      name: 'scores',
      columns: scoreColumns,
      shards: Array.from({ length: Math.ceil(size / options.shardSize) }, (_, i) => i * options.shardSize),
      items: (from) => Math.min(size, from + options.shardSize) - from,
      meter,
      signal,
      onProgress: options.onProgress,
      process: async (from, context) =>
        scoreShard(subject, await captionsOf(file, from, from + options.shardSize), attacks, {
          batch: options.batch,
          context,
          endsRun: true,
        }),
    });
    const path = join(folder.path, basename(file));
    const files = await runTable(folder, 'scores');
    await writeCopy(path, file, files, added);
    const compared = await Promise.all(
      added.map(async (one) => ({ ...one, ...(await agreement(path, one.column, compare)) })),
    );
    const [{ failed }] = (await sql<{ failed: number }>(
      `SELECT count(*) AS failed FROM ${fromParquet(files)} WHERE error IS NOT NULL`,
    )) as [{ failed: number }];
    return { path, rows: size, failed, added: compared };
  } finally {
    await release();
  }
}

const wrong = (message: string, cause?: unknown) => new VerbatimError(message, { exitCode: 2, cause });

/** Names and types. @throws VerbatimError (exit code 2) */
async function columnsOf(file: string): Promise<Map<string, string>> {
  const rows = await sql<{ column_name: string; column_type: string }>(
    `DESCRIBE SELECT * FROM ${fromParquet([file])}`,
  ).catch((cause: unknown) => {
    throw wrong(`${file}: no such file, or not a Parquet file that can be read`, cause);
  });
  const columns = new Map(rows.map(({ column_name, column_type }) => [column_name, column_type]));
  if (columns.get('caption') !== 'VARCHAR')
    throw wrong(`${file}: has no column caption of texts; it has ${[...columns.keys()].join(', ')}`);
  return columns;
}

/** DuckDB's types whose values have an order as numbers. */
const numeric = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(.*\)|BOOLEAN)$/;

function numbersOf(columns: ReadonlyMap<string, string>): string {
  const names = [...columns].filter(([, type]) => numeric.test(type)).map(([name]) => name);
  return names.length === 0 ? 'none' : names.join(', ');
}

function columnFor(label: string, attacks: number, columns: ReadonlyMap<string, string>): string {
  return attacks === 1 && !columns.has(referenceColumn) ? referenceColumn : label;
}

/** The captions of some rows, keyed by row number; rows without one are left out. */
async function captionsOf(file: string, from: number, to: number): Promise<CandidateRow[]> {
  const rows = await sql<{ place: number; caption: string }>(
    `SELECT file_row_number AS place, caption FROM ${numbered(file)}
     WHERE place >= ${from} AND place < ${to} AND caption IS NOT NULL ORDER BY place`,
  );
  return rows.map(({ place, caption }) => ({
    key: String(place),
    caption,
    dataset_index: null,
    copies: null,
    role: null,
    error: null,
  }));
}

function numbered(file: string): string {
  return fromParquet([file]).replace(/\)$/, ', file_row_number = true)');
}

async function writeCopy(
  path: string,
  file: string,
  scores: readonly string[],
  added: ScoredTable['added'] | readonly { readonly attack: string; readonly column: string }[],
): Promise<void> {
  const columns = added.map(({ column }, i) => `s${i}.score AS ${identifier(column)}`);
  const joins = added.map(
    ({ attack }, i) =>
      `LEFT JOIN (SELECT CAST(key AS BIGINT) AS place, score FROM ${fromParquet(scores)} WHERE attack = ${textLiteral(attack)}) s${i}
       ON s${i}.place = t.file_row_number`,
  );
  await atomically(path, async (temporary) => {
    await sql(
      `COPY (SELECT t.* EXCLUDE (file_row_number), ${columns.join(', ')} FROM ${numbered(file)} t ${joins.join(' ')}
         ORDER BY t.file_row_number) TO ${textLiteral(temporary)} (FORMAT parquet, COMPRESSION zstd)`,
    );
  });
}

async function agreement(path: string, column: string, compare: string | undefined) {
  if (compare === undefined) return { spearman: null, compared: 0 };
  const [ours, theirs] = [identifier(column), identifier(compare)];
  const pairs = await sql<{ ours: number; theirs: number }>(
    `SELECT ${ours} AS ours, TRY_CAST(${theirs} AS DOUBLE) AS theirs FROM ${fromParquet([path])}
     WHERE ours IS NOT NULL AND theirs IS NOT NULL AND NOT isnan(theirs)`,
  );
  const value = spearman(
    pairs.map((pair) => pair.ours),
    pairs.map((pair) => pair.theirs),
  );
  return { spearman: Number.isNaN(value) ? null : value, compared: pairs.length };
}
