/** Element types, named as ONNX and safetensors users know them. */
export type DType = 'float32' | 'float16' | 'float64' | 'int8' | 'uint8' | 'int32' | 'int64' | 'bool';

/** The typed array that holds each dtype in memory; float16 as raw bits, bool as 0 or 1. */
export interface DTypeArrays {
  float32: Float32Array;
  float16: Uint16Array;
  float64: Float64Array;
  int8: Int8Array;
  uint8: Uint8Array;
  int32: Int32Array;
  int64: BigInt64Array;
  bool: Uint8Array;
}

/** The class of each dtype's array. */
export const TYPED_ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
} as const satisfies { readonly [D in DType]: new (buffer: ArrayBuffer) => DTypeArrays[D] };

/** A dense row-major array with concrete sizes: what enters and leaves a session, a weight, a fixture. */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: DTypeArrays[D];
}

/** Number of elements of a concrete shape; the empty shape is a scalar and has one. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

/** A float32 tensor over `data`, or zeros. Throws when the length does not fit the shape. */
export function floatTensor(shape: readonly number[], data?: Float32Array): Tensor<'float32'> {
  const count = elementCount(shape);
  const values = data ?? new Float32Array(count);
  if (values.length !== count)
    throw new RangeError(`${values.length} values do not fill shape [${shape.join(', ')}] of ${count}`);
  return { dtype: 'float32', shape, data: values };
}

/** A float32 tensor of the same shape with every value mapped. */
export function mapTensor(
  { shape, data }: Tensor<'float32'>,
  map: (value: number, index: number) => number,
): Tensor<'float32'> {
  return floatTensor(shape, data.map(map));
}
