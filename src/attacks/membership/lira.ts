import { VerbatimError } from '../../errors.ts';

/** What the target and the shadow models say of the same pictures. */
export interface ShadowStatistics {
  /** The target's statistic of each picture, higher for members; NaN where it is missing. */
  readonly target: ArrayLike<number>;
  readonly shadows: readonly {
    /** Of the same pictures, NaN where missing. */
    readonly statistics: ArrayLike<number>;
    /** Whether the shadow was trained on the picture; null where nobody knows. */
    readonly trainedOn: readonly (boolean | null)[];
  }[];
}

export type LiraVariance = 'fixed' | 'per-picture';

/** From so many shadow models on each picture has variances of its own; with fewer all share two (Carlini et al. 2022). */
export const perPictureVarianceFrom = 64;

export interface LiraScores {
  /** ln of the likelihood ratio in : out; NaN where the picture is in no shadow, in all, or has no statistic. */
  readonly online: Float64Array;
  /** (s − mean out)/deviation out, of which the probability under "out" is a function; NaN where it is in all shadows. */
  readonly offline: Float64Array;
  readonly variance: LiraVariance;
  /** The two shared deviations; null where each picture has its own. */
  readonly deviations: { readonly in: number; readonly out: number } | null;
}

/** @throws VerbatimError (exit code 2) for fewer than two shadows, or one that was trained on all of the pool or on none of it */
export function checkShadows(
  shadows: readonly { readonly name: string; readonly trainedOn: number }[],
  pool: number,
): void {
  if (shadows.length < 2)
    throw new VerbatimError(
      `the likelihood-ratio attack needs at least 2 shadow models, there ${shadows.length === 1 ? 'is 1' : 'are none'}; train more, or ask for the loss attack alone (--loss-only)`,
      { exitCode: 2 },
    );
  for (const { name, trainedOn } of shadows)
    if (trainedOn === 0 || trainedOn >= pool)
      throw new VerbatimError(
        `shadow ${name} was trained on ${trainedOn === 0 ? 'none' : 'all'} of the ${pool} pictures of the pool, so it tells nothing of membership; leave it out or train it on a part`,
        { exitCode: 2 },
      );
}

/**
 * Whether the shadows will let deviations be estimated, before their losses are computed: on each side some picture must have two.
 *
 * @param trainedOn of each shadow, of the same pictures
 * @param remedy what the message advises
 * @throws VerbatimError (exit code 2)
 */
export function checkSpread(
  trainedOn: readonly (readonly (boolean | null)[])[],
  remedy = 'train more, or ask for the loss attack alone (--loss-only)',
): void {
  for (const member of [true, false]) {
    const pairs = trainedOn[0]!.some(
      (_, picture) => trainedOn.filter((shadow) => shadow[picture] === member).length >= 2,
    );
    if (!pairs) throw new VerbatimError(`${noPair(member)}; ${remedy}`, { exitCode: 2 });
  }
}

const noPair = (member: boolean) =>
  `no picture has two shadow models that were ${member ? '' : 'not '}trained on it, so nothing says how much such models differ`;

/**
 * The likelihood-ratio attack (Carlini, Chien, Nasr, Song, Terzis and Tramèr 2022, "Membership inference attacks from first
 * principles", algorithm 1 and its offline form): for each picture a Gaussian is laid on the statistics of the shadows that were
 * trained on it and one on those of the others, and the target's statistic is held against both.
 *
 * With `fixed` variance all pictures share two deviations, pooled within pictures: √(Σ(s − mean of its picture)² / Σ(n − 1)). (The
 * authors' code takes the deviation of all statistics together, in which the differences between pictures are.)
 *
 * @throws VerbatimError where shadows do not let a deviation be estimated
 */
export function liraScores(
  input: ShadowStatistics,
  variance: LiraVariance = input.shadows.length < perPictureVarianceFrom ? 'fixed' : 'per-picture',
): LiraScores {
  const count = input.target.length;
  const inside = Array.from({ length: count }, (_, i) => moments(input, i, true));
  const outside = Array.from({ length: count }, (_, i) => moments(input, i, false));
  const deviations = variance === 'fixed' ? { in: pooled(inside, true), out: pooled(outside, false) } : null;
  const online = new Float64Array(count).fill(Number.NaN);
  const offline = new Float64Array(count).fill(Number.NaN);
  for (let i = 0; i < count; i++) {
    const s = input.target[i]!;
    const [a, b] = [inside[i]!, outside[i]!];
    const out = deviations?.out ?? own(b);
    offline[i] = (s - b.mean) / out;
    online[i] = logDensity(s, a.mean, deviations?.in ?? own(a)) - logDensity(s, b.mean, out);
  }
  return { online, offline, variance, deviations };
}

interface Moments {
  readonly count: number;
  /** NaN for none. */
  readonly mean: number;
  /** Σ(s − mean)². */
  readonly squares: number;
}

function moments({ shadows }: ShadowStatistics, picture: number, member: boolean): Moments {
  const values: number[] = [];
  for (const { statistics, trainedOn } of shadows)
    if (trainedOn[picture] === member && Number.isFinite(statistics[picture]))
      values.push(statistics[picture]!);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { count: values.length, mean, squares: values.reduce((sum, v) => sum + (v - mean) ** 2, 0) };
}

function own({ count, squares }: Moments): number {
  return count < 2 ? Number.NaN : Math.sqrt(squares / (count - 1));
}

function pooled(groups: readonly Moments[], member: boolean): number {
  let squares = 0;
  let freedom = 0;
  for (const group of groups) {
    if (group.count < 2) continue;
    squares += group.squares;
    freedom += group.count - 1;
  }
  if (freedom === 0) throw new VerbatimError(`${noPair(member)}; train more shadows`);
  if (squares === 0)
    throw new VerbatimError(
      'the shadow models give equal losses for every picture; they are the same model, or the network does not look at its input',
    );
  return Math.sqrt(squares / freedom);
}

/** ln of the normal density, without the constant that both sides share. */
function logDensity(value: number, mean: number, deviation: number): number {
  return -Math.log(deviation) - (value - mean) ** 2 / (2 * deviation ** 2);
}
