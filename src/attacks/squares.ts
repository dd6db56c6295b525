import { sampleLength, type Tensor } from '../math/index.ts';

/**
 * Adds `weight · mean((a_i − b_i)²)` to sums[i] for every sample of a [n, …]; `b` may have batch 1, which
 * then serves all. Sums up in float64.
 */
export function addMeanSquares(
  sums: number[],
  a: Tensor<'float32'>,
  b: Tensor<'float32'>,
  weight: number,
): void {
  const length = sampleLength(a);
  const shared = b.shape[0] === 1;
  for (let i = 0; i < sums.length; i++) {
    const start = i * length;
    const offset = shared ? 0 : start;
    let sum = 0;
    for (let j = 0; j < length; j++) sum += (a.data[start + j]! - b.data[offset + j]!) ** 2;
    sums[i]! += (weight * sum) / length;
  }
}
