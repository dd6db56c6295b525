import type { Subject } from '../attacks/index.ts';
import { VerbatimError } from '../errors.ts';
import type { Generator } from '../generators/index.ts';
import { type NamedAttack, nameAttack, nameAttacks, sameAttack, usedTwice } from './attack-list.ts';
import { onlyRound, partOf } from './budget.ts';
import { candidateOrder } from './candidates.ts';
import type { CascadeStep, StepPlace } from './cascade.ts';
import { type AttackStepConfig, defaultKeep } from './cascade-schema.ts';
import type { CandidateRow } from './columns.ts';
import { drawn } from './data.ts';
import { plannedScores, scoringCost } from './planned.ts';
import { runScores } from './scores.ts';
import { keepTop } from './selections.ts';
import { subjectOf } from './subject.ts';

/**
 * A step that scores the captions with an attack and keeps the highest. The first one scores them with the attacks of
 * `alsoScore` too. An attack that is among those already is not run again: its scores are read.
 *
 * @throws VerbatimError (exit code 2) for a name that is used twice, or an attack that a step before has
 */
export function attackStep(step: AttackStepConfig, place: StepPlace): CascadeStep {
  const { number, alsoScore, before } = place;
  const own = nameAttack(step);
  refuseRepetition(own, place);
  const known = number > 1 && alsoScore.some(({ label }) => label === own.label);
  const most = step.keep ?? defaultKeep;
  // Rounds share one subject, so that what all captions share is computed once.
  let subject: Subject | undefined;
  let shards = 0;
  let kept = 0;
  let waiting: readonly CandidateRow[] = [];
  const attacks = number === 1 ? nameAttacks([step, ...place.config.alsoScore]) : known ? [] : [own];
  return {
    label: own.label,
    samples: false,
    attacks,
    plan: (entering, generator) => {
      const count = known ? entering.count : affordable(step, place, own, entering.count, generator);
      const text =
        count === entering.count
          ? entering.text
          : `${before.length === 0 ? `${count} of ${entering.count} captions` : `the first ${count} of ${entering.text}`}, for its budget of ${step.budget} evaluations`;
      return {
        stages: plannedScores(number, attacks, { count, text }, generator),
        kept: Math.min(most, count),
      };
    },
    run: async (input, entering, round = onlyRound) => {
      const count = known ? entering.length : affordable(step, place, own, entering.length, input.generator);
      const scored = bestOf(entering, count, place);
      subject ??= subjectOf(input.generator, input.config, input.signal);
      shards += await runScores(input, number, attacks, scored, { subject, firstShard: shards });
      waiting = waiting.concat(scored);
      const part = partOf(most, round);
      const best = await keepTop(
        input,
        { number, label: own.label, keep: part.to - part.from, kept, round },
        waiting,
      );
      kept += best.length;
      const gone = new Set(best.map(({ key }) => key));
      waiting = waiting.filter(({ key }) => !gone.has(key));
      return best;
    },
  };
}

/** What the step before has kept is ranked; the first step takes the candidates in their order, or draws. */
function bestOf(
  entering: readonly CandidateRow[],
  count: number,
  { number, config }: StepPlace,
): readonly CandidateRow[] {
  const ranked = number > 1 || candidateOrder(config) !== 'drawn';
  return ranked ? entering.slice(0, count) : drawn(entering, count, config.seed);
}

/**
 * How many captions the step's budget pays for.
 *
 * @throws VerbatimError (exit code 2) when it pays for none
 */
function affordable(
  { budget }: AttackStepConfig,
  { number }: StepPlace,
  own: NamedAttack,
  entering: number,
  generator: Pick<Generator, 'pipeline'>,
): number {
  if (budget === undefined || entering === 0) return entering;
  const first = scoringCost([own], 1, generator);
  if (budget < first)
    throw new VerbatimError(
      `cascade.${number - 1}.budget: ${budget} evaluations pay for no caption by ${own.label}; the first costs ${first}`,
      { exitCode: 2 },
    );
  const each = scoringCost([own], 2, generator) - first;
  return Math.min(entering, each === 0 ? entering : 1 + Math.floor((budget - first) / each));
}

function refuseRepetition(own: NamedAttack, { number, alsoScore, before }: StepPlace): void {
  const same = before.findIndex((other) => sameAttack(own, other));
  // Its ranking is the other one's: it would select from the top of the same list.
  if (same >= 0)
    throw new VerbatimError(
      `cascade.${number - 1}: "${own.label}" is the attack of cascade.${same} too and would only cut the same ranking again; name another attack, or leave it out and lower cascade.${same}.keep`,
      { exitCode: 2 },
    );
  if (before.some(({ label }) => label === own.label)) throw usedTwice(own.label);
  const known = alsoScore.find(({ label }) => label === own.label);
  if (known !== undefined && !sameAttack(own, known)) throw usedTwice(own.label);
}
