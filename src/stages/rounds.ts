import { VerbatimError } from '../errors.ts';
import type { Generator } from '../generators/index.ts';
import { fromParquet, sql } from '../tables/index.ts';
import { type BudgetPlan, partOf, planBudget, type Round, roundsFor } from './budget.ts';
import { candidateOrder } from './candidates.ts';
import { prepareCascade, runCascade } from './cascade.ts';
import { type CandidateRow, roundColumns } from './columns.ts';
import type { AuditConfig } from './config.ts';
import { shuffled } from './data.ts';
import type { ModelInput } from './flow.ts';
import { runGenerations } from './generations.ts';
import { sampleCost, scoringCost } from './planned.ts';
import { overRounds } from './rounds-progress.ts';
import { runTable } from './run-folder.ts';
import { runStage } from './stage.ts';
import { openVerdicts } from './verdicts.ts';

/** A config whose cascade has been planned from its budget. */
export interface BudgetedAudit {
  /** With the planned number of captions in `keep`. */
  readonly config: AuditConfig;
  readonly plan: BudgetPlan;
  /** Captions that get a picture. */
  readonly synthesized: number;
  /** The captions come in so many parts, each of which is scored and has its pictures before the next one. */
  readonly rounds: number;
  /** What one picture costs. */
  readonly picture: number;
}

/**
 * Plans the cascade of a config with a budget: how many captions its steps take, and how many are synthesized.
 * Undefined without a budget.
 *
 * @throws VerbatimError (exit code 2) for a budget that pays for nothing, or a generator whose evaluations nobody can count
 */
export function budgetedAudit(
  config: AuditConfig,
  generator: Generator,
  candidates: number,
): BudgetedAudit | undefined {
  const { budget, batch } = config;
  if (budget === undefined) return undefined;
  if (generator.pipeline === undefined)
    throw new VerbatimError(
      `budget counts evaluations, which the generator "${generator.kind}" does not tell; leave budget out and give cascade and candidates.limit`,
      { exitCode: 2 },
    );
  const picture = sampleCost(generator, config.synthesis);
  const rungs = prepareCascade(config).attacks.map((attack) => {
    const first = scoringCost([attack], 1, generator);
    const perCaption = scoringCost([attack], 2, generator) - first;
    return { perCaption, shared: first - perCaption };
  });
  const plan = planBudget({
    captions: candidates,
    budget,
    rungs: [...rungs, { perCaption: picture, shared: 0 }],
    batch,
  });
  const synthesized = plan.counts[rungs.length]!;
  const cascade = config.cascade.map((step, i) => ({ ...step, keep: Math.max(1, plan.counts[i + 1]!) }));
  return {
    config: { ...config, cascade },
    plan,
    synthesized,
    rounds: roundsFor(synthesized, batch),
    picture,
  };
}

/** The captions that the budget pays for, in the order in which they come: ranked ones as they are, others drawn. */
export function budgetedCaptions(
  candidates: readonly CandidateRow[],
  { config, plan }: BudgetedAudit,
): readonly CandidateRow[] {
  const order = candidateOrder(config) === 'drawn' ? shuffled(candidates, config.seed) : candidates;
  return order.slice(0, plan.counts[0]);
}

/**
 * Runs the cascade and the synthesis in the planned rounds: each takes the next part of the captions, scores it, and makes a
 * picture for the best of all that have been scored and have none yet. What is then left of the budget makes further samples of
 * the captions that are not verified, the best ranked first. Stages and shards are those of any audit, so a killed
 * run goes on and ends with the same bytes.
 *
 * @param until 'scores': no picture is made; the rounds then score and keep only
 */
export async function runRounds(
  input: ModelInput,
  audit: BudgetedAudit,
  candidates: readonly CandidateRow[],
  until: 'scores' | 'generations' | 'labels',
): Promise<void> {
  const { rounds } = audit;
  const cascade = prepareCascade(audit.config);
  const captions = budgetedCaptions(candidates, audit);
  await writeRounds(input, audit);
  const counted = until === 'scores' ? audit.plan.counts.slice(0, -1) : audit.plan.counts;
  const total = counted.reduce((sum, count) => sum + count, 0);
  const inRounds = { ...input, onProgress: overRounds(total, input.onProgress) };
  const chosen: CandidateRow[] = [];
  let shards = 0;
  for (let index = 0; index < rounds; index += 1) {
    const round: Round = { index, count: rounds };
    const { from, to } = partOf(captions.length, round);
    const kept = await runCascade(inRounds, cascade, captions.slice(from, to), round);
    chosen.push(...kept);
    if (until !== 'scores')
      shards = await runGenerations(inRounds, kept, { samples: [0], firstShard: shards });
  }
  if (until !== 'scores') await runFurtherSamples(input, audit, { chosen, shards });
}

/** What each round was planned to do: tables/rounds. */
async function writeRounds(input: ModelInput, { plan, rounds }: BudgetedAudit): Promise<void> {
  await runStage({
    folder: input.folder,
    name: 'rounds',
    columns: roundColumns,
    shards: [undefined],
    items: () => 1,
    signal: input.signal,
    process: async () =>
      Array.from({ length: rounds }, (_, index) =>
        plan.counts.map((count, step) => {
          const { from, to } = partOf(count, { index, count: rounds });
          return { round: index + 1, step: step + 1, captions: to - from };
        }),
      ).flat(),
  });
}

/** Sample 1, 2, … of what no sample before has verified, as far as the budget goes. */
async function runFurtherSamples(
  input: ModelInput,
  { config, picture }: BudgetedAudit,
  { chosen, shards }: { readonly chosen: readonly CandidateRow[]; readonly shards: number },
): Promise<void> {
  let made = shards;
  let left = config.budget! - (await spentOn(input, made));
  if (config.synthesis.samples === 1 || left < picture) return;
  const verdicts = await openVerdicts(input);
  let undecided = chosen;
  for (let sample = 1; sample < config.synthesis.samples && left >= picture; sample += 1) {
    const verified = await verdicts.verified(made);
    undecided = undecided.filter(({ key }) => !verified.has(key));
    const paid = undecided.slice(0, Math.floor(left / picture));
    if (paid.length === 0) return;
    made = await runGenerations(input, paid, { samples: [sample], firstShard: made });
    left = config.budget! - (await spentOn(input, made));
  }
}

/** What the tables say was spent, up to so many shards of pictures: the same whenever it is asked. */
async function spentOn({ folder }: ModelInput, shards: number): Promise<number> {
  const scores = await runTable(folder, 'scores');
  const pictures = (await runTable(folder, 'generations')).slice(0, shards);
  const total = async (files: readonly string[], column: string) => {
    if (files.length === 0) return 0;
    const [row] = await sql<{ n: number }>(
      `SELECT CAST(coalesce(sum(${column}), 0) AS DOUBLE) AS n FROM ${fromParquet(files)}`,
    );
    return row!.n;
  };
  return (await total(scores, 'spent')) + (await total(pictures, 'evaluations'));
}
