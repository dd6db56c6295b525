import { VerbatimError } from '../errors.ts';
import type { Picture } from '../images/index.ts';

/**
 * Σ (a − b)² over all 8-bit values of two pictures of one size: an integer, exact up to 2⁵³ (pictures of
 * 46,000 megapixels). Stops early and returns a number above `limit` once the sum exceeds it.
 * Throws a VerbatimError that names both sizes when they differ.
 */
export function squaredDifference(a: Picture, b: Picture, limit = Number.POSITIVE_INFINITY): number {
  if (a.width !== b.width || a.height !== b.height)
    throw new VerbatimError(
      `cannot compare a picture of ${a.width}×${a.height} with one of ${b.width}×${b.height}; bring both to one size`,
    );
  const x = a.data;
  const y = b.data;
  let total = 0;
  for (let start = 0; start < x.length; start += 4096) {
    const end = Math.min(x.length, start + 4096);
    // 4,096 terms of at most 255² stay below 2³¹: this inner loop runs on small integers.
    let sum = 0;
    for (let i = start; i < end; i++) {
      const d = x[i]! - y[i]!;
      sum += d * d;
    }
    total += sum;
    if (total > limit) return total;
  }
  return total;
}

/**
 * Root mean square of the difference with values in [0, 1], from Σ (a − b)² of 8-bit values: 0 for equal
 * pictures, 1 between black and white. The (ℓ2) distance of Carlini 2023 and Webster 2023.
 */
export function rmsOf(squared: number, values: number): number {
  return Math.sqrt(squared / values) / 255;
}

/** Standard deviation of a picture's values in [0, 1]: 0 for a plain grey one. */
export function deviationOf(picture: Picture): number {
  const { data } = picture;
  let sum = 0;
  let squares = 0;
  for (const value of data) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / data.length;
  return Math.sqrt(Math.max(0, squares / data.length - mean * mean)) / 255;
}
