import { elementCount } from '../../math/index.ts';
import { float, floatOf, int, intOf } from '../attributes.ts';
import { addNode, constantVector } from '../build.ts';
import { knownNumbers } from '../known.ts';
import type { Backward } from '../registry.ts';
import { axisOf, concreteShape } from '../shapes.ts';
import type { Node, Value } from '../value.ts';
import { add, addAll, mul, sub } from './arithmetic.ts';
import { sumTo } from './common.ts';
import { reduceMean, reduceSum } from './reduce.ts';
import { expandLike, reshape, reshapeLike } from './shape.ts';
import { neg, reciprocal, sqrt } from './unary.ts';

/** x with mean 0 and variance 1 over its last axis, and 1 / √(variance + ε) with that axis kept as 1. */
interface Normalized {
  readonly unit: Value;
  readonly inverseDeviation: Value;
}

/** Normalises rows with onnxruntime's LayerNormalization kernel, which also returns what the backward pass needs. */
function normalizeRows(x: Value, epsilon: number): Normalized & { readonly mean: Value } {
  const size = x.shape.at(-1) as number;
  const [unit, mean, inverseDeviation] = addNode(
    x.graph,
    'LayerNormalization',
    [x, constantVector(x.graph, size, 1)],
    { axis: int(-1), epsilon: float(epsilon) },
    { outputs: 3 },
  );
  return { unit: unit!, mean: mean!, inverseDeviation: inverseDeviation! };
}

/** Gradient by x of its normalised rows: (g − mean(g) − x̂ · mean(g x̂)) / σ, means over the last axis. */
function rowsGradient({ unit, inverseDeviation }: Normalized, g: Value): Value {
  const along = reduceMean(mul(g, unit), [-1], true);
  const level = reduceMean(g, [-1], true);
  return mul(sub(sub(g, mul(unit, along)), level), inverseDeviation);
}

/** [channels] as [channels, 1, …], which broadcasts against [n, channels, …]. */
function asColumn(vector: Value, rank: number): Value {
  const size = vector.shape[0]!;
  return reshape(vector, [size, ...new Array<number>(rank - 2).fill(1)]);
}

/**
 * Group normalisation of x [n, channels, …] with a scale and a bias per channel. With P = Σ dy and
 * Q = Σ dy·x over the pixels of each sample and channel, the gradients by scale and bias are sums over n,
 * and dx = A·dy + B·x + C, where A [n, channels], B and C [n, groups] are made of these small sums: five
 * passes over the data, as PyTorch's native_group_norm_backward arranges them.
 */
export function channelwiseGradient(
  { node, dy, input, wants }: Backward,
  groups: number,
  epsilon: number,
): (Value | undefined)[] {
  const x = input(0);
  const n = x.shape[0]!;
  const [channels, ...spatial] = concreteShape(node, x.shape.slice(1)) as [number, ...number[]];
  const share = channels / groups;
  const perGroup = share * elementCount(spatial);
  const { mean, inverseDeviation } = normalizeRows(reshape(x, [n, groups, perGroup]), epsilon);
  // Sums per sample and channel as [n, groups, channels of the group].
  const byChannel = (value: Value) =>
    reshape(
      spatial.length === 0
        ? value
        : reduceSum(
            value,
            spatial.map((_, i) => i + 2),
          ),
      [n, groups, share],
    );
  const p = byChannel(dy);
  const q = byChannel(mul(dy, x));
  // Σ dy·x̂ per sample and channel.
  const along = mul(sub(q, mul(mean, p)), inverseDeviation);
  const overSamples = (value: Value) => reshape(reduceSum(value, [0]), [channels]);
  let dx: Value | undefined;
  if (wants(0)) {
    const scale = reshape(input(1), [groups, share]);
    const meanOf = (value: Value) => mul(reduceSum(mul(value, scale), [2], true), 1 / perGroup);
    const a = mul(scale, inverseDeviation);
    const b = neg(mul(meanOf(along), mul(inverseDeviation, inverseDeviation)));
    const c = sub(neg(mul(meanOf(p), inverseDeviation)), mul(mean, b));
    const asColumns = (value: Value) => reshape(value, [n, channels, ...spatial.map(() => 1)]);
    const rows = [n, groups, perGroup];
    const slope = reshape(add(mul(reshape(x, rows), b), c), x.shape);
    dx = add(mul(dy, asColumns(a)), slope);
  }
  return [dx, wants(1) ? overSamples(along) : undefined, wants(2) ? overSamples(p) : undefined];
}

/**
 * Normalisation over groups of channels, with a scale and a bias per channel or per group: the common
 * form of instance and group normalisation.
 */
function groupsGradient(back: Backward, groups: number, perGroupScale: boolean): (Value | undefined)[] {
  const { node, dy, input, wants } = back;
  const x = input(0);
  const [channels, ...spatial] = concreteShape(node, x.shape.slice(1)) as [number, ...number[]];
  const perGroup = (channels / groups) * elementCount(spatial);
  const rows = [x.shape[0]!, groups, perGroup];
  const stats = normalizeRows(reshape(x, rows), floatOf(node, 'epsilon', 1e-5));
  // Scale and bias belong to axis 1 of this view of x.
  const view = perGroupScale ? rows : x.shape;
  const d = reshape(dy, view);
  const unit = reshape(stats.unit, view);
  const rest = view.flatMap((_, i) => (i === 1 ? [] : [i]));
  const g = wants(0) ? reshape(mul(d, asColumn(input(1), view.length)), rows) : undefined;
  return [
    g && reshapeLike(rowsGradient(stats, g), x),
    wants(1) ? reduceSum(mul(d, unit), rest) : undefined,
    wants(2) ? reduceSum(d, rest) : undefined,
  ];
}

export function instanceNormGradient(back: Backward): (Value | undefined)[] {
  const [channels] = concreteShape(back.node, [back.input(0).shape[1]!]);
  return groupsGradient(back, channels!, false);
}

export function groupNormGradient(back: Backward): (Value | undefined)[] {
  return groupsGradient(back, intOf(back.node, 'num_groups', 1), back.graph.opset < 21);
}

/** Whether a value is a constant that is 1 everywhere, as far as one can see. */
function isOnes(value: Value): boolean {
  return knownNumbers(value)?.every((number) => number === 1) ?? false;
}

/** The normalised rows of a LayerNormalization node: its own outputs where they can be had, else computed again. */
function layerStats(node: Node, rows: Value, scale: Value): Normalized {
  const [y, , inverseDeviation] = node.outputs;
  const direct = rows === node.inputs[0] && inverseDeviation !== undefined && node.inputs[2] === undefined;
  if (direct && isOnes(scale)) return { unit: y!, inverseDeviation };
  return normalizeRows(rows, floatOf(node, 'epsilon', 1e-5));
}

/**
 * Gradient by the rows of what LayerNormalization may return beside y: by the mean m, 1/n, and by
 * r = 1 / √(variance + ε), −r² x̂ / n. Second derivatives pass here.
 */
function momentsGradient(gradients: Backward['gradients'], { unit, inverseDeviation }: Normalized): Value[] {
  const share = 1 / (unit.shape.at(-1) as number);
  const [, byMean, byInverse] = gradients;
  const parts: Value[] = [];
  if (byMean !== undefined) parts.push(expandLike(mul(byMean, share), unit));
  if (byInverse !== undefined) {
    const square = mul(inverseDeviation, inverseDeviation);
    parts.push(mul(unit, mul(mul(byInverse, square), -share)));
  }
  return parts;
}

export function layerNormGradient({ node, gradients, input, wants }: Backward): (Value | undefined)[] {
  const x = input(0);
  const scale = input(1);
  const dy = gradients[0];
  const axis = axisOf(node, intOf(node, 'axis', -1), x.shape.length);
  // Several normalised axes are one long row.
  const single = axis === x.shape.length - 1;
  const size = single ? 1 : elementCount(concreteShape(node, x.shape.slice(axis)));
  const asRows = (value: Value) => (single ? value : reshape(value, [...x.shape.slice(0, axis), size]));
  const asX = (value: Value) => (single ? value : reshapeLike(value, x));
  const stats = layerStats(node, asRows(x), scale);
  let dx: Value | undefined;
  if (wants(0)) {
    const moments = gradients.map((value, i) =>
      value && i > 0 && !single ? reshape(value, [...x.shape.slice(0, axis), 1]) : value,
    );
    const parts = momentsGradient(moments, stats);
    if (dy !== undefined) {
      const g = isOnes(scale) ? dy : mul(dy, scale);
      parts.unshift(rowsGradient(stats, asRows(g)));
    }
    dx = asX(addAll(parts));
  }
  return [
    dx,
    wants(1) && dy ? sumTo(mul(dy, asX(stats.unit)), scale) : undefined,
    wants(2) && dy ? sumTo(dy, input(2)) : undefined,
  ];
}

/** Batch normalisation with stored moments: y = (x − mean) · scale / √(variance + ε) + bias. */
export function batchNormGradient({ node, dy, input, wants }: Backward): (Value | undefined)[] {
  const x = input(0);
  const rank = x.shape.length;
  const rest = x.shape.flatMap((_, i) => (i === 1 ? [] : [i]));
  const inverse = reciprocal(sqrt(add(input(4), floatOf(node, 'epsilon', 1e-5))));
  const factor = mul(input(1), inverse);
  // Σ dy·(x − mean), from which the gradients by scale and variance follow.
  const weighted = () => reduceSum(mul(dy, sub(x, asColumn(input(3), rank))), rest);
  const cubed = () => mul(mul(inverse, inverse), mul(factor, -0.5));
  return [
    wants(0) ? mul(dy, asColumn(factor, rank)) : undefined,
    wants(1) ? mul(weighted(), inverse) : undefined,
    wants(2) ? reduceSum(dy, rest) : undefined,
    wants(3) ? mul(mul(reduceSum(dy, rest), factor), -1) : undefined,
    wants(4) ? mul(weighted(), cubed()) : undefined,
  ];
}
