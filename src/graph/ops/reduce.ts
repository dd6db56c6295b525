import { elementCount } from '../../math/index.ts';
import { int, intOf } from '../attributes.ts';
import { addOne, intVector } from '../build.ts';
import type { Call, GradientRule, OpRule, OutputType } from '../registry.ts';
import { defineOps } from '../registry.ts';
import { axisOf, concreteShape, operand } from '../shapes.ts';
import type { Dim, Node, Value } from '../value.ts';
import { div, mul, sub } from './arithmetic.ts';
import { likeFirst } from './common.ts';
import { cast, equal, where } from './logic.ts';
import { axesOf, expandLike } from './shape.ts';
import { exp, neg, sign } from './unary.ts';

function reduction(op: string, x: Value, axes: readonly number[] | undefined, keepDims: boolean): Value {
  const inputs = axes === undefined ? [x] : [x, intVector(x.graph, axes)];
  return addOne(x.graph, op, inputs, { keepdims: int(keepDims ? 1 : 0) });
}

/** Sum over the given axes (default all), which stay as size 1 when `keepDims`. */
export function reduceSum(x: Value, axes?: readonly number[], keepDims = false): Value {
  return reduction('ReduceSum', x, axes, keepDims);
}

/** Mean over the given axes (default all). */
export function reduceMean(x: Value, axes?: readonly number[], keepDims = false): Value {
  return reduction('ReduceMean', x, axes, keepDims);
}

/** Largest element over the given axes (default all). */
export function reduceMax(x: Value, axes?: readonly number[], keepDims = false): Value {
  return reduction('ReduceMax', x, axes, keepDims);
}

/** Smallest element over the given axes (default all). */
export function reduceMin(x: Value, axes?: readonly number[], keepDims = false): Value {
  return reduction('ReduceMin', x, axes, keepDims);
}

/** Index (int64) of the largest element along an axis; the first of equals. */
export function argMax(x: Value, axis: number, keepDims = false): Value {
  return addOne(x.graph, 'ArgMax', [x], { axis: int(axis), keepdims: int(keepDims ? 1 : 0) });
}

/** Running sum along an axis. */
export function cumsum(x: Value, axis: number): Value {
  return addOne(x.graph, 'CumSum', [x, intVector(x.graph, [axis])]);
}

/** The axes that a reduction node sums over, positive; none listed means all, or none with noop_with_empty_axes. */
function reducedAxes(call: Call | Node): readonly number[] {
  const x = call.inputs[0]!;
  const rank = x.shape.length;
  const listed = axesOf(call as Call, 1);
  if (listed !== undefined && listed.length > 0) return listed.map((axis) => axisOf(call, axis, rank));
  return intOf(call, 'noop_with_empty_axes', 0) === 1 ? [] : [...Array(rank).keys()];
}

function reducedShape(x: Value, axes: readonly number[], keep: boolean): Dim[] {
  return x.shape.flatMap((dim, i) => (axes.includes(i) ? (keep ? [1] : []) : [dim]));
}

function inferReduced(call: Call): readonly OutputType[] {
  const x = operand(call, 0);
  return [{ dtype: x.dtype, shape: reducedShape(x, reducedAxes(call), intOf(call, 'keepdims', 1) === 1) }];
}

/** Gives a reduction's output, or its gradient, the axes of size 1 back that it may have dropped. */
function keepingAxes(node: Node, value: Value): Value {
  if (intOf(node, 'keepdims', 1) === 1) return value;
  const axes = reducedAxes(node);
  if (axes.length === 0) return value;
  return addOne(value.graph, 'Unsqueeze', [
    value,
    intVector(
      value.graph,
      [...axes].sort((a, b) => a - b),
    ),
  ]);
}

/** A reduction; its gradient is made of dy and y with their axes kept, which broadcast against x. */
function reduceRule(gradient: (dy: Value, x: Value, y: Value, node: Node) => Value): OpRule {
  const back: GradientRule = ({ node, dy, input }) => [
    gradient(keepingAxes(node, dy), input(0), keepingAxes(node, node.outputs[0]!), node),
  ];
  return { infer: inferReduced, gradient: back };
}

/** Extremes: elements that tie share the gradient. */
function extreme(dy: Value, x: Value, y: Value, node: Node): Value {
  const taken = cast(equal(x, y), x.dtype);
  const count = reduceSum(taken, reducedAxes(node), true);
  return mul(taken, div(dy, count));
}

const argRule: OpRule = {
  gradient: 'none',
  infer: (call) => {
    const x = operand(call, 0);
    const axis = axisOf(call, intOf(call, 'axis', 0), x.shape.length);
    return [{ dtype: 'int64', shape: reducedShape(x, [axis], intOf(call, 'keepdims', 1) === 1) }];
  },
};

defineOps({
  ReduceSum: reduceRule((dy, x) => expandLike(dy, x)),
  ReduceMean: reduceRule((dy, x, _y, node) => {
    const shape = concreteShape(
      node,
      reducedAxes(node).map((axis) => x.shape[axis]!),
    );
    return expandLike(mul(dy, 1 / elementCount(shape)), x);
  }),
  ReduceMax: reduceRule(extreme),
  ReduceMin: reduceRule(extreme),
  ReduceL1: reduceRule((dy, x) => mul(sign(x), dy)),
  // x / ‖x‖; zero where the norm is, as PyTorch has it.
  ReduceL2: reduceRule((dy, x, y) => mul(x, where(equal(y, 0), 0, div(dy, y)))),
  ReduceSumSquare: reduceRule((dy, x) => mul(x, mul(dy, 2))),
  ReduceLogSumExp: reduceRule((dy, x, y) => mul(exp(sub(x, y)), dy)),
  ReduceLogSum: reduceRule((dy, x, y) => expandLike(mul(dy, exp(neg(y))), x)),
  ReduceProd: { infer: inferReduced },
  ArgMax: argRule,
  ArgMin: argRule,
  CumSum: {
    infer: likeFirst,
    gradient: ({ node, dy }) => {
      const reverse = int(1 - intOf(node, 'reverse', 0));
      return [
        addOne(dy.graph, 'CumSum', [dy, node.inputs[1]], {
          reverse,
          exclusive: int(intOf(node, 'exclusive', 0)),
        }),
      ];
    },
  },
});
