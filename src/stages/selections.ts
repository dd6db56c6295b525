import { fromParquet, readTable, sql, textLiteral } from '../tables/index.ts';
import { attackList } from './attack-list.ts';
import { type CandidateRow, candidateColumns, type SelectionRow, selectionColumns } from './columns.ts';
import type { StageInput } from './flow.ts';
import { type RunFolder, runTable } from './run-folder.ts';
import { runStage } from './stage.ts';

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

/**
 * What the first attack keeps: tables/selections/first. Returns the captions, best first. Without an attack all
 * candidates are kept, in their order, and there is no such table.
 */
export async function runFirstSelection(input: StageInput): Promise<CandidateRow[]> {
  const { first, second } = attackList(input.config.attacks);
  const { select } = input.config;
  if (first === undefined) return scorable(input.folder);
  // Without a second attack the first one decides what is synthesized.
  const limit = second === undefined ? Math.min(select.first, select.second) : select.first;
  return keepTop(input, 'first', first.label, limit);
}

/** What is synthesized: tables/selections/second. Without a second attack, what the first one kept. */
export async function runSecondSelection(
  input: StageInput,
  kept: readonly CandidateRow[],
): Promise<readonly CandidateRow[]> {
  const { second } = attackList(input.config.attacks);
  if (second === undefined) return kept;
  return keepTop(
    input,
    'second',
    second.label,
    input.config.select.second,
    kept.map((row) => row.key),
  );
}

/** The candidates that the dataset could give. */
async function scorable(folder: RunFolder): Promise<CandidateRow[]> {
  const rows = await readTable(await runTable(folder, 'candidates'), candidateColumns);
  return rows.filter(({ error }) => error === null);
}

async function keepTop(
  { folder, signal, onProgress }: StageInput,
  step: 'first' | 'second',
  attack: string,
  limit: number,
  among?: readonly string[],
): Promise<CandidateRow[]> {
  await runStage({
    folder,
    name: `selections/${step}`,
    columns: selectionColumns,
    shards: [undefined],
    items: () => 1,
    signal,
    onProgress,
    process: async () => {
      const top = await topScores(await runTable(folder, 'scores'), attack, limit, among);
      return top.map(({ key, score }, i): SelectionRow => ({ step, attack, rank: i + 1, key, score }));
    },
  });
  return selectedCandidates(folder, step);
}

/** The captions that a step kept, best first, with what the candidates' table says of them. */
export async function selectedCandidates(
  folder: RunFolder,
  step: 'first' | 'second',
): Promise<CandidateRow[]> {
  const rows = await readTable(await runTable(folder, `selections/${step}`), selectionColumns);
  const wanted = new Map<string, CandidateRow | undefined>(rows.map(({ key }) => [key, undefined]));
  for (const file of await runTable(folder, 'candidates'))
    for (const candidate of await readTable(file, candidateColumns))
      if (wanted.has(candidate.key)) wanted.set(candidate.key, candidate);
  return [...wanted.values()].filter((row) => row !== undefined);
}
