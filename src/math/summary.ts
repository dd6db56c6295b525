/** The arithmetic mean; NaN for no values, as numpy has it. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/**
 * The standard deviation in two passes. `degreesOfFreedomLost` is numpy's ddof: 0 (default) for the
 * population's, 1 for the sample's. NaN when no degree of freedom is left.
 */
export function standardDeviation(values: ArrayLike<number>, degreesOfFreedomLost = 0): number {
  const divisor = values.length - degreesOfFreedomLost;
  if (divisor <= 0) return Number.NaN;
  const centre = mean(values);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i]! - centre) ** 2;
  return Math.sqrt(sum / divisor);
}

/**
 * The q-quantile, 0 ≤ q ≤ 1, with numpy's default "linear" rule: the value at position q·(n−1) of the
 * sorted values, interpolated between its two neighbours. Throws RangeError for no values, a NaN, or
 * a q outside [0, 1].
 */
export function quantile(values: ArrayLike<number>, q: number): number {
  if (!(q >= 0 && q <= 1)) throw new RangeError(`A quantile's level lies in [0, 1]; got ${q}.`);
  return quantileOfSorted(sortedScores(values, 'quantile'), q);
}

/** As `quantile`, over values that are already in ascending order. */
export function quantileOfSorted(sorted: Float64Array, q: number): number {
  const position = q * (sorted.length - 1);
  const index = Math.floor(position);
  const low = sorted[index]!;
  const high = sorted[Math.min(index + 1, sorted.length - 1)]!;
  const fraction = position - index;
  if (low === high) return low;
  // numpy interpolates from the nearer end, which keeps the result monotone in q.
  return fraction < 0.5 ? low + (high - low) * fraction : high - (high - low) * (1 - fraction);
}

/** An ascending copy. Throws RangeError for no values or a NaN, which has no place in an order. */
export function sortedScores(values: ArrayLike<number>, what: string): Float64Array {
  if (values.length === 0) throw new RangeError(`${what}: there are no values.`);
  const sorted = Float64Array.from(values);
  const missing = sorted.findIndex(Number.isNaN);
  if (missing >= 0) throw new RangeError(`${what}: value ${missing} is not a number; leave failed rows out.`);
  return sorted.sort();
}

/** The inner product of two vectors of one length, summed in double precision. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  checkLengths(a, b);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Σ(a − b)², in double precision; the vectors have one length. */
export function squaredDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  checkLengths(a, b);
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! - b[i]!;
    sum += difference * difference;
  }
  return sum;
}

function checkLengths(a: ArrayLike<number>, b: ArrayLike<number>): void {
  if (a.length !== b.length)
    throw new RangeError(`Vectors of ${a.length} and ${b.length} values do not pair.`);
}
