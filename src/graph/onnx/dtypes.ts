import { VerbatimError } from '../../errors.ts';
import type { DType, Tensor } from '../../math/index.ts';
import { DTYPE_CODES } from '../dtypes.ts';

/** ONNX's own names of all element types, to refuse the ones that we do not have by name. */
const ONNX_TYPE_NAMES = [
  'UNDEFINED',
  'FLOAT',
  'UINT8',
  'INT8',
  'UINT16',
  'INT16',
  'INT32',
  'INT64',
  'STRING',
  'BOOL',
  'FLOAT16',
  'DOUBLE',
  'UINT32',
  'UINT64',
  'COMPLEX64',
  'COMPLEX128',
  'BFLOAT16',
];
const DTYPE_OF = new Map(Object.entries(DTYPE_CODES).map(([dtype, code]) => [code, dtype as DType]));

/** Our dtype for an ONNX element type; `where` names the tensor for the error. */
export function dtypeOf(code: number | undefined, where: string): DType {
  const dtype = DTYPE_OF.get(code ?? 0);
  if (dtype) return dtype;
  const name = ONNX_TYPE_NAMES[code ?? 0] ?? `number ${code}`;
  throw new VerbatimError(
    `${where}: element type ${name} is not supported; supported are ${Object.keys(DTYPE_CODES).join(', ')}`,
  );
}

export const ELEMENT_BYTES: Readonly<Record<DType, number>> = {
  float32: 4,
  float16: 2,
  float64: 8,
  int8: 1,
  uint8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
};

const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
} as const;

/** A tensor over little-endian bytes, which are copied (their offset need not be aligned). */
export function tensorFromBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
  const copy = new ArrayBuffer(bytes.byteLength);
  new Uint8Array(copy).set(bytes);
  return { dtype, shape, data: new ARRAYS[dtype](copy) };
}

/** A tensor's content as bytes, without copying. Every platform of Node's that we support is little-endian. */
export function bytesOf(tensor: Tensor): Uint8Array {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
