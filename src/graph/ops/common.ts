import { int } from '../attributes.ts';
import { addOne, intVector, scalar } from '../build.ts';
import { knownContent } from '../known.ts';
import type { Call, OpRule, OutputType } from '../registry.ts';
import { broadcastShapes, fail, formatShape, isConcrete, operand, sameShape } from '../shapes.ts';
import type { Attributes, Dim, Graph, Shape, Value } from '../value.ts';

/** What builder functions take where a number makes sense; numbers become scalars of the other side's type. */
export type Operand = Value | number;

/** The first of some operands that is a value, whose graph and element type the numbers follow. */
export function leader(op: string, ...operands: readonly Operand[]): Value {
  for (const one of operands) if (typeof one !== 'number') return one;
  fail({ op }, 'needs at least one value among its operands');
}

/** An operand as a value; a number becomes a scalar constant in `like`'s graph and element type. */
export function asValue(one: Operand, like: Value): Value {
  return typeof one === 'number' ? scalar(like.graph, one, like.dtype) : one;
}

/** Adds a node of one input and output. */
export function unaryNode(op: string, x: Value, attributes: Attributes = {}): Value {
  return addOne(x.graph, op, [x], attributes);
}

/** Adds a node of two operands, of which one may be a number. */
export function binaryNode(op: string, a: Operand, b: Operand): Value {
  const like = leader(op, a, b);
  return addOne(like.graph, op, [asValue(a, like), asValue(b, like)]);
}

/** The output has the type and shape of the first input. */
export function likeFirst(call: Call): readonly OutputType[] {
  const x = operand(call, 0);
  return [{ dtype: x.dtype, shape: x.shape }];
}

/** A rule for an operator that works on each element of its first input. */
export function elementwiseRule(gradient?: OpRule['gradient'], fold?: (x: number) => number): OpRule {
  return {
    ...(gradient === undefined ? {} : { gradient }),
    infer: (call) => {
      const x = operand(call, 0);
      const known = fold && knownContent(x);
      const folded = known?.every((dim) => typeof dim === 'number')
        ? (known as number[]).map(fold!)
        : undefined;
      return [{ dtype: x.dtype, shape: x.shape, known: folded }];
    },
  };
}

/** Applies `fold` to known contents that broadcast: equal lengths, or one of them a single number. */
export function foldPair(
  a: readonly Dim[] | undefined,
  b: readonly Dim[] | undefined,
  fold: (a: Dim, b: Dim) => Dim | undefined,
): readonly Dim[] | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a.length !== b.length && a.length !== 1 && b.length !== 1) return undefined;
  const result: Dim[] = [];
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const one = fold(a[a.length === 1 ? 0 : i]!, b[b.length === 1 ? 0 : i]!);
    if (one === undefined) return undefined;
    result.push(one);
  }
  return result;
}

/** Broadcast shape of all inputs. */
export function broadcastAll(call: Call, values: readonly Value[]): Shape {
  return values.reduce<Shape>((shape, value) => broadcastShapes(call, shape, value.shape), []);
}

/** The value's shape as an int64 vector: a constant where all sizes are numbers, a Shape node otherwise. */
export function shapeVector(x: Value): Value {
  return dimsVector(x.graph, x.shape) ?? addOne(x.graph, 'Shape', [x]);
}

/** Sizes as an int64 vector constant; undefined when one is a symbol. */
export function dimsVector(graph: Graph, shape: Shape): Value | undefined {
  if (!isConcrete(shape)) return undefined;
  return intVector(graph, shape);
}

/** A tensor of `like`'s shape that holds one number everywhere. */
export function filled(like: Value, value: number): Value {
  const one = scalar(like.graph, value, like.dtype);
  return like.shape.length === 0 ? one : addOne(like.graph, 'Expand', [one, shapeVector(like)]);
}

/** Refuses a value whose rank is not the expected one. */
export function expectRank(call: { readonly op: string }, x: Value, rank: number, what: string): void {
  if (x.shape.length !== rank)
    fail(call, `${what} must have ${rank} sizes, but has shape ${formatShape(x.shape)}`);
}

/**
 * Sums a gradient over the axes along which an operand was repeated by broadcasting, so that it has the
 * operand's shape again. The one place that knows how broadcasting goes back.
 */
export function sumTo(gradient: Value, operand: Value): Value {
  const [from, to] = [gradient.shape, operand.shape];
  if (sameShape(from, to)) return gradient;
  const lead = from.length - to.length;
  const axes: number[] = [];
  from.forEach((dim, i) => {
    const target = i < lead ? undefined : to[i - lead];
    if (target === dim) return;
    if (target !== undefined && target !== 1)
      fail(
        { op: 'gradients' },
        `cannot tell whether ${formatShape(to)} was repeated to ${formatShape(from)}; give the symbolic sizes numbers`,
      );
    axes.push(i);
  });
  const summed = sumKeeping(gradient, axes);
  return lead === 0 ? summed : addOne(summed.graph, 'Reshape', [summed, shapeVector(operand)]);
}

/**
 * Sum over ascending axes, which stay as size 1. The last axes go first: in one pass over [n, c, h, w]
 * the sum over n, h and w takes twice as long as the sum over h and w and then over n.
 */
function sumKeeping(x: Value, axes: readonly number[]): Value {
  const rank = x.shape.length;
  const isLast = (axis: number, i: number) => axes.length - i === rank - axis;
  const lists = [axes.filter(isLast), axes.filter((axis, i) => !isLast(axis, i))];
  return lists
    .filter((list) => list.length > 0)
    .reduce(
      (sum, list) => addOne(x.graph, 'ReduceSum', [sum, intVector(x.graph, list)], { keepdims: int(1) }),
      x,
    );
}
