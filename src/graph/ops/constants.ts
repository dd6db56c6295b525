import { floatsOf, intsOf, tensorOf } from '../attributes.ts';
import { knownContent, knownNumbers, tensorNumbers } from '../known.ts';
import { defineOps } from '../registry.ts';
import { fail, operand, unknownDim } from '../shapes.ts';
import type { Dim } from '../value.ts';

defineOps({
  Constant: {
    gradient: 'none',
    infer: (call) => {
      const tensor = tensorOf(call, 'value');
      if (tensor !== undefined)
        return [{ dtype: tensor.dtype, shape: tensor.shape, known: tensorNumbers(tensor) }];
      const one = call.attributes['value_int'] ?? call.attributes['value_float'];
      if (one?.type === 'int') return [{ dtype: 'int64', shape: [], known: [one.value] }];
      if (one?.type === 'float') return [{ dtype: 'float32', shape: [], known: [one.value] }];
      const integers = intsOf(call, 'value_ints');
      if (integers !== undefined) return [{ dtype: 'int64', shape: [integers.length], known: integers }];
      const floats = floatsOf(call, 'value_floats');
      if (floats !== undefined) return [{ dtype: 'float32', shape: [floats.length], known: floats }];
      fail(call, 'needs a tensor, a number or a list of numbers as its value');
    },
  },
  ConstantOfShape: {
    gradient: 'none',
    infer: (call) => {
      const vector = operand(call, 0);
      const tensor = tensorOf(call, 'value');
      const rank = vector.shape[0];
      if (typeof rank !== 'number') fail(call, `the rank of the shape "${vector.name}" is not known`);
      const shape = knownContent(vector) ?? Array.from({ length: rank }, (_, i) => unknownDim(call, i));
      const one = tensor === undefined ? [0] : tensorNumbers(tensor);
      const count = shape.length === 0 ? 1 : shape.length === 1 ? shape[0]! : Number.POSITIVE_INFINITY;
      const known =
        one && typeof count === 'number' && count <= 64 ? new Array<Dim>(count).fill(one[0]!) : undefined;
      return [{ dtype: tensor?.dtype ?? 'float32', shape, known }];
    },
  },
  Range: {
    gradient: 'none',
    infer: (call) => {
      const [start, limit, delta] = [0, 1, 2].map((i) => operand(call, i));
      const [from, to, step] = [start, limit, delta].map((value) => knownNumbers(value)?.[0]);
      const dtype = start!.dtype;
      if (from !== undefined && to !== undefined && step !== undefined) {
        const count = Math.max(0, Math.ceil((to - from) / step));
        const known = count <= 1024 ? Array.from({ length: count }, (_, i) => from + i * step) : undefined;
        return [{ dtype, shape: [count], known }];
      }
      const end = knownContent(limit!)?.[0];
      return [{ dtype, shape: [from === 0 && step === 1 && end !== undefined ? end : unknownDim(call, 0)] }];
    },
  },
});
