import { sortedScores } from './summary.ts';

/**
 * How sure a high score is: p-values against scores that are known to mean nothing, and which of many to believe at a given
 * rate of false discoveries. Everywhere a higher score speaks more strongly against the null hypothesis.
 */

/** The smallest p-value that so many null scores can give: 1 / (n + 1). */
export function smallestPValue(nullScores: number): number {
  return 1 / (nullScores + 1);
}

/**
 * The p-value of each score against scores of the null hypothesis: (1 + #{null ≥ score}) / (n + 1), within
 * [1 / (n + 1), 1]. Where a true null's score and the n null scores are exchangeable, P(p ≤ a) ≤ a for every a and every n,
 * whatever the distribution: no limit theorem is asked (conformal p-values; Vovk, Gammerman & Shafer 2005, Davison &
 * Hinkley 1997, eq. 4.11). A null score that equals the score counts against it, so ties make the p-value larger, never
 * too small.
 *
 * @throws RangeError without null scores, or for a NaN on either side: failed rows are left out by the caller, and counted
 */
export function empiricalPValues(nullScores: ArrayLike<number>, scores: ArrayLike<number>): Float64Array {
  const sorted = sortedScores(nullScores, 'empiricalPValues, null scores');
  const n = sorted.length;
  return Float64Array.from({ length: scores.length }, (_, i) => {
    const score = scores[i]!;
    if (Number.isNaN(score))
      throw new RangeError(`empiricalPValues: score ${i} is not a number; leave failed rows out.`);
    return (1 + n - countBelow(sorted, score)) / (n + 1);
  });
}

/** How many of some ascending values lie strictly below a value. */
function countBelow(sorted: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Which null hypotheses a procedure rejects at a rate of false discoveries. */
export interface Discoveries {
  /** 1 where the null hypothesis is rejected, in the order of input. */
  readonly rejected: Uint8Array;
  /** How many are. */
  readonly count: number;
  /**
   * The smallest rate at which each would be rejected, at most 1 (the adjusted p-value): never smaller than the p-value, and
   * in the same order.
   */
  readonly qValues: Float64Array;
}

export interface DiscoveryOptions {
  /**
   * How the p-values may depend on each other. 'positive' (default): independent, or positively dependent on each true null
   * (PRDS). 'any': no matter how, at the price of the factor 1 + 1/2 + … + 1/m.
   */
  readonly dependence?: 'positive' | 'any';
}

/**
 * Benjamini and Hochberg's step-up procedure (1995): rejects the k smallest of m p-values, k the largest with
 * p₍ₖ₎ ≤ rate · k / m. The expected share of true nulls among the rejected is then at most rate · m₀ / m, m₀ the number of
 * true nulls. With `dependence: 'any'` that of Benjamini and Yekutieli (2001), whose bound is divided by 1 + 1/2 + … + 1/m.
 *
 * P-values that were taken against the same null scores depend on each other: a null sample that came out high makes all of
 * them large. They are PRDS, positively dependent on every true null (Bates, Candès, Lei, Romano & Sesia 2023, "Testing for
 * outliers with conformal p-values", theorem 2), and under PRDS the bound of 1995 holds (Benjamini & Yekutieli 2001). So the
 * default suffices for them.
 *
 * @param pValues each within [0, 1]; none gives no discovery
 * @param rate within (0, 1)
 * @throws RangeError for anything else
 */
export function benjaminiHochberg(
  pValues: ArrayLike<number>,
  rate: number,
  { dependence = 'positive' }: DiscoveryOptions = {},
): Discoveries {
  if (!(rate > 0 && rate < 1))
    throw new RangeError(`A rate of false discoveries lies inside (0, 1); got ${rate}.`);
  const m = pValues.length;
  const order = Uint32Array.from({ length: m }, (_, i) => i);
  for (let i = 0; i < m; i++)
    if (!(pValues[i]! >= 0 && pValues[i]! <= 1))
      throw new RangeError(`A p-value lies within [0, 1]; value ${i} is ${pValues[i]}.`);
  order.sort((a, b) => pValues[a]! - pValues[b]! || a - b);
  const penalty = penaltyOf(m, dependence);
  const qValues = new Float64Array(m);
  let smallest = 1;
  for (let k = m; k >= 1; k--) {
    const at = order[k - 1]!;
    // m / k first: it is exactly 1 where all are rejected, and then q is p to the last bit.
    smallest = Math.min(smallest, pValues[at]! * (m / k) * penalty);
    qValues[at] = smallest;
  }
  // p ≤ rate · k / m as m · p / k ≤ rate: the same comparison as by the q-value, so that the two never disagree by a rounding.
  const rejected = Uint8Array.from(qValues, (q) => (q <= rate ? 1 : 0));
  return { rejected, count: rejected.reduce((sum, one) => sum + one, 0), qValues };
}

/** By what the bound is divided: 1 + 1/2 + … + 1/m where nothing is known of the dependence. */
function penaltyOf(tests: number, dependence: DiscoveryOptions['dependence']): number {
  let penalty = 1;
  if (dependence === 'any') for (let k = 2; k <= tests; k++) penalty += 1 / k;
  return penalty;
}

/**
 * How many of m scores must exceed all n null scores before the procedure can believe any of them: the least k with
 * 1 / (n + 1) ≤ rate · k / m (`dependence: 'any'`: over the penalty). More than m: no data whatever can make a discovery.
 */
export function fewestDiscoveries(
  nullScores: number,
  tests: number,
  rate: number,
  { dependence = 'positive' }: DiscoveryOptions = {},
): number {
  const least = (tests * smallestPValue(nullScores) * penaltyOf(tests, dependence)) / rate;
  // 1 / (19 + 1) is .05 but for the last bit.
  return Math.max(1, Math.ceil(least * (1 - 1e-12)));
}

/** The least number of null scores with which m scores can make a discovery at all: 1 / rate − 1, and more with a penalty. */
export function fewestNullScores(
  tests: number,
  rate: number,
  { dependence = 'positive' }: DiscoveryOptions = {},
): number {
  return Math.max(1, Math.ceil((penaltyOf(tests, dependence) / rate) * (1 - 1e-12)) - 1);
}
