import { float, floatOf, int, intOf } from '../attributes.ts';
import { addOne, scalar } from '../build.ts';
import { defineOps } from '../registry.ts';
import { broadcastShapes, fail, formatShape, operand, sameDType, sameShape } from '../shapes.ts';
import type { Dim, Node, Shape, Value } from '../value.ts';
import { add, mul } from './arithmetic.ts';
import { expectRank, sumTo } from './common.ts';
import { reshape, reshapeLike, swapLast, transpose } from './shape.ts';

/** Matrix product over the last two axes; leading axes broadcast. [.., m, k] · [.., k, n] → [.., m, n]. */
export function matmul(a: Value, b: Value): Value {
  return addOne(a.graph, 'MatMul', [a, b]);
}

export interface GemmOptions {
  readonly transA?: boolean;
  readonly transB?: boolean;
  readonly alpha?: number;
  readonly bias?: Value | undefined;
}

/** alpha · op(a) · op(b) + bias for matrices, where op may transpose. */
export function gemm(a: Value, b: Value, options: GemmOptions = {}): Value {
  return addOne(a.graph, 'Gemm', options.bias === undefined ? [a, b] : [a, b, options.bias], {
    transA: int(options.transA ? 1 : 0),
    transB: int(options.transB ? 1 : 0),
    ...(options.alpha === undefined ? {} : { alpha: float(options.alpha) }),
  });
}

/** A fully connected layer with PyTorch's weight layout: x [.., in], weight [out, in], bias [out] → [.., out]. */
export function linear(x: Value, weight: Value, bias?: Value): Value {
  expectRank({ op: 'linear' }, weight, 2, 'the weight [out, in]');
  const [size, inner] = weight.shape as [Dim, Dim];
  const last = x.shape.at(-1);
  if (last !== inner && typeof last === 'number' && typeof inner === 'number')
    fail(
      { op: 'linear' },
      `inner sizes differ: ${formatShape(x.shape)} · weight ${formatShape(weight.shape)}`,
    );
  if (x.shape.length === 2) return gemm(x, weight, { transB: true, bias });
  const lead = x.shape.slice(0, -1);
  // One symbolic size survives the way through a matrix; with more of them, MatMul keeps the shape by itself.
  if (
    x.shape.length > 2 &&
    lead.filter((dim) => typeof dim === 'string').length <= 1 &&
    typeof inner === 'number'
  ) {
    const rows = gemm(reshape(x, [-1, inner]), weight, { transB: true, bias });
    return reshape(rows, [...lead.map((dim) => (typeof dim === 'string' ? -1 : dim)), size]);
  }
  const product = matmul(x, transpose(weight, [1, 0]));
  return bias === undefined ? product : add(product, bias);
}

/**
 * Matrix product of whole numbers, exact in int32: (a − zeroPoint) · (b − zeroPointB) for a uint8 [.., m, k] and b int8
 * or uint8 [.., k, n]. Processors without a dot product of bytes add products with int8 in pairs of 16 bits and cut off
 * what does not fit: exact on all of them is what keeps a ≤ 127, or a b of uint8.
 */
export function matmulInteger(a: Value, b: Value, zeroPoint = 0, zeroPointB = 0): Value {
  const zeros = [scalar(a.graph, zeroPoint, a.dtype)];
  if (zeroPointB !== 0) zeros.push(scalar(b.graph, zeroPointB, b.dtype));
  return addOne(a.graph, 'MatMulInteger', [a, b, ...zeros]);
}

function matmulShape(call: { readonly op: string }, a: Shape, b: Shape): Shape {
  const refuse = (): never => fail(call, `inner sizes differ: ${formatShape(a)} · ${formatShape(b)}`);
  if (a.length === 0 || b.length === 0)
    fail(call, `scalars have no product: ${formatShape(a)} · ${formatShape(b)}`);
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  const [p, q] = [left.at(-1)!, right.at(-2)!];
  if (p !== q && typeof p === 'number' && typeof q === 'number') refuse();
  const lead = broadcastShapes(call, left.slice(0, -2), right.slice(0, -2));
  return [...lead, ...(a.length === 1 ? [] : [left.at(-2)!]), ...(b.length === 1 ? [] : [right.at(-1)!])];
}

/** Whether b is one matrix for all leading axes of a, so the product is one tall matrix product. */
function flattens(a: Value, b: Value): boolean {
  return (
    a.shape.length > 2 &&
    b.shape.length === 2 &&
    typeof b.shape[0] === 'number' &&
    typeof b.shape[1] === 'number'
  );
}

function matmulGradient(
  a: Value,
  b: Value,
  dy: Value,
  wantsA: boolean,
  wantsB: boolean,
): (Value | undefined)[] {
  if (a.shape.length === 1 || b.shape.length === 1) {
    const rows = a.shape.length === 1 ? addAxis(a, 0) : a;
    const columns = b.shape.length === 1 ? addAxis(b, b.shape.length) : b;
    let d = dy;
    if (b.shape.length === 1) d = addAxis(d, d.shape.length);
    if (a.shape.length === 1) d = addAxis(d, d.shape.length - 1);
    const [da, db] = matmulGradient(rows, columns, d, wantsA, wantsB);
    return [da && reshapeLike(da, a), db && reshapeLike(db, b)];
  }
  if (flattens(a, b)) {
    const [k, n] = b.shape as readonly [number, number];
    const rows = reshape(dy, [-1, n]);
    return [
      wantsA ? reshapeLike(gemm(rows, b, { transB: true }), a) : undefined,
      wantsB ? gemm(reshape(a, [-1, k]), rows, { transA: true }) : undefined,
    ];
  }
  return [
    wantsA ? sumTo(matmul(dy, swapLast(b)), a) : undefined,
    wantsB ? sumTo(matmul(swapLast(a), dy), b) : undefined,
  ];
}

function addAxis(x: Value, axis: number): Value {
  const shape: Dim[] = [...x.shape];
  shape.splice(axis, 0, 1);
  // Symbols keep their order; −1 stands for at most one of them.
  return reshape(x, shape);
}

function gemmParts(node: Node) {
  return {
    transA: intOf(node, 'transA', 0) === 1,
    transB: intOf(node, 'transB', 0) === 1,
    alpha: floatOf(node, 'alpha', 1),
    beta: floatOf(node, 'beta', 1),
  };
}

defineOps({
  MatMul: {
    infer: (call) => {
      const [a, b] = [operand(call, 0), operand(call, 1)];
      return [{ dtype: sameDType(call, [a, b]), shape: matmulShape(call, a.shape, b.shape) }];
    },
    gradient: ({ dy, input, wants }) => matmulGradient(input(0), input(1), dy, wants(0), wants(1)),
  },
  MatMulInteger: {
    infer: (call) => {
      const [a, b] = [operand(call, 0), operand(call, 1)];
      for (const { dtype } of [a, b])
        if (dtype !== 'int8' && dtype !== 'uint8') fail(call, `takes int8 and uint8, not ${dtype}`);
      return [{ dtype: 'int32', shape: matmulShape(call, a.shape, b.shape) }];
    },
  },
  Gemm: {
    infer: (call) => {
      const [a, b] = [operand(call, 0), operand(call, 1)];
      expectRank(call, a, 2, 'the first input');
      expectRank(call, b, 2, 'the second input');
      const [m, p] = intOf(call, 'transA', 0) === 1 ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!];
      const [q, n] = intOf(call, 'transB', 0) === 1 ? [b.shape[1]!, b.shape[0]!] : [b.shape[0]!, b.shape[1]!];
      if (p !== q && typeof p === 'number' && typeof q === 'number')
        fail(call, `inner sizes differ: ${formatShape(a.shape)} · ${formatShape(b.shape)}`);
      const shape = [m, n];
      const c = call.inputs[2];
      if (c !== undefined && !sameShape(broadcastShapes(call, shape, c.shape), shape))
        fail(call, `bias ${formatShape(c.shape)} does not broadcast to ${formatShape(shape)}`);
      return [{ dtype: sameDType(call, c === undefined ? [a, b] : [a, b, c]), shape }];
    },
    gradient: ({ node, dy, input, wants }) => {
      const { transA, transB, alpha, beta } = gemmParts(node);
      const [a, b] = [input(0), input(1)];
      const scaled = (value: Value, by: number) => (by === 1 ? value : mul(value, by));
      const da = () =>
        transA
          ? gemm(b, dy, { transA: transB, transB: true, alpha })
          : gemm(dy, b, { transB: !transB, alpha });
      const db = () =>
        transB
          ? gemm(dy, a, { transA: true, transB: transA, alpha })
          : gemm(a, dy, { transA: !transA, alpha });
      return [
        wants(0) ? da() : undefined,
        wants(1) ? db() : undefined,
        node.inputs[2] !== undefined && wants(2) ? scaled(sumTo(dy, input(2)), beta) : undefined,
      ];
    },
  },
});
