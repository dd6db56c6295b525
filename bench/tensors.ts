import { elementCount, floatTensor, type Random, type Tensor } from '../src/math/index.ts';

/** Standard normal numbers, in the order in which `random` gives them. */
export function normalTensor(random: Random, shape: readonly number[]): Tensor<'float32'> {
  return floatTensor(
    shape,
    Float32Array.from({ length: elementCount(shape) }, () => random.normal()),
  );
}

/** The largest difference of two outputs of equal length, and the largest value of the second. */
export function difference(
  ours: ArrayLike<number>,
  theirs: ArrayLike<number>,
): { readonly worst: number; readonly largest: number } {
  let [worst, largest] = [0, 0];
  for (let i = 0; i < theirs.length; i++) {
    worst = Math.max(worst, Math.abs(ours[i]! - theirs[i]!));
    largest = Math.max(largest, Math.abs(theirs[i]!));
  }
  return { worst, largest };
}
