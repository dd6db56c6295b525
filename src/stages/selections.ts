import { join } from 'node:path';
import { fromParquet, readTable, sql, textLiteral } from '../tables/index.ts';
import type { Round } from './budget.ts';
import { type CandidateRow, type SelectionRow, selectionColumns } from './columns.ts';
import type { StageInput } from './flow.ts';
import { runTable } from './run-folder.ts';
import { runStage, shardName } from './stage.ts';

/**
 * The highest scores of an attack among the tables of scores, best first; equal scores in the order of
 * their keys. Failed scores are never selected.
 *
 * @param among only these keys; all when undefined.
 */
export async function topScores(
  files: readonly string[],
  attack: string,
  limit: number,
  among?: readonly string[],
): Promise<{ key: string; score: number }[]> {
  if (files.length === 0) return [];
  const allowed = among === undefined ? undefined : new Set(among);
  const rows = await sql<{ key: string; score: number }>(
    `SELECT key, score FROM ${fromParquet(files)}
     WHERE attack = ${textLiteral(attack)} AND score IS NOT NULL
     ORDER BY score DESC, key
     ${allowed === undefined ? `LIMIT ${limit}` : ''}`,
  );
  return (allowed === undefined ? rows : rows.filter(({ key }) => allowed.has(key))).slice(0, limit);
}

/** A step's ranking, and how many it keeps. */
export interface Keep {
  /** From 1. */
  readonly number: number;
  /** The attack whose scores decide. */
  readonly label: string;
  readonly keep: number;
  /** How many it has kept in the rounds before. */
  readonly kept: number;
  readonly round: Round;
}

/** What a step keeps of the captions that it scored: tables/selections/N, a shard per round. Returns them, the best first. */
export async function keepTop(
  input: StageInput,
  { number, label, keep, kept, round }: Keep,
  scored: readonly CandidateRow[],
): Promise<CandidateRow[]> {
  return writeSelection(input, { number, label, kept, round }, scored, async () => {
    // Its own table holds what it scored and nothing else; without one its attack was scored by the first step.
    const own = await runTable(input.folder, `scores/${number}`);
    if (own.length > 0 && round.count === 1) return topScores(own, label, keep);
    const among = scored.map(({ key }) => key);
    return topScores(own.length > 0 ? own : await runTable(input.folder, 'scores/1'), label, keep, among);
  });
}

/** Writes tables/selections/N, unless it is there: what `choose` gives, the best first. Returns those captions. */
export async function writeSelection(
  { folder, signal, onProgress }: StageInput,
  { number, label, kept, round }: Omit<Keep, 'keep'>,
  entered: readonly CandidateRow[],
  choose: () => Promise<readonly { readonly key: string; readonly score: number }[]>,
): Promise<CandidateRow[]> {
  const name = `selections/${number}`;
  await runStage({
    folder,
    name,
    columns: selectionColumns,
    shards: [undefined],
    firstShard: round.index,
    items: () => 1,
    signal,
    onProgress,
    process: async () =>
      (await choose()).map(
        ({ key, score }, i): SelectionRow => ({
          step: number,
          attack: label,
          rank: kept + i + 1,
          key,
          score,
        }),
      ),
  });
  const byKey = new Map(entered.map((row) => [row.key, row]));
  const rows = await readTable(join(folder.tables, name, shardName(round.index)), selectionColumns);
  return rows.flatMap(({ key }) => byKey.get(key) ?? []);
}
