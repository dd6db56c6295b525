import { int, intOf } from '../attributes.ts';
import { addOne } from '../build.ts';
import type { Call } from '../registry.ts';
import { defineOps } from '../registry.ts';
import { axisOf, fail, operand } from '../shapes.ts';
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
  const x = node.inputs[0]!;
  const opset = x.graph.opset;
  const axis = axisOf(node, intOf(node, 'axis', opset < 13 ? 1 : -1), x.shape.length);
  // Before operator set 13 the axes from `axis` on were flattened into one.
  if (opset < 13 && axis !== x.shape.length - 1)
    fail(node, `in operator set ${opset} runs over several axes, for which there is no gradient`);
  return axis;
}

const likeInput = (call: Call) => {
  const x = operand(call, 0);
  axisOf(call, intOf(call, 'axis', x.graph.opset < 13 ? 1 : -1), x.shape.length);
  return [{ dtype: x.dtype, shape: x.shape }];
};

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
