import type { Generator } from '../generators/index.ts';
import type { NamedAttack } from './attack-list.ts';

/** What a stage will do and what it may cost at most. */
export interface PlannedStage {
  readonly name: string;
  readonly what: string;
  /** Items: captions, or pictures for the generations. */
  readonly items: number;
  /** Upper bound: attacks that share outputs and captions that share halves cost less. */
  readonly evaluations: number;
  /** Pictures that a service is asked for, each of which may be paid: an upper bound without repetitions. 0 for a model here. */
  readonly pictures: number;
}

/** The stage in which step `number` scores some captions; none where it has nothing to score. */
export function plannedScores(
  number: number,
  attacks: readonly NamedAttack[],
  { count, text }: { readonly count: number; readonly text: string },
  generator: Generator,
): PlannedStage[] {
  if (attacks.length === 0) return [];
  return [
    {
      name: `scores/${number}`,
      what: `${attacks.map(({ label }) => label).join(', ')} for ${text}`,
      items: count,
      evaluations: scoringCost(attacks, count, generator),
      pictures: picturesFor(attacks, count, generator),
    },
  ];
}

/** Evaluations of some attacks at most. A service computes what captions could share for each of them anew. */
export function scoringCost(
  attacks: readonly NamedAttack[],
  captions: number,
  { pipeline }: Pick<Generator, 'pipeline'>,
): number {
  if (captions === 0) return 0;
  const times = pipeline === undefined ? captions : 1;
  return attacks.reduce(
    (sum, { attack }) => sum + attack.cost.perCaption * captions + attack.cost.shared * times,
    0,
  );
}

/** What attacks on one-step pictures ask a service for: a picture is one evaluation with the caption. */
function picturesFor(attacks: readonly NamedAttack[], captions: number, { pipeline }: Generator): number {
  if (pipeline !== undefined) return 0;
  return attacks.reduce((sum, { attack }) => sum + attack.cost.perCaption * captions, 0);
}
