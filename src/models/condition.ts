import { floatTensor, type Tensor } from '../math/index.ts';

/**
 * Stable Diffusion XL conditions on a sequence of states and on one pooled vector. Both travel as one tensor, so that
 * whatever handles conditions (guidance, batches, caches, attacks) need not know of it: the pooled vector stands, padded
 * with zeros, in extra rows behind the tokens.
 */
export function packCondition(states: Tensor<'float32'>, pooled: Tensor<'float32'>): Tensor<'float32'> {
  const [count, tokens, width] = states.shape as [number, number, number];
  const size = pooled.shape[1]!;
  const extra = Math.ceil(size / width);
  const packed = floatTensor([count, tokens + extra, width]);
  const length = (tokens + extra) * width;
  for (let n = 0; n < count; n++) {
    packed.data.set(states.data.subarray(n * tokens * width, (n + 1) * tokens * width), n * length);
    packed.data.set(pooled.data.subarray(n * size, (n + 1) * size), n * length + tokens * width);
  }
  return packed;
}

/** The inverse of `packCondition` for a pooled vector of `size` numbers: [n, tokens, width] and [n, size]. */
export function unpackCondition(
  packed: Tensor<'float32'>,
  size: number,
): { states: Tensor<'float32'>; pooled: Tensor<'float32'> } {
  const [count, rows, width] = packed.shape as [number, number, number];
  const tokens = rows - Math.ceil(size / width);
  if (tokens < 1)
    throw new RangeError(`a condition of [${packed.shape}] holds no pooled vector of ${size} numbers`);
  const states = floatTensor([count, tokens, width]);
  const pooled = floatTensor([count, size]);
  for (let n = 0; n < count; n++) {
    const from = n * rows * width;
    states.data.set(packed.data.subarray(from, from + tokens * width), n * tokens * width);
    pooled.data.set(packed.data.subarray(from + tokens * width, from + tokens * width + size), n * size);
  }
  return { states, pooled };
}
