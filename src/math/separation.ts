import type { BootstrapOptions, Interval } from './intervals.ts';
import { createRandom } from './random.ts';
import { rocAuc, tprAtFpr } from './ranking.ts';
import { quantileOfSorted, sortedScores } from './summary.ts';

/** How well scores separate positives from negatives, with intervals that hold for both samples. */
export interface Separation {
  readonly auc: number;
  readonly aucInterval: Interval;
  /** One per rate that was asked for, in that order. */
  readonly rates: readonly RateAtFpr[];
}

export interface RateAtFpr {
  readonly fpr: number;
  /** `tprAtFpr`; null where there are fewer than 1/fpr negatives, with which this rate cannot be told from 0. */
  readonly tpr: number | null;
  readonly interval: Interval | null;
}

/**
 * AUC and TPR at several FPRs (the strict convention of `tprAtFpr`) with percentile bootstrap intervals, positives and negatives
 * resampled each on their own. The intervals are those of `bootstrapInterval` with the same options, resample by resample:
 * here one pass over sorted scores with their counts gives all of them, so that nothing is sorted again. O(resamples · n).
 *
 * @throws RangeError for an empty group or a NaN
 */
export function separation(
  positives: ArrayLike<number>,
  negatives: ArrayLike<number>,
  fprs: readonly number[],
  { resamples = 2000, seed = 0, level = 0.95 }: BootstrapOptions = {},
): Separation {
  const groups = [positives, negatives] as const;
  const sorted = groups.map((group) => sortedScores(group, 'separation')) as [Float64Array, Float64Array];
  const steps = stepsOf(sorted);
  const places = groups.map((group, g) => placesOf(group, sorted[g]!));
  const random = createRandom(seed);
  const drawn = Array.from({ length: 1 + fprs.length }, () => new Float64Array(resamples));
  const counts = sorted.map((group) => new Uint32Array(group.length));
  for (let r = 0; r < resamples; r++) {
    for (const [g, place] of places.entries()) {
      const count = counts[g]!.fill(0);
      for (let i = 0; i < place.length; i++) count[place[random.integer(place.length)]!]!++;
    }
    const { auc, tprs } = pass(steps, counts[0]!, counts[1]!, fprs);
    drawn[0]![r] = auc;
    tprs.forEach((tpr, i) => {
      drawn[i + 1]![r] = tpr;
    });
  }
  const tail = (1 - level) / 2;
  const [aucInterval, ...intervals] = drawn.map((values) => {
    values.sort();
    return { low: quantileOfSorted(values, tail), high: quantileOfSorted(values, 1 - tail) };
  });
  return {
    auc: rocAuc(positives, negatives),
    aucInterval: aucInterval!,
    rates: fprs.map((fpr, i) => {
      const told = negatives.length * fpr >= 1 - 1e-9;
      return {
        fpr,
        tpr: told ? tprAtFpr(positives, negatives, fpr) : null,
        interval: told ? intervals[i]! : null,
      };
    }),
  };
}

/** For each distinct score, descending: where its positives and its negatives begin in the sorted groups, ends exclusive. */
interface Step {
  readonly p: readonly [from: number, to: number];
  readonly n: readonly [from: number, to: number];
}

function stepsOf([p, n]: readonly [Float64Array, Float64Array]): Step[] {
  const steps: Step[] = [];
  let i = p.length;
  let j = n.length;
  while (i > 0 || j > 0) {
    const value = Math.max(i > 0 ? p[i - 1]! : -Infinity, j > 0 ? n[j - 1]! : -Infinity);
    const ends = [i, j] as const;
    while (i > 0 && p[i - 1] === value) i--;
    while (j > 0 && n[j - 1] === value) j--;
    steps.push({ p: [i, ends[0]], n: [j, ends[1]] });
  }
  return steps;
}

/** Where each value of a group stands in its sorted copy; equal values may share a place. */
function placesOf(group: ArrayLike<number>, sorted: Float64Array): Uint32Array {
  return Uint32Array.from({ length: group.length }, (_, i) => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle]! < group[i]!) low = middle + 1;
      else high = middle;
    }
    return low;
  });
}

function pass(steps: readonly Step[], p: Uint32Array, n: Uint32Array, fprs: readonly number[]) {
  let above = 0;
  let alarms = 0;
  let twiceWins = 0;
  const tprs = fprs.map(() => 0);
  for (const step of steps) {
    let found = 0;
    let wrong = 0;
    for (let i = step.p[0]; i < step.p[1]; i++) found += p[i]!;
    for (let i = step.n[0]; i < step.n[1]; i++) wrong += n[i]!;
    // Positives of this step win over all negatives that come below, and half of their equals.
    twiceWins += found * (2 * (n.length - alarms) - wrong);
    above += found;
    alarms += wrong;
    for (const [i, fpr] of fprs.entries()) if (alarms / n.length < fpr) tprs[i] = above / p.length;
  }
  return { auc: twiceWins / (2 * p.length * n.length), tprs };
}
