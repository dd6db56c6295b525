import { sortedScores } from './summary.ts';

/**
 * How well a score separates positives from negatives. Everywhere a higher score means "positive".
 * NaN scores and empty groups throw RangeError: failed rows are left out by the caller, and counted.
 */

/**
 * Area under the ROC curve as the rank statistic P(positive > negative) + ½·P(equal)
 * (Mann–Whitney's U over the number of pairs). O(n log n).
 */
export function rocAuc(positives: ArrayLike<number>, negatives: ArrayLike<number>): number {
  const p = sortedScores(positives, 'rocAuc, positives');
  const n = sortedScores(negatives, 'rocAuc, negatives');
  let below = 0;
  let notAbove = 0;
  let twiceWins = 0;
  for (const score of p) {
    while (below < n.length && n[below]! < score) below++;
    while (notAbove < n.length && n[notAbove]! <= score) notAbove++;
    twiceWins += below + notAbove;
  }
  return twiceWins / (2 * p.length * n.length);
}

export interface RocCurve {
  /** Descending; a sample is called positive when its score is ≥ the threshold. The first is Infinity. */
  readonly thresholds: Float64Array;
  readonly falsePositiveRates: Float64Array;
  readonly truePositiveRates: Float64Array;
}

/** The ROC curve with one point per distinct score, from (0, 0) to (1, 1); no point is dropped. */
export function rocCurve(positives: ArrayLike<number>, negatives: ArrayLike<number>): RocCurve {
  const p = sortedScores(positives, 'rocCurve, positives');
  const n = sortedScores(negatives, 'rocCurve, negatives');
  const thresholds = [Number.POSITIVE_INFINITY];
  const falsePositiveRates = [0];
  const truePositiveRates = [0];
  let i = p.length;
  let j = n.length;
  while (i > 0 || j > 0) {
    const threshold = Math.max(i > 0 ? p[i - 1]! : -Infinity, j > 0 ? n[j - 1]! : -Infinity);
    while (i > 0 && p[i - 1] === threshold) i--;
    while (j > 0 && n[j - 1] === threshold) j--;
    thresholds.push(threshold);
    falsePositiveRates.push((n.length - j) / n.length);
    truePositiveRates.push((p.length - i) / p.length);
  }
  return {
    thresholds: Float64Array.from(thresholds),
    falsePositiveRates: Float64Array.from(falsePositiveRates),
    truePositiveRates: Float64Array.from(truePositiveRates),
  };
}

/**
 * True positive rate at a false positive rate, in the strict convention: the last point of the ROC
 * curve whose FPR lies strictly below `fpr`. With 100 negatives "at 1%" therefore means no false
 * positive at all. (The other convention in use, the point nearest to `fpr`, flatters.)
 */
export function tprAtFpr(positives: ArrayLike<number>, negatives: ArrayLike<number>, fpr: number): number {
  const curve = rocCurve(positives, negatives);
  let best = 0;
  for (let i = 0; i < curve.thresholds.length && curve.falsePositiveRates[i]! < fpr; i++)
    best = curve.truePositiveRates[i]!;
  return best;
}

/**
 * Indices by descending score; equal scores keep their order of input, so that a ranking is a
 * function of the table alone.
 */
export function rankDescending(scores: ArrayLike<number>): Uint32Array {
  const indices = Uint32Array.from({ length: scores.length }, (_, index) => index);
  for (let i = 0; i < scores.length; i++)
    if (Number.isNaN(scores[i]!)) throw new RangeError(`Score ${i} is not a number; leave failed rows out.`);
  return indices.sort((a, b) => {
    const x = scores[a]!;
    const y = scores[b]!;
    return x === y ? a - b : x > y ? -1 : 1;
  });
}

/**
 * precision[k−1] = share of positives among the k highest scores, k = 1…n. Ties as in `rankDescending`:
 * equal scores stand in their order of input.
 */
export function precisionCurve(
  scores: ArrayLike<number>,
  isPositive: ArrayLike<boolean | number>,
): Float64Array {
  if (scores.length !== isPositive.length)
    throw new RangeError(`${scores.length} scores do not pair with ${isPositive.length} labels.`);
  const order = rankDescending(scores);
  const precision = new Float64Array(order.length);
  let found = 0;
  for (let k = 0; k < order.length; k++) {
    if (isPositive[order[k]!]) found++;
    precision[k] = found / (k + 1);
  }
  return precision;
}

/** The share of positives among the k highest scores (1 ≤ k ≤ n); ties as in `rankDescending`. */
export function precisionAtK(
  scores: ArrayLike<number>,
  isPositive: ArrayLike<boolean | number>,
  k: number,
): number {
  if (!Number.isInteger(k) || k < 1 || k > scores.length)
    throw new RangeError(`precisionAtK: k must be an integer from 1 to ${scores.length}; got ${k}.`);
  return precisionCurve(scores, isPositive)[k - 1]!;
}

/**
 * Spearman's rank correlation of pairs, −1 to 1: Pearson's of the ranks, equal values sharing the mean of theirs (as
 * scipy.stats.spearmanr). NaN for fewer than two pairs, or where one side is constant; throws RangeError for a NaN.
 */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new RangeError(`${a.length} values do not pair with ${b.length}.`);
  const x = meanRanks(a);
  const y = meanRanks(b);
  // Ranks always have the same mean.
  const centre = (a.length + 1) / 2;
  let both = 0;
  let left = 0;
  let right = 0;
  for (let i = 0; i < x.length; i++) {
    both += (x[i]! - centre) * (y[i]! - centre);
    left += (x[i]! - centre) ** 2;
    right += (y[i]! - centre) ** 2;
  }
  return both / Math.sqrt(left * right);
}

/** 1 for the highest; equal values share the mean of their ranks. */
function meanRanks(values: ArrayLike<number>): Float64Array {
  const order = rankDescending(values);
  const ranks = new Float64Array(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let i = from; i < to; i++) ranks[order[i]!] = (from + 1 + to) / 2;
    from = to;
  }
  return ranks;
}
