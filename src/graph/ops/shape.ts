import { int, intOf, ints, intsOf } from '../attributes.ts';
import { addOne, intVector } from '../build.ts';
import { knownContent, knownNumbers } from '../known.ts';
import type { Call } from '../registry.ts';
import { defineOps } from '../registry.ts';
import {
  axisOf,
  broadcastShapes,
  fail,
  formatShape,
  inversePermutation,
  operand,
  productDim,
  quotientDim,
  unknownDim,
} from '../shapes.ts';
import type { Dim, Shape, Value } from '../value.ts';
import { dimsVector, shapeVector, sumTo } from './common.ts';

/**
 * The same elements in another shape. A size may be −1 (what is left), or a symbol: one that stands at
 * the same place in x keeps its place, one other may take what is left, so a symbolic batch stays symbolic.
 */
export function reshape(x: Value, dims: Shape): Value {
  let open = dims.filter((dim) => dim === -1).length;
  const target = dims.map((dim, i) => {
    if (typeof dim === 'number') return dim;
    if (dim === x.shape[i]) return 0;
    open += 1;
    return -1;
  });
  if (open > 1)
    fail({ op: 'Reshape' }, `only one size may be open: ${formatShape(x.shape)} → ${formatShape(dims)}`);
  return addOne(x.graph, 'Reshape', [x, intVector(x.graph, target)]);
}

/** Gives x the shape of another value, symbols included. */
export function reshapeLike(x: Value, like: Value): Value {
  return addOne(x.graph, 'Reshape', [x, shapeVector(like)]);
}

/** Reorders the axes: axis i of the result is axis permutation[i] of x. */
export function transpose(x: Value, permutation: readonly number[]): Value {
  return addOne(x.graph, 'Transpose', [x], { perm: ints(permutation) });
}

/** Swaps the last two axes. */
export function swapLast(x: Value): Value {
  const rank = x.shape.length;
  return transpose(x, [...Array(rank - 2).keys(), rank - 1, rank - 2]);
}

/** Repeats x along axes of size 1 (and new leading ones) until it has the given sizes. */
export function expand(x: Value, dims: Shape): Value {
  const target = dimsVector(x.graph, dims);
  if (target === undefined) fail({ op: 'Expand' }, `needs numbers as sizes, got ${formatShape(dims)}`);
  return addOne(x.graph, 'Expand', [x, target]);
}

/** Repeats x until it has the shape of another value, symbols included. */
export function expandLike(x: Value, like: Value): Value {
  return addOne(x.graph, 'Expand', [x, shapeVector(like)]);
}

/** Inserts axes of size 1; axes count in the result's shape. */
export function unsqueeze(x: Value, axes: readonly number[]): Value {
  return addOne(x.graph, 'Unsqueeze', [x, intVector(x.graph, axes)]);
}

/** Removes axes of size 1. */
export function squeeze(x: Value, axes: readonly number[]): Value {
  return addOne(x.graph, 'Squeeze', [x, intVector(x.graph, axes)]);
}

/** Makes a matrix: axes before `axis` become rows, the others columns. */
export function flatten(x: Value, axis = 1): Value {
  return addOne(x.graph, 'Flatten', [x], { axis: int(axis) });
}

/** The shape of x as an int64 vector, at run time. */
export function shapeOf(x: Value): Value {
  return addOne(x.graph, 'Shape', [x]);
}

/** The axes that an input holds, which must be known; undefined when it is left out. */
export function axesOf(call: Call, inputIndex: number): readonly number[] | undefined {
  const value = call.inputs[inputIndex];
  if (value === undefined) return undefined;
  const axes = knownNumbers(value);
  if (axes === undefined)
    fail(call, `axes must be known when the graph is built, but "${value.name}" is computed`);
  return axes;
}

function reshapeTarget(call: Call, x: Value): Shape {
  const vector = operand(call, 1);
  const target = knownContent(vector);
  if (target === undefined) {
    const rank = vector.shape[0];
    if (typeof rank !== 'number') fail(call, `the rank of the target shape "${vector.name}" is not known`);
    return Array.from({ length: rank }, (_, i) => unknownDim(call, i));
  }
  const copyZeros = intOf(call, 'allowzero', 0) === 0;
  const dims: Dim[] = target.map((dim, i) => (dim === 0 && copyZeros ? (x.shape[i] ?? 0) : dim));
  const open = dims.indexOf(-1);
  const refuse = (): never =>
    fail(call, `cannot give ${formatShape(x.shape)} the shape ${formatShape(target)}`);
  if (open >= 0) {
    const rest = dims.filter((_, i) => i !== open);
    if (rest.includes(-1)) refuse();
    const left = quotientDim(x.shape, rest);
    const concrete = [...x.shape, ...rest].every((dim) => typeof dim === 'number');
    if (left === undefined && concrete) refuse();
    dims[open] = left ?? unknownDim(call, open);
  } else {
    const [from, to] = [productDim(x.shape), productDim(dims)];
    if (typeof from === 'number' && typeof to === 'number' && from !== to) refuse();
  }
  return dims;
}

defineOps({
  Reshape: {
    infer: (call) => {
      const x = operand(call, 0);
      return [{ dtype: x.dtype, shape: reshapeTarget(call, x), known: knownContent(x) }];
    },
    gradient: ({ dy, input }) => [reshapeLike(dy, input(0))],
  },
  Flatten: {
    infer: (call) => {
      const x = operand(call, 0);
      const axis = intOf(call, 'axis', 1);
      const at = axis < 0 ? axis + x.shape.length : axis;
      if (at < 0 || at > x.shape.length) fail(call, `axis ${axis} is outside ${formatShape(x.shape)}`);
      return [{ dtype: x.dtype, shape: [productDim(x.shape.slice(0, at)), productDim(x.shape.slice(at))] }];
    },
    gradient: ({ dy, input }) => [reshapeLike(dy, input(0))],
  },
  Transpose: {
    infer: (call) => {
      const x = operand(call, 0);
      const perm = permutationOf(call, x);
      if ([...perm].sort((a, b) => a - b).some((axis, i) => axis !== i) || perm.length !== x.shape.length)
        fail(call, `[${perm.join(', ')}] is not an order of the axes of ${formatShape(x.shape)}`);
      return [{ dtype: x.dtype, shape: perm.map((axis) => x.shape[axis]!) }];
    },
    gradient: ({ node, dy, input }) => [transpose(dy, inversePermutation(permutationOf(node, input(0))))],
  },
  Unsqueeze: {
    infer: (call) => {
      const x = operand(call, 0);
      const axes = axesOf(call, 1) ?? fail(call, 'needs axes');
      const rank = x.shape.length + axes.length;
      const inserted = new Set(axes.map((axis) => axisOf(call, axis, rank)));
      const rest = [...x.shape];
      const shape = Array.from({ length: rank }, (_, i) => (inserted.has(i) ? 1 : rest.shift()!));
      return [{ dtype: x.dtype, shape, known: knownContent(x) }];
    },
    gradient: ({ dy, input }) => [reshapeLike(dy, input(0))],
  },
  Squeeze: {
    infer: (call) => {
      const x = operand(call, 0);
      const axes = axesOf(call, 1);
      const gone = new Set(
        axes?.map((axis) => axisOf(call, axis, x.shape.length)) ??
          x.shape.flatMap((dim, i) => (dim === 1 ? [i] : [])),
      );
      for (const axis of gone)
        if (x.shape[axis] !== 1 && typeof x.shape[axis] === 'number')
          fail(call, `axis ${axis} of ${formatShape(x.shape)} is not of size 1`);
      return [{ dtype: x.dtype, shape: x.shape.filter((_, i) => !gone.has(i)), known: knownContent(x) }];
    },
    gradient: ({ dy, input }) => [reshapeLike(dy, input(0))],
  },
  Expand: {
    infer: (call) => {
      const x = operand(call, 0);
      const vector = operand(call, 1);
      let target = knownContent(vector);
      if (target === undefined) {
        const rank = vector.shape[0];
        if (typeof rank !== 'number')
          fail(call, `the rank of the target shape "${vector.name}" is not known`);
        target = Array.from({ length: rank }, (_, i) => unknownDim(call, i));
      }
      const shape = broadcastShapes(call, x.shape, target);
      const content = shape.length <= 1 ? knownContent(x) : undefined;
      const count = shape[0] ?? 1;
      const known =
        content?.length === 1 && typeof count === 'number' && count <= 64
          ? new Array<Dim>(count).fill(content[0]!)
          : undefined;
      return [{ dtype: x.dtype, shape, known }];
    },
    gradient: ({ dy, input }) => [sumTo(dy, input(0))],
  },
  Shape: {
    infer: (call) => {
      const shape = operand(call, 0).shape;
      const within = (axis: number) =>
        Math.min(Math.max(axis < 0 ? axis + shape.length : axis, 0), shape.length);
      const known = shape.slice(within(intOf(call, 'start', 0)), within(intOf(call, 'end', shape.length)));
      return [{ dtype: 'int64', shape: [known.length], known }];
    },
    gradient: 'none',
  },
  Size: {
    infer: (call) => [{ dtype: 'int64', shape: [], known: [productDim(operand(call, 0).shape)] }],
    gradient: 'none',
  },
});

function permutationOf(node: Parameters<typeof intsOf>[0], x: Value): readonly number[] {
  return intsOf(node, 'perm') ?? x.shape.map((_, i) => x.shape.length - 1 - i);
}
