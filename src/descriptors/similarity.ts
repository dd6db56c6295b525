import { dot } from '../math/index.ts';

/** Dot product of two rows; for descriptors' rows of length 1 their cosine, in [−1, 1]. */
export function cosineSimilarity(a: Float32Array, b: Float32Array): number {
  checkLengths(a, b);
  return dot(a, b);
}

/**
 * Split-product (Somepalli 2023): both vectors are cut into `chunks` equal parts, and the largest product of two
 * parts is the similarity, so that one part alone may be copied. 'same' compares parts at the same position
 * (the reference's `splitloss`), 'cross' all pairs of parts, for what reappears elsewhere.
 */
export function splitProduct(
  a: Float32Array,
  b: Float32Array,
  chunks: number,
  positions: 'same' | 'cross' = 'same',
): number {
  checkLengths(a, b);
  const length = a.length / chunks;
  if (!Number.isInteger(chunks) || chunks < 1 || !Number.isInteger(length))
    throw new RangeError(`${a.length} values cannot be cut into ${chunks} equal parts`);
  const part = (row: Float32Array, k: number) => row.subarray(k * length, (k + 1) * length);
  let best = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < chunks; k++) {
    const [from, to] = positions === 'same' ? [k, k + 1] : [0, chunks];
    for (let l = from; l < to; l++) best = Math.max(best, cosineSimilarity(part(a, k), part(b, l)));
  }
  return best;
}

/** How many bits of two packed strings differ. */
export function hammingDistance(a: Uint8Array, b: Uint8Array): number {
  checkLengths(a, b);
  let count = 0;
  for (let i = 0; i < a.length; i++) count += setBits[a[i]! ^ b[i]!]!;
  return count;
}

const setBits = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

function checkLengths(a: { readonly length: number }, b: { readonly length: number }): void {
  if (a.length !== b.length)
    throw new RangeError(`descriptions of ${a.length} and of ${b.length} values cannot be compared`);
}
