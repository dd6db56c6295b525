import type { Picture } from '../images/index.ts';

/**
 * Turns pictures into something that can be compared: a vector whose dot product is the similarity, or a
 * string of bits whose Hamming distance is. One file each.
 */
export type Descriptor = VectorDescriptor | BitDescriptor;

interface DescriptorBase {
  /** Name and every option that decides the numbers: what has equal ids can be compared. */
  readonly id: string;
  /** Values of a vector, or bits. */
  readonly dimension: number;
  close(): Promise<void>;
}

export interface VectorDescriptor extends DescriptorBase {
  readonly kind: 'vector';
  /** Parts of equal length that split-product compares one by one; 1 for a vector that is one whole. */
  readonly chunks: number;
  /**
   * [pictures, dimension] float32, row-major, each chunk of length 1, or 0 where there is nothing to describe
   * (a picture of one colour has no structure). Pictures may differ in size.
   */
  describe(pictures: readonly Picture[]): Promise<Float32Array>;
}

export interface BitDescriptor extends DescriptorBase {
  readonly kind: 'bits';
  /** [pictures, dimension / 8] bytes, row-major, the first bit highest. Pictures may differ in size. */
  describe(pictures: readonly Picture[]): Promise<Uint8Array>;
}
