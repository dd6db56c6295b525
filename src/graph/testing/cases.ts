import { floatTensor, type Tensor } from '../../math/index.ts';
import * as g from '../index.ts';
import type { Attributes, Graph, Value } from '../value.ts';
import { uniform } from './run.ts';

/** One function of random inputs whose gradient is checked against differences. */
export interface GradientCase {
  readonly name: string;
  /** Shapes of the inputs, which hold numbers in [-1, 1]. */
  readonly shapes: readonly (readonly number[])[];
  readonly build: (x: readonly Value[], graph: Graph) => Value;
  /** Maps the random numbers into the operator's domain, away from kinks and poles. */
  readonly map?: (x: number, input: number) => number;
  /** Draws all elements evenly spaced, so that a small step never changes which one is the largest. */
  readonly distinct?: boolean;
  readonly opset?: number;
}

export function inputsOf({ shapes, map = (x) => x, distinct }: GradientCase): Tensor<'float32'>[] {
  const counts = shapes.map((shape) => shape.reduce((product, size) => product * size, 1));
  const total = counts.reduce((sum, count) => sum + count, 0);
  const ranks = [...uniform(total, 7).entries()].sort((a, b) => a[1] - b[1]);
  const ladder = new Float32Array(total);
  for (const [rank, [at]] of ranks.entries()) ladder[at] = ((rank + 0.5) / total) * 2 - 1;
  let start = 0;
  return shapes.map((shape, i) => {
    const count = counts[i]!;
    const drawn = distinct ? ladder.slice(start, start + count) : uniform(count, i + 1);
    start += count;
    return floatTensor(
      shape,
      drawn.map((x) => map(x, i)),
    );
  });
}

export function integers(
  graph: Graph,
  values: readonly number[],
  shape: readonly number[] = [values.length],
): Value {
  return g.constant(graph, { dtype: 'int64', shape, data: BigInt64Array.from(values, BigInt) });
}

const positive = (x: number) => 1.5 + x;
/** Keeps clear of zero, where |x| and its kin have a kink. */
const clear = (x: number) => (x >= 0 ? 0.1 + x : x - 0.1);

function unary(
  op: string,
  map?: (x: number) => number,
  attributes: Attributes = {},
  domain = '',
): GradientCase {
  const note = Object.values(attributes).map(({ value }) => value);
  return {
    name: [op, ...note].join(' '),
    shapes: [[2, 5]],
    build: ([x], graph) => g.addOne(graph, op, [x], attributes, { domain }),
    ...(map ? { map } : {}),
  };
}

function binary(op: string, map?: (x: number, input: number) => number): GradientCase[] {
  const shapes: [number[], number[]][] = [
    [
      [2, 3],
      [2, 3],
    ],
    [
      [2, 1, 4],
      [3, 1],
    ],
    [[3], [2, 2, 3]],
    [[], [4]],
  ];
  return shapes.map((pair) => ({
    name: `${op} [${pair[0]}] [${pair[1]}]`,
    shapes: pair,
    build: (x, graph) => g.addOne(graph, op, x),
    ...(map ? { map } : {}),
  }));
}

export const elementwiseCases: readonly GradientCase[] = [
  ...[
    'Neg',
    'Exp',
    'Sin',
    'Cos',
    'Tan',
    'Atan',
    'Tanh',
    'Erf',
    'Identity',
    'Sigmoid',
    'Softplus',
    'Mish',
  ].map((op) => unary(op)),
  ...['Log', 'Sqrt', 'Reciprocal'].map((op) => unary(op, positive)),
  ...['Abs', 'Relu', 'LeakyRelu', 'Elu', 'Softsign', 'Dropout'].map((op) => unary(op, clear)),
  unary('LeakyRelu', clear, { alpha: g.float(0.3) }),
  unary('Elu', clear, { alpha: g.float(0.7) }),
  unary('HardSigmoid', (x) => 4 * x, { alpha: g.float(0.3), beta: g.float(0.45) }),
  unary('HardSwish', (x) => 5 * x),
  unary('Gelu'),
  unary('Gelu', (x) => 2 * x, { approximate: g.string('tanh') }),
  unary('Gelu', (x) => 2 * x, {}, 'com.microsoft'),
  unary('FastGelu', (x) => 2 * x, {}, 'com.microsoft'),
  unary('QuickGelu', (x) => 2 * x, { alpha: g.float(1.702) }, 'com.microsoft'),
  { name: 'silu', shapes: [[3, 4]], build: ([x]) => g.silu(x!), map: (x) => 3 * x },
  { name: 'quickGelu', shapes: [[3, 4]], build: ([x]) => g.quickGelu(x!), map: (x) => 3 * x },
  { name: 'logSigmoid', shapes: [[3, 4]], build: ([x]) => g.logSigmoid(x!), map: (x) => 3 * x },
  ...['Add', 'Sub', 'Mul'].flatMap((op) => binary(op)),
  ...binary('Div', (x, input) => (input === 1 ? positive(x) : x)),
  ...binary('Pow', (x, input) => (input === 0 ? positive(x) : x)),
  ...['Min', 'Max'].flatMap((op) => binary(op).map((one) => ({ ...one, distinct: true }))),
  ...['Sum', 'Mean', 'Max', 'Min'].map((op) => ({
    name: `${op} of three`,
    shapes: [[2, 3], [3], [2, 1]],
    build: (x: readonly Value[], graph: Graph) => g.addOne(graph, op, x),
    distinct: true,
  })),
  { name: 'x·x by both operands', shapes: [[4]], build: ([x]) => g.mul(x!, x!) },
  { name: 'pow with a number', shapes: [[5]], build: ([x]) => g.pow(x!, 3) },
  {
    name: 'PRelu',
    shapes: [
      [2, 3, 2],
      [3, 1],
    ],
    build: (x, graph) => g.addOne(graph, 'PRelu', x),
    map: clear,
  },
  { name: 'clip', shapes: [[9]], build: ([x]) => g.clip(x!, -0.5, 0.6), distinct: true },
  { name: 'clip below', shapes: [[9]], build: ([x]) => g.clip(x!, undefined, 0.4), distinct: true },
  {
    name: 'where',
    shapes: [[2, 3], [3]],
    build: ([a, b]) => g.where(g.greater(g.sin(g.mul(a!, 9)), 5), a!, b!),
  },
  {
    name: 'where picks both',
    shapes: [
      [2, 3],
      [2, 1],
    ],
    build: ([a, b], graph) =>
      g.where(g.constant(graph, { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) }), a!, b!),
  },
  {
    name: 'Cast',
    shapes: [[4]],
    build: ([x]) => g.cast(g.mul(g.cast(x!, 'float64'), g.cast(x!, 'float64')), 'float32'),
  },
  { name: 'CastLike', shapes: [[4], [1]], build: (x, graph) => g.add(g.addOne(graph, 'CastLike', x), x[1]!) },
];

export const shapeCases: readonly GradientCase[] = [
  { name: 'reshape', shapes: [[2, 6]], build: ([x]) => g.reshape(x!, [3, -1]) },
  { name: 'flatten', shapes: [[2, 3, 2]], build: ([x]) => g.flatten(x!, 2) },
  { name: 'transpose', shapes: [[2, 3, 4]], build: ([x]) => g.transpose(x!, [2, 0, 1]) },
  {
    name: 'unsqueeze, squeeze',
    shapes: [[2, 3]],
    build: ([x]) => g.squeeze(g.exp(g.unsqueeze(x!, [0, -1])), [0]),
  },
  { name: 'expand', shapes: [[2, 1, 3]], build: ([x]) => g.expand(x!, [4, 2, 5, 3]) },
  {
    name: 'concat',
    shapes: [
      [2, 1],
      [2, 3],
    ],
    build: (x) => g.concat([...x, x[0]!], 1),
  },
  {
    name: 'split',
    shapes: [[2, 6]],
    build: ([x]) => {
      const [a, , c] = g.split(x!, [1, 2, 3], 1);
      return g.mul(a!, c!);
    },
  },
  { name: 'slice', shapes: [[5, 3]], build: ([x]) => g.slice(x!, { axis: 0, start: 1, end: -1 }) },
  {
    name: 'slice by steps',
    shapes: [[8]],
    build: ([x]) => g.slice(x!, { axis: 0, start: 1, end: 8, step: 3 }),
  },
  {
    name: 'slice by steps to the end',
    shapes: [[7, 2]],
    build: ([x]) => g.slice(x!, { axis: 0, start: 0, end: 7, step: 2 }),
  },
  {
    name: 'slice backwards',
    shapes: [[2, 7]],
    build: ([x]) => g.slice(x!, { axis: 1, start: -2, end: Number.NEGATIVE_INFINITY, step: -2 }),
  },
  {
    name: 'slice of two axes',
    shapes: [[4, 5, 2]],
    build: ([x], graph) =>
      g.addOne(
        graph,
        'Slice',
        [
          x,
          integers(graph, [1, 4]),
          integers(graph, [4, -9]),
          integers(graph, [1, 0]),
          integers(graph, [2, -1]),
        ].map((v) => v),
      ),
  },
  { name: 'pad', shapes: [[1, 2, 2, 3]], build: ([x]) => g.pad(x!, [1, 0, 2, 1]) },
  { name: 'pad that crops', shapes: [[4, 3]], build: ([x]) => g.pad(x!, [-1, 1, 0, -1]) },
  { name: 'tile', shapes: [[2, 3]], build: ([x]) => g.tile(x!, [2, 3]) },
  { name: 'upsampleNearest', shapes: [[1, 2, 2, 3]], build: ([x]) => g.upsampleNearest(x!, 2) },
  { name: 'depthToSpace', shapes: [[1, 8, 2, 1]], build: ([x]) => g.depthToSpace(x!, 2) },
  {
    name: 'depthToSpace CRD',
    shapes: [[1, 8, 2, 1]],
    build: ([x], graph) =>
      g.addOne(graph, 'DepthToSpace', [x], { blocksize: g.int(2), mode: g.string('CRD') }),
  },
  {
    name: 'SpaceToDepth',
    shapes: [[1, 2, 4, 2]],
    build: ([x], graph) => g.addOne(graph, 'SpaceToDepth', [x], { blocksize: g.int(2) }),
  },
  {
    name: 'gather',
    shapes: [[4, 3]],
    build: ([x], graph) => g.gather(x!, integers(graph, [1, 3, 1, -1], [2, 2])),
  },
  {
    name: 'gather on axis 1',
    shapes: [[2, 4, 2]],
    build: ([x], graph) => g.gather(x!, integers(graph, [3, 3, 0]), 1),
  },
  {
    name: 'gather of one',
    shapes: [[2, 4]],
    build: ([x], graph) => g.gather(x!, integers(graph, [2], []), 1),
  },
  {
    name: 'gatherElements',
    shapes: [[3, 2]],
    build: ([x], graph) => g.gatherElements(x!, integers(graph, [0, 2, 0, 1], [2, 2]), 0),
  },
  {
    name: 'scatterAdd',
    shapes: [
      [3, 2],
      [2, 2],
    ],
    build: ([x, u], graph) => g.scatterAdd(x!, integers(graph, [0, 2, 0, 1], [2, 2]), u!, 0),
  },
  {
    name: 'ScatterElements',
    shapes: [
      [3, 2],
      [2, 2],
    ],
    build: ([x, u], graph) =>
      g.addOne(graph, 'ScatterElements', [x, integers(graph, [0, 2, 1, 1], [2, 2]), u], { axis: g.int(0) }),
  },
  { name: 'topK', shapes: [[2, 5]], build: ([x]) => g.topK(x!, 3).values, distinct: true },
  {
    name: 'Trilu',
    shapes: [[3, 3]],
    build: ([x], graph) => g.addOne(graph, 'Trilu', [x], { upper: g.int(0) }),
  },
  { name: 'cumsum', shapes: [[2, 4]], build: ([x]) => g.cumsum(x!, 1) },
  {
    name: 'CumSum exclusive, reverse',
    shapes: [[2, 4]],
    build: ([x], graph) =>
      g.addOne(graph, 'CumSum', [x, integers(graph, [1])], { exclusive: g.int(1), reverse: g.int(1) }),
  },
];

const reductions = [
  'ReduceSum',
  'ReduceMean',
  'ReduceMax',
  'ReduceMin',
  'ReduceL1',
  'ReduceL2',
  'ReduceSumSquare',
  'ReduceLogSum',
  'ReduceLogSumExp',
];

export const reductionCases: readonly GradientCase[] = reductions.flatMap((op) => {
  const map = op === 'ReduceLogSum' ? positive : clear;
  const distinct = op === 'ReduceMax' || op === 'ReduceMin';
  const reduce = (x: Value | undefined, graph: Graph, axes: number[] | undefined, keep: number) =>
    g.addOne(graph, op, axes === undefined ? [x] : [x, integers(graph, axes)], { keepdims: g.int(keep) });
  return [
    {
      name: `${op} of all`,
      shapes: [[2, 3]],
      map,
      distinct,
      build: ([x], graph) => reduce(x, graph, undefined, 0),
    },
    {
      name: `${op} of two axes`,
      shapes: [[2, 3, 2]],
      map,
      distinct,
      build: ([x], graph) => reduce(x, graph, [-1, 0], 0),
    },
    {
      name: `${op} keeping axes`,
      shapes: [[2, 3]],
      map,
      distinct,
      build: ([x], graph) => reduce(x, graph, [1], 1),
    },
  ] satisfies GradientCase[];
});
