import { intOf, ints, intsOf } from '../attributes.ts';
import { addOne } from '../build.ts';
import type { Call, OpRule } from '../registry.ts';
import { defineOps } from '../registry.ts';
import { concreteShape, fail, operand } from '../shapes.ts';
import type { Value } from '../value.ts';
import { mul } from './arithmetic.ts';
import { slidDim, windowOf } from './convolution.ts';
import { expandLike } from './shape.ts';

export interface PoolOptions {
  readonly kernel: number;
  /** Default: the kernel's size. */
  readonly stride?: number;
  readonly padding?: number;
}

function poolNode(op: string, x: Value, { kernel, stride = kernel, padding = 0 }: PoolOptions): Value {
  return addOne(x.graph, op, [x], {
    kernel_shape: ints([kernel, kernel]),
    strides: ints([stride, stride]),
    pads: ints([padding, padding, padding, padding]),
  });
}

/** Mean of each window of a picture [n, c, h, w]; the padding does not count. */
export function averagePool(x: Value, options: PoolOptions): Value {
  return poolNode('AveragePool', x, options);
}

/** Largest element of each window of a picture [n, c, h, w]. */
export function maxPool(x: Value, options: PoolOptions): Value {
  return poolNode('MaxPool', x, options);
}

function poolShape(call: Call) {
  const x = operand(call, 0);
  const kernel = intsOf(call, 'kernel_shape') ?? fail(call, 'needs kernel_shape');
  const window = windowOf(call, x, kernel);
  const up = intOf(call, 'ceil_mode', 0) === 1;
  return [...x.shape.slice(0, 2), ...kernel.map((_, i) => slidDim(call, x.shape[i + 2]!, window, i, up))];
}

const globalRule: OpRule = {
  infer: (call) => {
    const x = operand(call, 0);
    return [{ dtype: x.dtype, shape: x.shape.map((dim, i) => (i < 2 ? dim : 1)) }];
  },
  gradient: ({ node, dy, input }) => {
    const count = concreteShape(node, input(0).shape.slice(2)).reduce((product, size) => product * size, 1);
    return [expandLike(mul(dy, 1 / count), input(0))];
  },
};

defineOps({
  AveragePool: {
    infer: (call) => [{ dtype: operand(call, 0).dtype, shape: poolShape(call) }],
  },
  MaxPool: {
    infer: (call) => {
      const shape = poolShape(call);
      const first = { dtype: operand(call, 0).dtype, shape };
      return call.outputs === 2 ? [first, { dtype: 'int64', shape }] : [first];
    },
  },
  GlobalAveragePool: globalRule,
});
