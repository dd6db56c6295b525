import { int, intOf } from '../attributes.ts';
import { addOne } from '../build.ts';
import type { Call } from '../registry.ts';
import { defineOps } from '../registry.ts';
import { axisOf, operand } from '../shapes.ts';
import type { Node, Value } from '../value.ts';
import { mul, sub } from './arithmetic.ts';
import { reduceSum } from './reduce.ts';
import { exp } from './unary.ts';

/** e^x divided by its sum along an axis. */
export function softmax(x: Value, axis = -1): Value {
  return addOne(x.graph, 'Softmax', [x], { axis: int(axis) });
}

/** Logarithm of the softmax along an axis. */
export function logSoftmax(x: Value, axis = -1): Value {
  return addOne(x.graph, 'LogSoftmax', [x], { axis: int(axis) });
}

function softmaxAxis(node: Node | Call): number {
  return axisOf(node, intOf(node, 'axis', -1), node.inputs[0]!.shape.length);
}

function likeInput(call: Call) {
  const x = operand(call, 0);
  softmaxAxis(call);
  return [{ dtype: x.dtype, shape: x.shape }];
}

defineOps({
  Softmax: {
    infer: likeInput,
    // dx = y ⊙ (dy − Σ dy ⊙ y)
    gradient: ({ node, dy }) => {
      const y = node.outputs[0]!;
      return [mul(y, sub(dy, reduceSum(mul(dy, y), [softmaxAxis(node)], true)))];
    },
  },
  LogSoftmax: {
    infer: likeInput,
    gradient: ({ node, dy }) => {
      const probabilities = exp(node.outputs[0]!);
      return [sub(dy, mul(probabilities, reduceSum(dy, [softmaxAxis(node)], true)))];
    },
  },
});
