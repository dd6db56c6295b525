import type { DType } from '../math/index.ts';
import { fail } from './shapes.ts';

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

/** The element type of an ONNX number; refuses the ones that we do not hold. */
export function dtypeOfCode(call: { readonly op: string }, code: number): DType {
  for (const [dtype, number] of Object.entries(DTYPE_CODES)) if (number === code) return dtype as DType;
  fail(call, `element type ${code} of ONNX is not supported (see DTYPE_CODES in docs/graph.md)`);
}
