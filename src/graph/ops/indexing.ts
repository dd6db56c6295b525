import { elementCount } from '../../math/index.ts';
import { int, intOf, string, stringOf } from '../attributes.ts';
import { addNode, addOne, intVector, scalar } from '../build.ts';
import { knownContent, knownNumbers } from '../known.ts';
import { defineOps } from '../registry.ts';
import { axisOf, concreteShape, fail, formatShape, operand, sameDType, unknownDim } from '../shapes.ts';
import type { Dim, Shape, Value } from '../value.ts';
import { mul } from './arithmetic.ts';
import { filled, likeFirst } from './common.ts';
import { expand, expandLike, reshape } from './shape.ts';

/** Rows of x along an axis by number: the axis is replaced by the shape of `indices` (int64 or int32). */
export function gather(x: Value, indices: Value, axis = 0): Value {
  return addOne(x.graph, 'Gather', [x, indices], { axis: int(axis) });
}

/** result[i][j] = x[indices[i][j]][j] for axis 0: one element of x per index. */
export function gatherElements(x: Value, indices: Value, axis: number): Value {
  return addOne(x.graph, 'GatherElements', [x, indices], { axis: int(axis) });
}

/** Adds each of `updates` to the element of x that its index names along an axis; equal indices accumulate. */
export function scatterAdd(x: Value, indices: Value, updates: Value, axis: number): Value {
  return addOne(x.graph, 'ScatterElements', [x, indices, updates], {
    axis: int(axis),
    reduction: string('add'),
  });
}

/** The k largest (or smallest) elements along an axis, in order, and their int64 indices. */
export function topK(x: Value, k: number, axis = -1, largest = true): { values: Value; indices: Value } {
  const [values, indices] = addNode(x.graph, 'TopK', [x, intVector(x.graph, [k])], {
    axis: int(axis),
    largest: int(largest ? 1 : 0),
    sorted: int(1),
  });
  return { values: values!, indices: indices! };
}

/** Zeros of a value's shape and type. */
function zerosLike(x: Value): Value {
  return filled(x, 0);
}

function gatherShape(x: Value, indices: Value, axis: number): Shape {
  return [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
}

defineOps({
  Gather: {
    infer: (call) => {
      const [x, indices] = [operand(call, 0), operand(call, 1)];
      const axis = axisOf(call, intOf(call, 'axis', 0), x.shape.length);
      const content = x.shape.length === 1 ? knownContent(x) : undefined;
      const chosen = knownNumbers(indices);
      const known: (Dim | undefined)[] | undefined =
        content && chosen?.map((i) => content[i < 0 ? i + content.length : i]);
      const whole = known?.every((dim) => dim !== undefined) ? (known as Dim[]) : undefined;
      return [{ dtype: x.dtype, shape: gatherShape(x, indices, axis), known: whole }];
    },
    /**
     * Rows are added back to where they came from by ScatterElements, on any axis and in a fixed order. For
     * 32 captions of 77 tokens and a table of 2048 × 128: 1.8 ms, against 15 ms as a one-hot product.
     */
    gradient: ({ node, dy, input }) => {
      const [x, indices] = [input(0), input(1)];
      const axis = axisOf(node, intOf(node, 'axis', 0), x.shape.length);
      const shape = concreteShape(node, x.shape);
      const count = elementCount(concreteShape(node, indices.shape));
      const updates = [...shape];
      updates[axis] = count;
      const column = shape.map((_, i) => (i === axis ? count : 1));
      const where = expand(reshape(indices, column), updates);
      return [scatterAdd(zerosLike(x), where, reshape(dy, updates), axis), undefined];
    },
  },
  GatherElements: {
    infer: (call) => {
      const [x, indices] = [operand(call, 0), operand(call, 1)];
      axisOf(call, intOf(call, 'axis', 0), x.shape.length);
      if (x.shape.length !== indices.shape.length)
        fail(call, `ranks differ: ${formatShape(x.shape)} and indices ${formatShape(indices.shape)}`);
      return [{ dtype: x.dtype, shape: indices.shape }];
    },
    gradient: ({ node, dy, input }) => [
      scatterAdd(zerosLike(input(0)), input(1), dy, intOf(node, 'axis', 0)),
      undefined,
    ],
  },
  GatherND: {
    infer: (call) => {
      const [x, indices] = [operand(call, 0), operand(call, 1)];
      const batch = intOf(call, 'batch_dims', 0);
      const depth = indices.shape.at(-1);
      if (typeof depth !== 'number')
        fail(call, `the last size of the indices ${formatShape(indices.shape)} must be known`);
      return [{ dtype: x.dtype, shape: [...indices.shape.slice(0, -1), ...x.shape.slice(batch + depth)] }];
    },
  },
  ScatterElements: {
    infer: (call) => {
      const [x, indices, updates] = [operand(call, 0), operand(call, 1), operand(call, 2)];
      if (indices.shape.length !== updates.shape.length)
        fail(call, `indices ${formatShape(indices.shape)} and updates ${formatShape(updates.shape)} differ`);
      return [{ dtype: sameDType(call, [x, updates]), shape: x.shape }];
    },
    gradient: ({ node, dy, input, wants }) => {
      const axis = intOf(node, 'axis', 0);
      const mode = stringOf(node, 'reduction', 'none');
      if (mode !== 'none' && mode !== 'add') fail(node, `has no gradient for reduction "${mode}"`);
      const kept = () => {
        const zeros = zerosLike(input(2));
        return addOne(dy.graph, 'ScatterElements', [dy, input(1), zeros], { axis: int(axis) });
      };
      return [
        wants(0) ? (mode === 'add' ? dy : kept()) : undefined,
        undefined,
        wants(2) ? gatherElements(dy, input(1), axis) : undefined,
      ];
    },
  },
  ScatterND: {
    infer: (call) => {
      const [x, updates] = [operand(call, 0), operand(call, 2)];
      return [{ dtype: sameDType(call, [x, updates]), shape: x.shape }];
    },
  },
  TopK: {
    infer: (call) => {
      const x = operand(call, 0);
      const axis = axisOf(call, intOf(call, 'axis', -1), x.shape.length);
      const k = knownContent(operand(call, 1))?.[0] ?? unknownDim(call, axis);
      const size = x.shape[axis]!;
      if (typeof k === 'number' && typeof size === 'number' && k > size)
        fail(call, `cannot take ${k} of the ${size} elements along axis ${axis} of ${formatShape(x.shape)}`);
      const shape = x.shape.map((dim, i) => (i === axis ? k : dim));
      return [
        { dtype: x.dtype, shape },
        { dtype: 'int64', shape },
      ];
    },
    gradient: ({ node, dy, input }) => {
      const axis = intOf(node, 'axis', -1);
      return [scatterAdd(zerosLike(input(0)), node.outputs[1]!, dy, axis), undefined];
    },
  },
  OneHot: {
    gradient: 'none',
    infer: (call) => {
      const [indices, values] = [operand(call, 0), operand(call, 2)];
      const rank = indices.shape.length + 1;
      const axis = axisOf(call, intOf(call, 'axis', -1), rank);
      const shape: Dim[] = [...indices.shape];
      shape.splice(axis, 0, knownContent(operand(call, 1))?.[0] ?? unknownDim(call, axis));
      return [{ dtype: values.dtype, shape }];
    },
  },
  Trilu: {
    infer: likeFirst,
    gradient: ({ node, dy, input }) => {
      const one = expandLike(scalar(dy.graph, 1, dy.dtype), input(0));
      const mask = addOne(dy.graph, 'Trilu', [one, node.inputs[1]], node.attributes);
      return [mul(dy, mask)];
    },
  },
  NonZero: {
    gradient: 'none',
    infer: (call) => {
      const x = operand(call, 0);
      return [{ dtype: 'int64', shape: [x.shape.length, unknownDim(call, 1)] }];
    },
  },
});
