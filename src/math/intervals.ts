import { betaQuantile, normalQuantile } from './distributions.ts';
import { createRandom } from './random.ts';
import { quantileOfSorted } from './summary.ts';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  /** How many resamples to draw. Default 2000. */
  readonly resamples?: number;
  /** The same seed gives the same interval on every machine. Default 0. */
  readonly seed?: number;
  /** Coverage, inside (0, 1). Default .95. */
  readonly level?: number;
}

/**
 * The percentile bootstrap interval of a statistic of several groups (Efron & Tibshirani 1993,
 * chapter 13). Each group, the positives and the negatives say, is resampled with replacement on its
 * own, so their sizes stay what they are. Where the groups are perfectly separated the interval is a
 * point: the bootstrap cannot see what was not sampled.
 *
 * @example bootstrapInterval(rocAuc, [positives, negatives], { seed: 1 })
 */
export function bootstrapInterval(
  statistic: (...groups: Float64Array[]) => number,
  groups: readonly ArrayLike<number>[],
  options: BootstrapOptions = {},
): Interval {
  const { resamples = 2000, seed = 0, level = 0.95 } = options;
  checkLevel(level);
  if (!Number.isInteger(resamples) || resamples < 1)
    throw new RangeError(`bootstrapInterval: resamples must be a positive integer; got ${resamples}.`);
  for (const [index, group] of groups.entries())
    if (group.length === 0) throw new RangeError(`bootstrapInterval: group ${index} is empty.`);
  const random = createRandom(seed);
  const drawn = groups.map((group) => new Float64Array(group.length));
  const statistics = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    for (const [index, group] of groups.entries()) {
      const resample = drawn[index]!;
      for (let i = 0; i < resample.length; i++) resample[i] = group[random.integer(group.length)]!;
    }
    statistics[r] = statistic(...drawn);
  }
  statistics.sort();
  const tail = (1 - level) / 2;
  return { low: quantileOfSorted(statistics, tail), high: quantileOfSorted(statistics, 1 - tail) };
}

/**
 * Wilson's score interval for a share (Wilson 1927), without continuity correction: sensible also at
 * 0 and at all of `trials`.
 */
export function wilsonInterval(successes: number, trials: number, level = 0.95): Interval {
  checkCounts(successes, trials);
  checkLevel(level);
  const z = normalQuantile(0.5 + level / 2);
  const share = successes / trials;
  const shrink = 1 + (z * z) / trials;
  const centre = (share + (z * z) / (2 * trials)) / shrink;
  const half = (z / shrink) * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  return {
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === trials ? 1 : Math.min(1, centre + half),
  };
}

/**
 * Clopper and Pearson's interval for a share (Biometrika 1934), which covers with at least `level`
 * whatever the share is: the one to quote for "no false positive among n".
 */
export function clopperPearsonInterval(successes: number, trials: number, level = 0.95): Interval {
  checkCounts(successes, trials);
  checkLevel(level);
  const tail = (1 - level) / 2;
  return {
    low: successes === 0 ? 0 : betaQuantile(tail, successes, trials - successes + 1),
    high: successes === trials ? 1 : betaQuantile(1 - tail, successes + 1, trials - successes),
  };
}

function checkCounts(successes: number, trials: number): void {
  if (
    !(
      Number.isInteger(successes) &&
      Number.isInteger(trials) &&
      trials > 0 &&
      successes >= 0 &&
      successes <= trials
    )
  )
    throw new RangeError(
      `An interval needs 0 ≤ successes ≤ trials, trials > 0; got ${successes} of ${trials}.`,
    );
}

function checkLevel(level: number): void {
  if (!(level > 0 && level < 1))
    throw new RangeError(`An interval's level lies inside (0, 1); got ${level}.`);
}
