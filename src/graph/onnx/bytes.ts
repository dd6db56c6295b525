import { type DType, elementCount, type Tensor, TYPED_ARRAYS } from '../../math/index.ts';

/** What a tensor's content takes, in bytes. */
export function byteCount(dtype: DType, shape: readonly number[]): number {
  return elementCount(shape) * TYPED_ARRAYS[dtype].BYTES_PER_ELEMENT;
}

/** A tensor over little-endian bytes, which are copied (their offset need not be aligned). */
export function tensorFromBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
  const copy = new ArrayBuffer(bytes.byteLength);
  new Uint8Array(copy).set(bytes);
  return { dtype, shape, data: new TYPED_ARRAYS[dtype](copy) };
}

/** A tensor's content as bytes, without copying. Every platform of Node's that we support is little-endian. */
export function bytesOf(tensor: Tensor): Uint8Array {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
