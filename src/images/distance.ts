import type { Mask } from './mask.ts';
import type { Picture } from './picture.ts';

/**
 * Σ(a − b)² over all 8-bit values of two pictures of one size: an integer, exact up to 2⁵³ (pictures of
 * 46,000 megapixels). Stops early and returns a number above `limit` once the sum exceeds it.
 */
export function squaredDifference(a: Picture, b: Picture, limit = Number.POSITIVE_INFINITY): number {
  checkSizes(a, b);
  const x = a.data;
  const y = b.data;
  let total = 0;
  for (let start = 0; start < x.length; start += 4096) {
    const end = Math.min(x.length, start + 4096);
    // 4,096 terms of at most 255² stay below 2³¹: this inner loop runs on small integers.
    let sum = 0;
    for (let i = start; i < end; i++) {
      const difference = x[i]! - y[i]!;
      sum += difference * difference;
    }
    total += sum;
    if (total > limit) return total;
  }
  return total;
}

/**
 * Σ(a − b)² over all values, taken in [0, 1]: the distance of the reference's labels (2.5e3 at 256 × 256).
 * Exact up to one division: the sum runs over integers. Sizes must agree.
 */
export function sumSquaredDifference(a: Picture, b: Picture): number {
  return squaredDifference(a, b) / (255 * 255);
}

/** √(mean (a − b)²) over all values in [0, 1]: Carlini's ℓ2, 0 … 1. */
export function rms(a: Picture, b: Picture): number {
  return Math.sqrt(sumSquaredDifference(a, b) / a.data.length);
}

/** Σ over the mask's pixels of (a − b)², values in [0, 1]. */
export function maskedSumSquaredDifference(a: Picture, b: Picture, mask: Mask): number {
  checkSizes(a, b);
  checkSizes(a, mask);
  let sum = 0;
  for (let pixel = 0; pixel < mask.data.length; pixel++) {
    if (mask.data[pixel] === 0) continue;
    for (let i = pixel * 3; i < pixel * 3 + 3; i++) {
      const difference = a.data[i]! - b.data[i]!;
      sum += difference * difference;
    }
  }
  return sum / (255 * 255);
}

/** `rms` over the mask's pixels alone; NaN for an empty mask. */
export function maskedRms(a: Picture, b: Picture, mask: Mask): number {
  let pixels = 0;
  for (const value of mask.data) pixels += value;
  return Math.sqrt(maskedSumSquaredDifference(a, b, mask) / (3 * pixels));
}

interface Sized {
  readonly width: number;
  readonly height: number;
}

function checkSizes(a: Sized, b: Sized): void {
  if (a.width !== b.width || a.height !== b.height)
    throw new RangeError(`Sizes ${a.width} × ${a.height} and ${b.width} × ${b.height} differ; resize first.`);
}
