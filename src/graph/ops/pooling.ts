import { elementCount } from '../../math/index.ts';
import { intOf, ints, intsOf } from '../attributes.ts';
import { addNode, addOne, constant } from '../build.ts';
import type { Backward, Call, OpRule } from '../registry.ts';
import { defineOps } from '../registry.ts';
import { concreteShape, fail, operand } from '../shapes.ts';
import type { Value } from '../value.ts';
import { mul } from './arithmetic.ts';
import { filled } from './common.ts';
import { scatterAdd } from './indexing.ts';
import { expandLike, reshape, reshapeLike } from './shape.ts';
import { slidDim, type Window, windowOf } from './window.ts';

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

/** How many pixels each window of a length covers, the border left out. */
function coverage(length: number, out: number, window: Window, i: number): number[] {
  return Array.from({ length: out }, (_, at) => {
    let count = 0;
    for (let k = 0; k < window.kernel[i]!; k++) {
      const place = at * window.strides[i]! - window.pads[i]! + k * window.dilations[i]!;
      if (place >= 0 && place < length) count += 1;
    }
    return count;
  });
}

/** Spreads each window's gradient evenly over its pixels: a transposed convolution of ones, channel by channel. */
function averageGradient({ node, dy, input }: Backward): (Value | undefined)[] {
  const x = input(0);
  const [height, width] = concreteShape(node, x.shape.slice(2)) as [number, number];
  const [down, across] = concreteShape(node, dy.shape.slice(2)) as [number, number];
  const kernel = intsOf(node, 'kernel_shape')!;
  const window = windowOf(node, x, kernel);
  if (kernel.length !== 2 || intOf(node, 'ceil_mode', 0) === 1)
    fail(node, 'has a gradient for pictures and ceil_mode 0 only');
  const [rows, columns] = [coverage(height, down, window, 0), coverage(width, across, window, 1)];
  const whole = kernel[0]! * kernel[1]!;
  const counted = intOf(node, 'count_include_pad', 0) === 1;
  const shares = Float32Array.from(rows.flatMap((a) => columns.map((b) => 1 / (counted ? whole : a * b))));
  const each = mul(dy, constant(dy.graph, { dtype: 'float32', shape: [down, across], data: shares }));
  const ones = constant(dy.graph, {
    dtype: 'float32',
    shape: [1, 1, kernel[0]!, kernel[1]!],
    data: new Float32Array(whole).fill(1),
  });
  const rest = [height, width].map((size, i) => {
    const reach = (kernel[i]! - 1) * window.dilations[i]! + 1;
    const out = i === 0 ? down : across;
    return size + window.pads[i]! + window.pads[i + 2]! - reach - (out - 1) * window.strides[i]!;
  });
  const spread = addOne(dy.graph, 'ConvTranspose', [reshape(each, [-1, 1, down, across]), ones], {
    kernel_shape: ints(kernel),
    strides: ints(window.strides),
    dilations: ints(window.dilations),
    pads: ints(window.pads),
    output_padding: ints(rest),
  });
  return [reshapeLike(spread, x)];
}

const globalRule: OpRule = {
  infer: (call) => {
    const x = operand(call, 0);
    return [{ dtype: x.dtype, shape: x.shape.map((dim, i) => (i < 2 ? dim : 1)) }];
  },
  gradient: ({ node, dy, input }) => {
    const count = elementCount(concreteShape(node, input(0).shape.slice(2)));
    return [expandLike(mul(dy, 1 / count), input(0))];
  },
};

defineOps({
  AveragePool: {
    infer: (call) => [{ dtype: operand(call, 0).dtype, shape: poolShape(call) }],
    gradient: averageGradient,
  },
  MaxPool: {
    infer: (call) => {
      const shape = poolShape(call);
      const first = { dtype: operand(call, 0).dtype, shape };
      return call.outputs === 2 ? [first, { dtype: 'int64', shape }] : [first];
    },
    // onnxruntime's indices count through the whole of x, so each maximum is found in x as one long row.
    gradient: ({ node, dy, input }) => {
      const x = input(0);
      const places = node.outputs[1] ?? addNode(x.graph, 'MaxPool', [x], node.attributes, { outputs: 2 })[1]!;
      const zeros = reshape(filled(x, 0), [-1]);
      return [reshapeLike(scatterAdd(zeros, reshape(places, [-1]), reshape(dy, [-1]), 0), x)];
    },
  },
  GlobalAveragePool: globalRule,
});
