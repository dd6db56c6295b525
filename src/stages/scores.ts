import { type ScoredCaptions, type Subject, scoreAll } from '../attacks/index.ts';
import type { NamedAttack } from './attack-list.ts';
import { type CandidateRow, type ScoreRow, scoreColumns } from './columns.ts';
import type { ModelInput } from './flow.ts';
import { cutShards, errorText, mayEndRun, rethrowFatal, runStage, type ShardContext } from './stage.ts';
import { subjectOf } from './subject.ts';

/** Why there is no score where the subject's outputs are no numbers. */
export const notFinite = 'the model returned values that are not finite';

/**
 * Scores captions with the attacks of a step: tables/scores/N. Nothing without attacks. Returns how many shards they are.
 *
 * @param options.subject what is scored; one for all calls of a step, so that what captions share is computed once
 * @param options.firstShard where the captions follow others of the step
 */
export async function runScores(
  input: ModelInput,
  step: number,
  attacks: readonly NamedAttack[],
  captions: readonly CandidateRow[],
  options: ScoreStageOptions = {},
): Promise<number> {
  return scoreStage(input, `scores/${step}`, attacks, captions, options);
}

export interface ScoreStageOptions {
  readonly subject?: Subject;
  readonly firstShard?: number;
}

/** The same, into a table of another name. */
export async function scoreStage(
  input: ModelInput,
  name: string,
  attacks: readonly NamedAttack[],
  captions: readonly CandidateRow[],
  options: ScoreStageOptions = {},
): Promise<number> {
  if (attacks.length === 0) return 0;
  const { config, folder, generator, signal, onProgress } = input;
  const subject = options.subject ?? subjectOf(generator, config, signal);
  const { shards } = await runStage({
    folder,
    name,
    columns: scoreColumns,
    shards: cutShards(captions, config.shardSize),
    firstShard: options.firstShard ?? 0,
    items: (rows) => rows.length,
    meter: generator.meter,
    signal,
    onProgress,
    process: (rows, context) =>
      scoreShard(subject, rows, attacks, {
        batch: config.batch,
        context,
        endsRun: mayEndRun(generator, context),
      }),
  });
  return shards;
}

/**
 * One shard: for each caption a row per attack. When a batch fails, its captions are tried one by one, so
 * that one bad caption costs its own row only; when none of a shard succeeds, the model is at fault and the
 * error ends the run.
 */
export async function scoreShard(
  subject: Subject,
  candidates: readonly CandidateRow[],
  attacks: readonly NamedAttack[],
  options: { readonly batch: number; readonly context: ShardContext; readonly endsRun: boolean },
): Promise<ScoreRow[]> {
  const { batch, context, endsRun } = options;
  const rows: ScoreRow[] = [];
  let failure: unknown;
  let succeeded = false;
  const sharedBefore = subject.spent.unconditional;
  const score = async (part: readonly CandidateRow[]) => {
    const scored = await scoreAll(
      subject,
      part.map((row) => row.caption),
      attacks.map(({ attack }) => attack),
      { batch, ...(context.signal && { signal: context.signal }) },
    );
    rows.push(...scoreRows(subject, part, attacks, scored));
    succeeded = true;
  };
  for (let from = 0; from < candidates.length; from += batch) {
    context.signal?.throwIfAborted();
    const part = candidates.slice(from, from + batch);
    try {
      await score(part);
    } catch (error) {
      rethrowFatal(error, context.signal);
      for (const candidate of part)
        try {
          await score([candidate]);
        } catch (inner) {
          rethrowFatal(inner, context.signal);
          failure = inner;
          rows.push(...failedRows(subject, candidate, attacks, errorText(inner)));
        }
    }
    context.advance(part.length);
  }
  if (endsRun && !succeeded && failure !== undefined) throw failure;
  // Shared evaluations belong to no caption. They are paid in the first shard, and written on its first row;
  // a later process pays them again and says so in the log only, so that the tables stay the same.
  const first = rows[0];
  if (context.index === 0 && first !== undefined)
    rows[0] = { ...first, spent: first.spent + subject.spent.unconditional - sharedBefore };
  return rows;
}

function scoreRows(
  subject: Subject,
  candidates: readonly CandidateRow[],
  attacks: readonly NamedAttack[],
  scored: ScoredCaptions,
): ScoreRow[] {
  const distinct = new Set(candidates.map((row) => row.caption)).size;
  const perCaption = distinct === 0 ? 0 : scored.spent.conditional / distinct;
  const paid = new Set<string>();
  return candidates.flatMap((candidate, c) => {
    // What attacks have in common is paid by the first of them, and by the first of equal captions.
    let left = paid.has(candidate.caption) ? 0 : perCaption;
    paid.add(candidate.caption);
    return attacks.map((named, a): ScoreRow => {
      const { score, evaluations } = scored.scores[a]![c]!;
      const spent = Math.min(left, evaluations);
      left -= spent;
      const sound = Number.isFinite(score);
      return {
        ...identity(subject, candidate, named),
        score: sound ? score : null,
        evaluations,
        spent,
        error: sound ? null : notFinite,
      };
    });
  });
}

function failedRows(
  subject: Subject,
  candidate: CandidateRow,
  attacks: readonly NamedAttack[],
  error: string,
): ScoreRow[] {
  return attacks.map((named) => ({
    ...identity(subject, candidate, named),
    score: null,
    evaluations: 0,
    spent: 0,
    error,
  }));
}

function identity(subject: Subject, { key }: CandidateRow, { label, attack }: NamedAttack) {
  const { sigma = 'max', guidance = 1, seeds = [] } = attack.options;
  const level = subject.outputs([]).sigma(typeof sigma === 'number' ? sigma : 'max');
  return {
    key,
    attack: label,
    sigma: level,
    seeds: Array.isArray(seeds) ? seeds.join(',') : String(seeds),
    guidance: typeof guidance === 'number' ? guidance : 1,
  };
}
