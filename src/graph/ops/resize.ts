import { int, string, stringOf } from '../attributes.ts';
import { addOne, constant } from '../build.ts';
import { knownContent, knownNumbers } from '../known.ts';
import type { Call } from '../registry.ts';
import { defineOps } from '../registry.ts';
import { concreteShape, fail, formatShape, operand, productDim, unknownDim } from '../shapes.ts';
import type { Dim, Node, Value } from '../value.ts';
import { reduceSum } from './reduce.ts';
import { reshape, transpose } from './shape.ts';

/** Repeats each pixel of [n, c, h, w] `factor` times in both directions. */
export function upsampleNearest(x: Value, factor = 2): Value {
  const scales = constant(x.graph, {
    dtype: 'float32',
    shape: [4],
    data: Float32Array.of(1, 1, factor, factor),
  });
  return addOne(x.graph, 'Resize', [x, undefined, scales], {
    mode: string('nearest'),
    nearest_mode: string('floor'),
    coordinate_transformation_mode: string('asymmetric'),
  });
}

/** Moves blocks of channels into space: [n, c·b², h, w] → [n, c, h·b, w·b] in ONNX's DCR order. */
export function depthToSpace(x: Value, block: number): Value {
  return addOne(x.graph, 'DepthToSpace', [x], { blocksize: int(block) });
}

function blockOf(node: Call | Node): number {
  const attribute = node.attributes['blocksize'];
  return attribute?.type === 'int' ? attribute.value : fail(node, 'needs blocksize');
}

function resizedShape(call: Call, x: Value): readonly Dim[] {
  const sizes = call.inputs[3] === undefined ? undefined : knownContent(call.inputs[3]);
  if (sizes !== undefined) return sizes;
  const scales = knownNumbers(call.inputs[2]);
  if (scales === undefined || scales.length !== x.shape.length)
    return x.shape.map((_, i) => unknownDim(call, i));
  return x.shape.map((dim, i) => {
    if (typeof dim === 'number') return Math.floor(dim * scales[i]!);
    return Number.isInteger(scales[i]) ? productDim([dim, scales[i]!]) : unknownDim(call, i);
  });
}

defineOps({
  Resize: {
    infer: (call) => {
      const x = operand(call, 0);
      const shape = resizedShape(call, x);
      if (shape.length !== x.shape.length)
        fail(call, `cannot resize ${formatShape(x.shape)} to ${formatShape(shape)}`);
      return [{ dtype: x.dtype, shape }];
    },
    /** Nearest neighbour by whole factors: every pixel sums what its copies got. */
    gradient: ({ node, dy, input }) => {
      const from = concreteShape(node, input(0).shape);
      const to = concreteShape(node, node.outputs[0]!.shape);
      const factors = from.map((size, i) => to[i]! / size);
      if (stringOf(node, 'mode', 'nearest') !== 'nearest' || !factors.every(Number.isInteger))
        fail(
          node,
          `has a gradient only for nearest neighbours by whole factors, not ${formatShape(from)} → ${formatShape(to)}`,
        );
      const apart = reshape(
        dy,
        from.flatMap((size, i) => (factors[i] === 1 ? [size] : [size, factors[i]!])),
      );
      const axes: number[] = [];
      let axis = 0;
      for (const factor of factors) {
        if (factor !== 1) axes.push(++axis);
        axis += 1;
      }
      return [axes.length === 0 ? dy : reduceSum(apart, axes)];
    },
  },
  GridSample: {
    infer: (call) => {
      const [x, grid] = [operand(call, 0), operand(call, 1)];
      return [{ dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...grid.shape.slice(1, -1)] }];
    },
  },
  DepthToSpace: {
    infer: (call) => {
      const x = operand(call, 0);
      const block = blockOf(call);
      const [n, c, h, w] = x.shape;
      if (typeof c !== 'number' || c % block ** 2 !== 0)
        fail(call, `blocks of ${block} do not divide the channels of ${formatShape(x.shape)}`);
      return [
        { dtype: x.dtype, shape: [n!, c / block ** 2, productDim([h!, block]), productDim([w!, block])] },
      ];
    },
    gradient: ({ node, dy, input }) => {
      const block = blockOf(node);
      const [n, c, h, w] = concreteShape(node, input(0).shape) as [number, number, number, number];
      const apart = reshape(dy, [n, c / block ** 2, h, block, w, block]);
      const columnsFirst = stringOf(node, 'mode', 'DCR') === 'CRD';
      const order = columnsFirst ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4];
      return [reshape(transpose(apart, order), [n, c, h, w])];
    },
  },
  SpaceToDepth: {
    infer: (call) => {
      const x = operand(call, 0);
      const block = blockOf(call);
      const [n, c, h, w] = concreteShape(call, x.shape) as [number, number, number, number];
      return [{ dtype: x.dtype, shape: [n, c * block ** 2, h / block, w / block] }];
    },
    gradient: ({ node, dy }) => [depthToSpace(dy, blockOf(node))],
  },
});
