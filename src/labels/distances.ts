import type { Picture } from '../images/index.ts';

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
