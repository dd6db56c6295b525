import { int, intOf, string, stringOf } from '../attributes.ts';
import { addNode, addOne, intVector, scalar } from '../build.ts';
import { knownContent, knownNumbers } from '../known.ts';
import type { Call } from '../registry.ts';
import { defineOps } from '../registry.ts';
import {
  addDims,
  axisOf,
  concreteShape,
  fail,
  formatShape,
  operand,
  productDim,
  sameDType,
  unknownDim,
} from '../shapes.ts';
import type { Dim, Node, Value } from '../value.ts';
import { filled } from './common.ts';
import { reshape } from './shape.ts';

/** Joins values along an axis; all other sizes must agree. */
export function concat(values: readonly Value[], axis: number): Value {
  const first = values[0];
  if (first === undefined) fail({ op: 'Concat' }, 'needs at least one value');
  return values.length === 1 ? first : addOne(first.graph, 'Concat', values, { axis: int(axis) });
}

/** Cuts x along an axis into pieces of the given sizes. */
export function split(x: Value, sizes: readonly number[], axis: number): Value[] {
  return addNode(
    x.graph,
    'Split',
    [x, intVector(x.graph, sizes)],
    { axis: int(axis) },
    { outputs: sizes.length },
  );
}

export interface SliceRange {
  readonly axis: number;
  readonly start: number;
  /** First index that is left out; with a negative step use −Infinity to go down to index 0. */
  readonly end: number;
  /** Default 1; negative steps walk backwards. */
  readonly step?: number;
}

/** A part of x along one axis, as Python's x[start:end:step]: negative indices count from the end. */
export function slice(x: Value, range: SliceRange): Value {
  const bound = (i: number) => (Number.isFinite(i) ? i : i > 0 ? 2 ** 31 - 1 : -(2 ** 31));
  const vectors = [range.start, bound(range.end), range.axis, range.step ?? 1].map((n) =>
    intVector(x.graph, [n]),
  );
  return addOne(x.graph, 'Slice', [x, ...vectors]);
}

/**
 * Adds a border. `pads` holds what comes before each axis and then what comes after each
 * (2 × rank numbers, or for the last two axes [top, left, bottom, right]); negative numbers crop.
 */
export function pad(
  x: Value,
  pads: readonly number[],
  mode: 'constant' | 'reflect' | 'edge' = 'constant',
  value = 0,
): Value {
  const rank = x.shape.length;
  const lead = new Array<number>(Math.max(rank - 2, 0)).fill(0);
  const all =
    pads.length === 4 && rank > 2 ? [...lead, ...pads.slice(0, 2), ...lead, ...pads.slice(2)] : pads;
  const border = mode === 'constant' && value !== 0 ? scalar(x.graph, value, x.dtype) : undefined;
  const inputs = [x, intVector(x.graph, all), ...(border ? [border] : [])];
  return addOne(x.graph, 'Pad', inputs, { mode: string(mode) });
}

/** Repeats x along each axis. */
export function tile(x: Value, repeats: readonly number[]): Value {
  return addOne(x.graph, 'Tile', [x, intVector(x.graph, repeats)]);
}

/** What Split cuts: sizes along the axis, from the input, or equal parts. */
function splitSizes(call: Call, x: Value, axis: number): readonly Dim[] {
  const given = call.inputs[1];
  if (given !== undefined) {
    const sizes = knownContent(given);
    if (sizes === undefined)
      fail(call, `sizes must be known when the graph is built, but "${given.name}" is computed`);
    return sizes;
  }
  const parts = call.outputs ?? intOf(call, 'num_outputs', 1);
  const total = x.shape[axis]!;
  if (typeof total === 'string') return Array.from({ length: parts }, (_, i) => unknownDim(call, i));
  const size = Math.ceil(total / parts);
  return Array.from({ length: parts }, (_, i) => (i < parts - 1 ? size : total - size * (parts - 1)));
}

/** Start, end, axis and step of each cut axis. */
function sliceRanges(call: Call | Node, x: Value) {
  const read = (i: number): readonly Dim[] | undefined => {
    const value = call.inputs[i];
    return value && knownContent(value);
  };
  const axes = read(3);
  const count = typeof call.inputs[1]?.shape[0] === 'number' ? call.inputs[1].shape[0] : 0;
  const starts = read(1);
  const ends = read(2);
  if (call.inputs[3] !== undefined && axes === undefined)
    fail(call, `axes must be known when the graph is built, but "${call.inputs[3].name}" is computed`);
  const steps = read(4);
  const length = starts?.length ?? ends?.length ?? axes?.length ?? count;
  return Array.from({ length }, (_, i) => {
    const axis = axisOf(call, Number(axes?.[i] ?? i), x.shape.length);
    return {
      axis,
      start: starts?.[i],
      end: ends?.[i],
      step: call.inputs[4] === undefined ? 1 : steps?.[i],
    };
  });
}

/** Resolves Python-like bounds against a size: first index, number of indices, step. */
function resolveRange(size: number, start: number, end: number, step: number) {
  const clamp = (i: number, low: number, high: number) => Math.min(Math.max(i < 0 ? i + size : i, low), high);
  const first = step > 0 ? clamp(start, 0, size) : clamp(start, 0, size - 1);
  const last = step > 0 ? clamp(end, 0, size) : clamp(end, -1, size - 1);
  return { first, count: Math.max(0, Math.ceil((last - first) / step)), step };
}

function slicedDim(call: Call, size: Dim, range: ReturnType<typeof sliceRanges>[number], i: number): Dim {
  const { start, end, step } = range;
  if (
    typeof size === 'number' &&
    typeof start === 'number' &&
    typeof end === 'number' &&
    typeof step === 'number'
  )
    return resolveRange(size, start, end, step).count;
  if (start === 0 && step === 1 && (end === size || (typeof end === 'number' && end >= 2 ** 31 - 1)))
    return size;
  if (start === 0 && step === 1 && typeof end === 'string') return end;
  return unknownDim(call, i);
}

function padsOf(call: Call | Node, rank: number): readonly number[] {
  const pads = knownNumbers(call.inputs[1]);
  if (pads === undefined) fail(call, 'pads must be known when the graph is built');
  const axesInput = call.inputs[3];
  if (axesInput === undefined) {
    if (pads.length !== 2 * rank) fail(call, `${pads.length} pads do not fit a shape of ${rank} sizes`);
    return pads;
  }
  const axes = knownNumbers(axesInput) ?? fail(call, 'axes must be known when the graph is built');
  const all = new Array<number>(2 * rank).fill(0);
  axes.forEach((axis, i) => {
    const at = axisOf(call, axis, rank);
    all[at] = pads[i]!;
    all[at + rank] = pads[i + axes.length]!;
  });
  return all;
}

/** Puts dy back where a slice took it from, with zeros elsewhere. */
function unslice(node: Node, dy: Value, x: Value): Value {
  const rank = x.shape.length;
  let result = dy;
  const before = new Array<number>(rank).fill(0);
  const after = new Array<number>(rank).fill(0);
  for (const { axis, start, end, step } of sliceRanges(node, x)) {
    const size = x.shape[axis]!;
    if (size === dy.shape[axis] && step === 1) continue;
    if (
      typeof size !== 'number' ||
      typeof start !== 'number' ||
      typeof end !== 'number' ||
      typeof step !== 'number'
    )
      fail(
        node,
        `has a gradient only for known bounds; axis ${axis} of ${formatShape(x.shape)} is cut at run time`,
      );
    const range = resolveRange(size, start, end, step);
    if (step < 0) result = slice(result, { axis, start: -1, end: -Infinity, step: -1 });
    const stride = Math.abs(step);
    const first = step > 0 ? range.first : range.first - (range.count - 1) * stride;
    if (stride > 1) result = spread(result, axis, stride);
    before[axis] = first;
    after[axis] = size - first - range.count * stride;
  }
  return [...before, ...after].every((n) => n === 0) ? result : pad(result, [...before, ...after]);
}

/** Puts stride − 1 zeros behind each element along an axis. */
export function spread(x: Value, axis: number, stride: number): Value {
  const shape = concreteShape({ op: 'Slice' }, x.shape);
  const pads = new Array<number>(2 * (shape.length + 1)).fill(0);
  pads[shape.length + 1 + axis + 1] = stride - 1;
  const wide = pad(reshape(x, [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)]), pads);
  return reshape(
    wide,
    shape.map((size, i) => (i === axis ? size * stride : size)),
  );
}

defineOps({
  Concat: {
    infer: (call) => {
      const values = call.inputs.map((_, i) => operand(call, i));
      const first = operand(call, 0);
      const dtype = sameDType(call, values);
      const axis = axisOf(call, intOf(call, 'axis', 0), first.shape.length);
      const shape = [...first.shape];
      for (const value of values.slice(1)) {
        const fits =
          value.shape.length === shape.length &&
          value.shape.every(
            (dim, i) =>
              i === axis || dim === shape[i] || typeof dim === 'string' || typeof shape[i] === 'string',
          );
        if (!fits)
          fail(
            call,
            `sizes differ besides axis ${axis}: ${formatShape(first.shape)} and ${formatShape(value.shape)}`,
          );
        shape[axis] = addDims(shape[axis]!, value.shape[axis]!);
      }
      const contents = shape.length === 1 ? values.map((value) => knownContent(value)) : [];
      const known =
        contents.length > 0 && contents.every((content) => content !== undefined)
          ? (contents as (readonly Dim[])[]).flat()
          : undefined;
      return [{ dtype, shape, known }];
    },
    gradient: ({ node, dy, input }) => {
      if (node.inputs.length === 1) return [dy];
      const axis = axisOf(node, intOf(node, 'axis', 0), dy.shape.length);
      const sizes = concreteShape(
        node,
        node.inputs.map((_, i) => input(i).shape[axis]!),
      );
      return split(dy, sizes, axis);
    },
  },
  Split: {
    infer: (call) => {
      const x = operand(call, 0);
      const axis = axisOf(call, intOf(call, 'axis', 0), x.shape.length);
      const sizes = splitSizes(call, x, axis);
      const total = sizes.reduce<Dim>(addDims, 0);
      if (typeof total === 'number' && typeof x.shape[axis] === 'number' && total !== x.shape[axis])
        fail(call, `sizes [${sizes.join(', ')}] do not fill axis ${axis} of ${formatShape(x.shape)}`);
      const content = x.shape.length === 1 ? knownContent(x) : undefined;
      let start = 0;
      return sizes.map((size) => {
        const known = content && typeof size === 'number' ? content.slice(start, start + size) : undefined;
        start += Number(size);
        return { dtype: x.dtype, shape: x.shape.map((dim, i) => (i === axis ? size : dim)), known };
      });
    },
    gradient: ({ node, gradients, input }) => {
      const axis = axisOf(node, intOf(node, 'axis', 0), input(0).shape.length);
      return [
        concat(
          node.outputs.map((y, i) => gradients[i] ?? filled(y, 0)),
          axis,
        ),
      ];
    },
  },
  Slice: {
    infer: (call) => {
      const x = operand(call, 0);
      const ranges = sliceRanges(call, x);
      const shape = [...x.shape];
      ranges.forEach((range, i) => {
        shape[range.axis] = slicedDim(call, x.shape[range.axis]!, range, i);
      });
      const content = x.shape.length === 1 ? knownContent(x) : undefined;
      const { start, end, step } = ranges[0] ?? { start: 0, end: 2 ** 31, step: 1 };
      let known: readonly Dim[] | undefined;
      if (content && typeof start === 'number' && typeof end === 'number' && typeof step === 'number') {
        const range = resolveRange(content.length, start, end, step);
        known = Array.from({ length: range.count }, (_, i) => content[range.first + i * range.step]!);
      }
      return [{ dtype: x.dtype, shape, known }];
    },
    gradient: ({ node, dy, input }) => [unslice(node, dy, input(0))],
  },
  Pad: {
    infer: (call) => {
      const x = operand(call, 0);
      const rank = x.shape.length;
      const pads = padsOf(call, rank);
      const shape = x.shape.map((dim, i) => addDims(dim, pads[i]! + pads[i + rank]!));
      return [{ dtype: x.dtype, shape }];
    },
    gradient: ({ node, dy, input }) => {
      const mode = stringOf(node, 'mode', 'constant');
      if (mode !== 'constant') fail(node, `has no gradient for mode "${mode}", only for constant borders`);
      return [
        pad(
          dy,
          padsOf(node, input(0).shape.length).map((n) => (n === 0 ? 0 : -n)),
        ),
      ];
    },
  },
  Tile: {
    infer: (call) => {
      const x = operand(call, 0);
      const repeats = knownContent(operand(call, 1));
      const shape = x.shape.map((dim, i) =>
        repeats === undefined ? unknownDim(call, i) : productDim([dim, repeats[i] ?? 1]),
      );
      return [{ dtype: x.dtype, shape }];
    },
    gradient: ({ node, dy, input }) => {
      const shape = concreteShape(node, input(0).shape);
      const repeats = knownNumbers(node.inputs[1]) ?? fail(node, 'repeats must be known for a gradient');
      const apart = reshape(
        dy,
        shape.flatMap((size, i) => [repeats[i]!, size]),
      );
      const axes = intVector(
        dy.graph,
        shape.map((_, i) => 2 * i),
      );
      return [addOne(dy.graph, 'ReduceSum', [apart, axes], { keepdims: int(0) })];
    },
  },
});
