import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '../../datasets/index.ts';
import { VerbatimError } from '../../errors.ts';
import {
  type DedupDescription,
  type DedupSummary,
  type DuplicatedRow,
  type Piece,
  piecePath,
  piecesOf,
  type ResolvedDedupConfig,
  type RunFolder,
  readRun,
  runFolder,
} from '../../stages/index.ts';
import { fromParquet, readJsonObject, sql } from '../../tables/index.ts';
import { readShownFamilies, type ShownFamily } from './family-data.ts';
import { readShownGroups, type ShownGroup } from './group-data.ts';
import { readShownParts, type ShownWhole } from './part-data.ts';
import { captionColumn } from './text.ts';

/** Rows that could not be read, by what went wrong. */
export interface FailedRows {
  readonly reason: string;
  readonly rows: number;
  /** The key of one of them. */
  readonly key: string;
}

/** All that the page shows: a bounded part of the folder, whatever the size of the dataset. */
export interface DedupPageData {
  readonly run: DedupDescription;
  readonly config: ResolvedDedupConfig;
  readonly summary: DedupSummary;
  readonly hasPictures: boolean;
  /** Whether any item of a group has a caption. */
  readonly captioned: boolean;
  /** The largest first. */
  readonly groups: readonly ShownGroup[];
  readonly wholes: readonly ShownWhole[];
  readonly families: readonly ShownFamily[];
  readonly candidates: readonly ShownCandidate[];
  /** The most frequent reasons first. */
  readonly failures: readonly FailedRows[];
}

/** A row of candidates.parquet and its place in it, from 1. */
export type ShownCandidate = Omit<DuplicatedRow, 'key' | 'dataset_index'>;

/** Captions of one group that are listed. */
export const captionsOfGroup = 3;
/** How much of each table the page shows. */
const limits = { groups: 20, wholes: 12, families: 12, candidates: 50, failures: 20 } as const;

/** What the report needs of a dataset: pictures, and where the items of each shard stand now. */
export type ReportedDataset = Pick<Dataset, 'picture' | 'hasPictures' | 'shards'>;

/**
 * Reads what the page of a dedup folder shows, by queries with limits.
 *
 * @throws VerbatimError when the folder is none, or its results are not there yet
 */
export async function readDedupData(path: string, dataset: ReportedDataset): Promise<DedupPageData> {
  const folder = runFolder(path);
  const run = (await readRun(path)) as DedupDescription;
  if (run.command !== 'dedup')
    throw new VerbatimError(`${path} is the folder of "verbatim ${run.command}", not of "verbatim dedup"`, {
      exitCode: 2,
    });
  const hint = `run "verbatim dedup" on the dataset again, it goes on`;
  const summary = (await readJsonObject(join(path, 'summary.json'), hint)) as unknown as DedupSummary;
  const config = run.config as unknown as ResolvedDedupConfig;
  const groups = await tableOf(path, 'groups.parquet', hint);
  const pieces = piecesOf({ description: run }, dataset, config.shardSize).filter(
    ({ from }) => from !== undefined,
  );
  return {
    run,
    config,
    summary,
    hasPictures: dataset.hasPictures,
    captioned: summary.groups > 0 && (await isCaptioned(groups)),
    groups: await readShownGroups(groups, limits.groups),
    wholes: summary.parts > 0 ? await readShownParts(folder, pieces, limits.wholes) : [],
    families:
      summary.families !== null && summary.families > 0
        ? await readShownFamilies(await tableOf(path, 'families.parquet', hint), limits.families)
        : [],
    candidates: await readCandidates(await tableOf(path, 'candidates.parquet', hint)),
    failures: summary.failed > 0 ? await readFailures(folder, pieces) : [],
  };
}

/** A table in the folder, as SQL reads it. */
async function tableOf(path: string, name: string, hint: string): Promise<string> {
  const file = join(path, name);
  await access(file).catch((cause: unknown) => {
    throw new VerbatimError(`${file}: no such file; ${hint}`, { cause });
  });
  return fromParquet([file]);
}

async function isCaptioned(groups: string): Promise<boolean> {
  return (await sql(`SELECT 1 AS found FROM ${groups} WHERE trim(caption) <> '' LIMIT 1`)).length > 0;
}

/** In the order of the table; a group with a caption for each of its items would be all that is seen. */
function readCandidates(table: string): Promise<ShownCandidate[]> {
  return sql(`
    SELECT rank, ${captionColumn}, copies, caption_copies, "group", modality
    FROM ${table}
    QUALIFY "group" IS NULL OR row_number() OVER (PARTITION BY "group" ORDER BY rank) <= ${captionsOfGroup}
    ORDER BY rank LIMIT ${limits.candidates}`);
}

/** Reasons without the row that each names, so that the same one counts once. */
async function readFailures(folder: RunFolder, pieces: readonly Piece[]): Promise<FailedRows[]> {
  const files = pieces.map((piece) => piecePath(folder, 'items', piece));
  if (files.length === 0) return [];
  return sql<FailedRows>(`
    SELECT regexp_replace(replace(left(error, 500), key, '…'), '^row \\d+( \\(…\\))?: |(\\brow )\\d+', '\\2') AS reason,
      count(*) AS rows, arg_min(left(key, 500), item) AS key
    FROM ${fromParquet(files)} WHERE error IS NOT NULL
    GROUP BY reason ORDER BY rows DESC, reason LIMIT ${limits.failures}`);
}
