import type { Picture } from '../images/index.ts';
import type { Descriptor } from './types.ts';

/**
 * Pictures as rows whose dot product orders them, whatever the descriptor: [pictures, dimension] float32. A string of
 * d bits becomes d values ±1/√d, of which the product of two is 1 − 2·h/d for a Hamming distance h: so one
 * search serves vectors and hashes.
 */
export async function vectorsOf(descriptor: Descriptor, pictures: readonly Picture[]): Promise<Float32Array> {
  if (descriptor.kind === 'vector') return descriptor.describe(pictures);
  const bits = await descriptor.describe(pictures);
  const { dimension } = descriptor;
  const value = 1 / Math.sqrt(dimension);
  return Float32Array.from({ length: pictures.length * dimension }, (_, i) =>
    bits[i >> 3]! & (0x80 >> (i & 7)) ? value : -value,
  );
}
