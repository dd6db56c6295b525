import { type LiraScores, liraScores } from './lira.ts';
import { type LossQueries, lossesPerPicture } from './loss.ts';
import { membershipStatistic, type UsedQueries } from './statistic.ts';

export type MembershipMethod = 'loss' | 'lira-offline' | 'lira-online';

/** One way to tell members by their losses. */
export interface LossAttack {
  /** 'loss', 'lira-online-averaged-flips', …: the method and what it averages over. */
  readonly name: string;
  readonly method: MembershipMethod;
  readonly used: UsedQueries;
}

/** The attacks that losses allow: each method with 1 draw, with all draws, and with all draws and mirrored pictures. */
export function lossAttacks({ draws, flips }: LossQueries, shadows: boolean): LossAttack[] {
  const ways: (readonly [suffix: string, used: UsedQueries])[] = [['', { draws: 1, flips: false }]];
  if (draws > 1) ways.push(['-averaged', { draws, flips: false }]);
  if (flips) ways.push([draws > 1 ? '-averaged-flips' : '-flips', { draws, flips }]);
  const methods: MembershipMethod[] = shadows ? ['loss', 'lira-offline', 'lira-online'] : ['loss'];
  return methods.flatMap((method) =>
    ways.map(([suffix, used]) => ({ name: `${method}${suffix}`, method, used })),
  );
}

/**
 * The attack that stands for all: the last of `lossAttacks`, that is the one that knows most. It is named before anything is measured:
 * the best of nine, chosen by its result, would flatter.
 */
export function headlineAttack<A extends { readonly name: string }>(attacks: readonly A[]): A {
  return attacks.at(-1)!;
}

/** What one model says of all pictures. */
export interface ModelLosses {
  /** One statistic per picture, NaN where a loss is missing. */
  readonly statistics: (used: UsedQueries) => Float64Array;
}

/**
 * The losses of one model as attacks use them: each statistic is computed once, however many targets the model is a shadow of.
 *
 * @param losses of all pictures one after the other, NaN where missing
 */
export function modelLosses(losses: Float64Array, queries: LossQueries): ModelLosses {
  const each = lossesPerPicture(queries);
  const known = new Map<string, Float64Array>();
  return {
    statistics(used) {
      const key = JSON.stringify([used.draws, used.flips]);
      const statistics =
        known.get(key) ??
        Float64Array.from({ length: losses.length / each }, (_, i) =>
          membershipStatistic(losses.subarray(i * each, (i + 1) * each), queries, used),
        );
      known.set(key, statistics);
      return statistics;
    },
  };
}

export interface ShadowLosses extends ModelLosses {
  readonly trainedOn: readonly (boolean | null)[];
}

export interface LossAttackScores extends LossAttack {
  /** One per picture, higher means member; NaN where the attack cannot say. */
  readonly scores: Float64Array;
  /** What this attack alone would have cost over the pictures that it scored. */
  readonly evaluations: number;
  /** Of LiRA: how its Gaussians were estimated. */
  readonly lira: Pick<LiraScores, 'variance' | 'deviations'> | null;
}

/** Scores of every attack that the losses allow, in the order of `lossAttacks`. No shadows: the loss attack alone. */
export function scoreLosses(
  target: ModelLosses,
  shadows: readonly ShadowLosses[],
  queries: LossQueries,
): LossAttackScores[] {
  return lossAttacks(queries, shadows.length > 0).map((attack) => {
    const own = target.statistics(attack.used);
    const lira =
      attack.method === 'loss'
        ? null
        : liraScores({
            target: own,
            shadows: shadows.map((shadow) => ({
              statistics: shadow.statistics(attack.used),
              trainedOn: shadow.trainedOn,
            })),
          });
    const found = lira === null ? own : attack.method === 'lira-online' ? lira.online : lira.offline;
    const scores = found.map((score) => (Number.isFinite(score) ? score : Number.NaN));
    const asked = lossesPerPicture({ ...queries, ...attack.used });
    let evaluations = 0;
    scores.forEach((score, i) => {
      if (!Number.isNaN(score)) evaluations += asked * (1 + modelsUsed(attack.method, shadows, i));
    });
    return {
      ...attack,
      scores,
      evaluations,
      lira: lira && { variance: lira.variance, deviations: lira.deviations },
    };
  });
}

function modelsUsed(method: MembershipMethod, shadows: readonly ShadowLosses[], picture: number): number {
  if (method === 'loss') return 0;
  return shadows.filter(({ trainedOn }) => {
    const known = trainedOn[picture];
    return method === 'lira-online' ? known !== null : known === false;
  }).length;
}
