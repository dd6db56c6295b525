import type { LossAttackScores } from '../../attacks/index.ts';
import { type Interval, type RateAtFpr, rocCurve, separation, wilsonInterval } from '../../math/index.ts';
import type { PictureRow } from './columns.ts';

/** The false positive rates at which attacks are told. */
export const toldFprs = [0.001, 0.01, 0.1] as const;
/** The one that the verdict is at. */
export const verdictFpr = 0.01;

/** Scores of one attack, one per picture, NaN where it cannot say. */
export interface ScoredAttack {
  readonly name: string;
  readonly scores: ArrayLike<number>;
  readonly evaluations: number;
  readonly lira?: LossAttackScores['lira'];
}

export interface CopiesOutcome {
  /** From so many copies on, up to the next line's. */
  readonly copies: number;
  readonly members: number;
  readonly detected: number;
  readonly interval: Interval;
}

export interface AttackOutcome {
  readonly name: string;
  /** Pictures that it scored; the others are counted as unscored. */
  readonly members: number;
  readonly nonMembers: number;
  readonly unscored: number;
  /** Null where it scored no member or no non-member. */
  readonly auc: number | null;
  readonly aucInterval: Interval | null;
  /** At .1%, 1% and 10%, with bootstrap intervals; null where there are too few non-members to tell. */
  readonly rates: readonly RateAtFpr[];
  /** What it alone costs. */
  readonly evaluations: number;
  /** Of LiRA: the variance and the shared deviations. */
  readonly lira: LossAttackScores['lira'];
}

/** What a run of `verbatim membership` says: summary.json. */
export interface MembershipOutcome {
  readonly attack: 'loss' | 'inpainting';
  readonly target: string;
  readonly shadows: number;
  readonly members: number;
  readonly nonMembers: number;
  /** Pictures that were left out, with the reason of the first. */
  readonly failed: number;
  readonly firstFailure: string | null;
  /** Evaluations of the whole table. */
  readonly evaluations: number;
  /** Which attack the verdict and the figures below it are of. */
  readonly headline: string;
  readonly attacks: readonly AttackOutcome[];
  /** Of the headline attack at 1% FPR; null where copies, or that rate, are not known. */
  readonly byCopies: readonly CopiesOutcome[] | null;
}

export interface OutcomeInput {
  readonly attack: MembershipOutcome['attack'];
  readonly target: string;
  readonly shadows: number;
  readonly rows: readonly PictureRow[];
  readonly attacks: readonly ScoredAttack[];
  readonly headline: string;
  readonly evaluations: number;
  readonly seed: number;
}

/** Scores of members and of non-members, those that are missing left out. */
export function splitScores(scores: ArrayLike<number>, rows: readonly PictureRow[]) {
  const of = (member: boolean) =>
    rows.flatMap((row, i) =>
      row.error === null && row.member === member && !Number.isNaN(scores[i]!) ? [scores[i]!] : [],
    );
  return { members: of(true), nonMembers: of(false) };
}

/** The score from which on a picture is called a member at that FPR, in the strict convention; undefined where none can be. */
export function thresholdAt(members: readonly number[], nonMembers: readonly number[], fpr: number) {
  const curve = rocCurve(members, nonMembers);
  let threshold = Number.POSITIVE_INFINITY;
  for (let i = 0; i < curve.thresholds.length && curve.falsePositiveRates[i]! < fpr; i++)
    threshold = curve.thresholds[i]!;
  return threshold;
}

/**
 * What the scores of every attack say: AUC, rates, copies. The seed draws the bootstrap's resamples; pictures that are left out are in no
 * figure.
 */
export function membershipOutcome(input: OutcomeInput): MembershipOutcome {
  const { rows } = input;
  const usable = rows.filter(({ error }) => error === null);
  const failures = rows.filter(({ error }) => error !== null);
  const members = usable.filter(({ member }) => member).length;
  const attacks = input.attacks.map((attack) => attackOutcome(attack, input));
  const headline = input.attacks.find(({ name }) => name === input.headline)!;
  const first = failures[0];
  return {
    attack: input.attack,
    target: input.target,
    shadows: input.shadows,
    members,
    nonMembers: usable.length - members,
    failed: failures.length,
    firstFailure: first === undefined ? null : `${first.key}: ${first.error}`,
    evaluations: input.evaluations,
    headline: input.headline,
    attacks,
    byCopies: copiesOutcome(headline, input),
  };
}

function attackOutcome(attack: ScoredAttack, { rows, seed }: OutcomeInput): AttackOutcome {
  const { members, nonMembers } = splitScores(attack.scores, rows);
  const usable = rows.filter(({ error }) => error === null).length;
  const found =
    members.length > 0 && nonMembers.length > 0
      ? separation(members, nonMembers, toldFprs, { resamples: 1000, seed })
      : undefined;
  return {
    name: attack.name,
    members: members.length,
    nonMembers: nonMembers.length,
    unscored: usable - members.length - nonMembers.length,
    auc: found?.auc ?? null,
    aucInterval: found?.aucInterval ?? null,
    rates: found?.rates ?? toldFprs.map((fpr) => ({ fpr, tpr: null, interval: null })),
    evaluations: attack.evaluations,
    lira: attack.lira ?? null,
  };
}

/** Members by powers of two of their copies: 1, 2–3, 4–7, … */
function copiesOutcome({ scores }: ScoredAttack, { rows }: OutcomeInput): CopiesOutcome[] | null {
  const { members, nonMembers } = splitScores(scores, rows);
  if (members.length === 0 || nonMembers.length * verdictFpr < 1 - 1e-9) return null;
  const threshold = thresholdAt(members, nonMembers, verdictFpr);
  const groups = new Map<number, { members: number; detected: number }>();
  for (const [i, { member, copies, error }] of rows.entries()) {
    if (!member || error !== null || Number.isNaN(scores[i]!)) continue;
    if (copies === null) return null;
    const from = 2 ** Math.floor(Math.log2(copies));
    const group = groups.get(from) ?? { members: 0, detected: 0 };
    group.members++;
    if (scores[i]! >= threshold) group.detected++;
    groups.set(from, group);
  }
  return [...groups]
    .sort(([a], [b]) => a - b)
    .map(([copies, group]) => ({
      copies,
      ...group,
      interval: wilsonInterval(group.detected, group.members),
    }));
}
