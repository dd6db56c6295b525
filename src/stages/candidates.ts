import { VerbatimError } from '../errors.ts';
import type { Generator } from '../generators/index.ts';
import { type CandidateRow, candidateColumns, truthColumns } from './columns.ts';
import type { AuditConfig } from './config.ts';
import { type AuditData, drawn } from './data.ts';
import type { StageInput } from './flow.ts';
import { cutShards, runStage } from './stage.ts';

/** Writes tables/truth (where it is known) and tables/candidates. */
export async function runCandidates(input: StageInput, chosen: readonly CandidateRow[]): Promise<void> {
  const { config, data, folder, signal, onProgress } = input;
  if (data.truth !== undefined)
    await runStage({
      folder,
      name: 'truth',
      columns: truthColumns,
      shards: [data.truth],
      items: (rows) => rows.length,
      process: async (rows) => rows,
      signal,
      onProgress,
    });
  await runStage({
    folder,
    name: 'candidates',
    columns: candidateColumns,
    shards: cutShards(chosen, config.shardSize),
    items: (rows) => rows.length,
    process: async (rows) => rows,
    signal,
    onProgress,
  });
}

/**
 * Lists the captions to audit: those of the data within the config's limits, and of them those that the generator has
 * pictures of where it has not of all. Writes nothing.
 */
export async function listCandidates(
  data: AuditData,
  config: Pick<AuditConfig, 'candidates' | 'seed'>,
  generator?: Pick<Generator, 'name' | 'has'>,
): Promise<readonly CandidateRow[]> {
  const all: CandidateRow[] = [];
  for await (const row of data.candidates()) all.push(row);
  if (all.every(({ caption }) => caption.trim() === ''))
    throw new VerbatimError(
      `${data.name} has no captions; there is nothing to audit. If they stand in a column of another name, give it as captionColumn`,
    );
  const { has } = generator ?? {};
  if (has === undefined) return chooseCandidates(all, config);
  const own = all.filter(({ caption }) => has(caption));
  if (own.length === 0)
    throw new VerbatimError(
      `${generator?.name} has pictures of none of the ${all.length} captions of ${data.name}; prompts and captions must have the same letters and digits`,
      { exitCode: 2 },
    );
  return chooseCandidates(own, config);
}

/** Applies the config's limits, first by role, then over all. */
export function chooseCandidates(
  all: readonly CandidateRow[],
  config: Pick<AuditConfig, 'candidates' | 'seed'>,
): readonly CandidateRow[] {
  const { limit, roles = {} } = config.candidates;
  let rows = all;
  for (const [role, most] of Object.entries(roles)) {
    const ofRole = rows.filter((row) => row.role === role);
    if (ofRole.length === 0 && all.every((row) => row.role === null))
      throw new VerbatimError(
        `candidates.roles.${role}: the truth of this dataset is not known; use candidates.limit`,
        { exitCode: 2 },
      );
    const kept = new Set(drawn(ofRole, most, config.seed));
    rows = rows.filter((row) => row.role !== role || kept.has(row));
  }
  // What comes ranked is cut, not drawn.
  return candidateOrder(config) === 'drawn' ? drawn(rows, limit, config.seed) : rows.slice(0, limit);
}

/** How those are chosen that come first, where not all can be taken. */
export function candidateOrder({
  candidates: { from, outliers },
}: Pick<AuditConfig, 'candidates'>): 'drawn' | 'the most duplicated first' | 'the most outlying first' {
  if (from !== undefined) return 'the most duplicated first';
  return outliers === undefined ? 'drawn' : 'the most outlying first';
}
