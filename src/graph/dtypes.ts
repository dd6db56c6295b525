import { VerbatimError } from '../errors.ts';
import type { DType } from '../math/index.ts';

/** ONNX's TensorProto.DataType numbers of the element types that we hold. */
export const DTYPE_CODES: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
};

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
