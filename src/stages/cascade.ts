import { VerbatimError } from '../errors.ts';
import type { Generator } from '../generators/index.ts';
import { type NamedAttack, nameAttack, nameAttacks, usedTwice } from './attack-list.ts';
import { attackStep } from './attack-step.ts';
import { onlyRound, type Round } from './budget.ts';
import { isCliquesStep } from './cascade-schema.ts';
import { cliquesStep } from './cliques-step.ts';
import type { CandidateRow } from './columns.ts';
import type { AuditConfig } from './config.ts';
import type { ModelInput } from './flow.ts';
import { type PlannedStage, plannedScores } from './planned.ts';
import { runScores } from './scores.ts';

/** The captions that come to a step. */
export interface Entering {
  readonly count: number;
  /** In words: 'every caption', 'the top 500 by dcs'. */
  readonly text: string;
}

/** One step of the cascade, whatever its kind: captions in, the best of them out. */
export interface CascadeStep {
  /** What its ranking is called: 'dcs'. */
  readonly label: string;
  /** Whether it makes full samples of captions, which costs far more than a score. */
  readonly samples: boolean;
  /** The attacks that it runs, those of `alsoScore` among them. */
  readonly attacks: readonly NamedAttack[];
  /** What it will do with so many captions, and how many it lets go on at most. */
  readonly plan: (entering: Entering, generator: Generator) => StepPlan;
  /**
   * Does it: tables/scores/N and tables/selections/N. Returns what goes on, the best first.
   *
   * @param round where the captions come in several parts: it then keeps its part of `keep`, the best of all that have
   *   come and have not gone on. A step that has no use for rounds may ignore it; only budgets make them.
   */
  readonly run: (
    input: ModelInput,
    entering: readonly CandidateRow[],
    round?: Round,
  ) => Promise<readonly CandidateRow[]>;
  /** Writes tables/generations of pictures that it has made of what goes on; without it those captions are synthesized. */
  readonly pictures?: (input: ModelInput, kept: readonly CandidateRow[]) => Promise<void>;
}

export interface StepPlan {
  readonly stages: readonly PlannedStage[];
  readonly kept: number;
}

/** What a step knows of its place. */
export interface StepPlace {
  /** From 1, as in the names of its tables. */
  readonly number: number;
  readonly config: AuditConfig;
  /** Score what the first step scores too. */
  readonly alsoScore: readonly NamedAttack[];
  /** Attacks of the steps before. */
  readonly before: readonly NamedAttack[];
}

export interface Cascade {
  readonly steps: readonly CascadeStep[];
  /** What scores every caption where there is no step that would. */
  readonly alone: readonly NamedAttack[];
  /** All attacks that are run. */
  readonly attacks: readonly NamedAttack[];
}

/**
 * The cascade of a config, ready to run. Here a step gets its kind: one of another kind is one more alternative of
 * `cascadeStepSchema`, and one more case here.
 *
 * @throws VerbatimError (exit code 2) for an unknown attack or option, a name that is used twice, or a step whose attack is
 *   that of a step before
 */
export function prepareCascade(config: AuditConfig): Cascade {
  const alsoScore = nameAttacks(config.alsoScore);
  const steps: CascadeStep[] = [];
  const before: NamedAttack[] = [];
  for (const [i, step] of config.cascade.entries()) {
    const place: StepPlace = { number: i + 1, config, alsoScore, before: [...before] };
    if (isCliquesStep(step)) steps.push(cliquesStep(step, place));
    else {
      steps.push(attackStep(step, place));
      before.push(nameAttack(step));
    }
  }
  const sampling = config.cascade.findIndex(isCliquesStep);
  if (sampling >= 0) refuseSharedName(sampling, steps, alsoScore);
  const alone = steps.length === 0 ? alsoScore : [];
  return { steps, alone, attacks: [...alone, ...steps.flatMap(({ attacks }) => attacks)] };
}

/** Steps that score refuse names among themselves; one that samples is no attack of theirs. */
function refuseSharedName(
  at: number,
  steps: readonly CascadeStep[],
  alsoScore: readonly NamedAttack[],
): void {
  const { label } = steps[at]!;
  const others = [...steps.toSpliced(at, 1), ...alsoScore];
  if (others.some((other) => other.label === label)) throw usedTwice(label);
}

/**
 * The part of a cascade that makes no full samples: the steps before one that generates and filters, all where there is none.
 *
 * @throws VerbatimError (exit code 2) where nothing is scored before that step
 */
export function scoringPart(cascade: Cascade): Cascade {
  const at = cascade.steps.findIndex(({ samples }) => samples);
  if (at < 0) return cascade;
  const steps = cascade.steps.slice(0, at);
  const alone = at === 0 ? cascade.steps[0]!.attacks : [];
  const attacks = [...alone, ...steps.flatMap((step) => step.attacks)];
  if (attacks.length === 0)
    throw new VerbatimError(
      'cascade.0 generates pictures and nothing scores captions before it; run `verbatim generate` or the whole audit',
      { exitCode: 2 },
    );
  return { steps, alone, attacks };
}

/** What the cascade will do with so many candidates, which are called `text`; `kept`: how many are synthesized at most, and which in words. */
export function planCascade(
  { steps, alone }: Cascade,
  generator: Generator,
  candidates: number,
  text = 'every caption',
): { readonly stages: readonly PlannedStage[]; readonly kept: Entering } {
  let entering: Entering = { count: candidates, text };
  const stages: PlannedStage[] = plannedScores(1, alone, entering, generator);
  for (const step of steps) {
    const planned = step.plan(entering, generator);
    stages.push(...planned.stages);
    entering = { count: planned.kept, text: `the top ${planned.kept} by ${step.label}` };
  }
  return { stages, kept: entering };
}

/** Runs every step; returns the captions that are synthesized, the best first (without a step: all, in their order). */
export async function runCascade(
  input: ModelInput,
  { steps, alone }: Cascade,
  candidates: readonly CandidateRow[],
  round: Round = onlyRound,
): Promise<readonly CandidateRow[]> {
  await runScores(input, 1, alone, candidates);
  let kept = candidates;
  for (const step of steps) kept = await step.run(input, kept, round);
  return kept;
}
