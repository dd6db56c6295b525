import type { LossAttackScores } from '../../attacks/index.ts';
import { type Interval, type RateAtFpr, rocCurve, separation, wilsonInterval } from '../../math/index.ts';
import type { AskedRow, PictureRow } from './columns.ts';

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
  /** Whose rate it is: the last attack that scores at least half of these members, with its own threshold. */
  readonly attack: string;
  /** That it scored. */
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
  /** The model that is attacked, or the first of several. */
  readonly target: string;
  /** How many models were the target in turn; a picture counts once for each. */
  readonly targets: number;
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
  /** Which attack the most exposed members are by. */
  readonly exposing: string;
  /** At 1% FPR; null where copies, or that rate of the headline attack, are not known. */
  readonly byCopies: readonly CopiesOutcome[] | null;
  /** By the headline attack at its 1% FPR over all targets; null with one target, or where that rate is not known. */
  readonly byTarget: readonly TargetOutcome[] | null;
}

export interface TargetOutcome {
  readonly target: string;
  /** That the attack scored, and those of them that it calls members. */
  readonly members: number;
  readonly detected: number;
  readonly nonMembers: number;
  readonly falsePositives: number;
  /** Wilson's, of detected; null where no member is scored. */
  readonly interval: Interval | null;
}

export interface OutcomeInput {
  readonly attack: MembershipOutcome['attack'];
  readonly target: string;
  readonly shadows: number;
  readonly rows: readonly AskedRow[];
  readonly attacks: readonly ScoredAttack[];
  readonly headline: string;
  readonly exposing: string;
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
  const first = failures[0];
  return {
    attack: input.attack,
    target: input.target,
    targets: new Set(rows.map(({ target }) => target)).size,
    shadows: input.shadows,
    members,
    nonMembers: usable.length - members,
    failed: new Set(failures.map(({ picture }) => picture)).size,
    firstFailure: first === undefined ? null : `${first.key}: ${first.error}`,
    evaluations: input.evaluations,
    headline: input.headline,
    exposing: input.exposing,
    attacks,
    byCopies: copiesOutcome(input),
    byTarget: targetsOutcome(input),
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

/** Rows of the members that are not left out, by powers of two of their copies: 1, 2–3, 4–7, …; null where nobody knows. */
function memberGroups(rows: readonly PictureRow[]): ReadonlyMap<number | null, readonly number[]> {
  const groups = new Map<number | null, number[]>();
  for (const [i, { member, copies, error }] of rows.entries()) {
    if (!member || error !== null) continue;
    const from = copies === null ? null : 2 ** Math.floor(Math.log2(copies));
    const group = groups.get(from);
    if (group === undefined) groups.set(from, [i]);
    else group.push(i);
  }
  return groups;
}

const scoresHalf = ({ scores }: ScoredAttack, group: readonly number[]) =>
  2 * group.filter((i) => !Number.isNaN(scores[i]!)).length >= group.length;

/**
 * The attack that the most exposed members are by: the last one, and so the one that knows most, that scores at least half of the
 * members of every number of copies. A lab may keep its planted pictures out of all shadows: online LiRA is silent on those, and they
 * are the very ones that a reader should see. One attack for all, since scores of two cannot be compared; the last one where
 * none does.
 */
export function exposingAttack<A extends ScoredAttack>(
  attacks: readonly A[],
  rows: readonly PictureRow[],
): A {
  const groups = [...memberGroups(rows).values()];
  return attacks.findLast((attack) => groups.every((group) => scoresHalf(attack, group))) ?? attacks.at(-1)!;
}

/** Each group of copies by the last attack that scores at least half of it: which one that is depends on no score. */
function copiesOutcome({ attacks, headline, rows }: OutcomeInput): CopiesOutcome[] | null {
  const groups = memberGroups(rows);
  const main = attacks.find(({ name }) => name === headline)!;
  const thresholds = new Map<string, number>();
  const thresholdOf = ({ name, scores }: ScoredAttack) => {
    const { members, nonMembers } = splitScores(scores, rows);
    const threshold = thresholds.get(name) ?? thresholdAt(members, nonMembers, verdictFpr);
    thresholds.set(name, threshold);
    return threshold;
  };
  if (groups.has(null) || !tellsRate(main, rows)) return null;
  return [...groups]
    .map(([copies, group]) => ({ copies: copies!, group }))
    .sort((a, b) => a.copies - b.copies)
    .flatMap(({ copies, group }) => {
      const attack = attacks.findLast((one) => scoresHalf(one, group) && tellsRate(one, rows)) ?? main;
      const threshold = thresholdOf(attack);
      const scores = group.map((i) => attack.scores[i]!).filter((score) => !Number.isNaN(score));
      const detected = scores.filter((score) => score >= threshold).length;
      if (scores.length === 0) return [];
      const interval = wilsonInterval(detected, scores.length);
      return [{ copies, attack: attack.name, members: scores.length, detected, interval }];
    });
}

/** Each target by itself, at the threshold of all. */
function targetsOutcome({ attacks, headline, rows }: OutcomeInput): TargetOutcome[] | null {
  const main = attacks.find(({ name }) => name === headline)!;
  const groups = new Map<string, { row: AskedRow; score: number }[]>();
  for (const [i, row] of rows.entries()) {
    const group = groups.get(row.target) ?? [];
    groups.set(row.target, group);
    group.push({ row, score: main.scores[i]! });
  }
  if (groups.size < 2 || !tellsRate(main, rows)) return null;
  const all = splitScores(main.scores, rows);
  const threshold = thresholdAt(all.members, all.nonMembers, verdictFpr);
  const above = (scores: readonly number[]) => scores.filter((score) => score >= threshold).length;
  return [...groups].map(([target, group]) => {
    const { members, nonMembers } = splitScores(
      group.map(({ score }) => score),
      group.map(({ row }) => row),
    );
    const detected = above(members);
    return {
      target,
      members: members.length,
      detected,
      nonMembers: nonMembers.length,
      falsePositives: above(nonMembers),
      interval: members.length === 0 ? null : wilsonInterval(detected, members.length),
    };
  });
}

/** Whether there are members, and non-members enough for a rate at the verdict's FPR. */
function tellsRate({ scores }: ScoredAttack, rows: readonly PictureRow[]): boolean {
  const { members, nonMembers } = splitScores(scores, rows);
  return members.length > 0 && nonMembers.length * verdictFpr >= 1 - 1e-9;
}
