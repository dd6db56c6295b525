import { floatTensor } from '../../math/index.ts';
import * as g from '../index.ts';
import type { Value } from '../value.ts';
import type { GradientCase } from './cases.ts';

type Sizes = readonly number[];

function matmulCase(a: Sizes, b: Sizes): GradientCase {
  return { name: `matmul [${a}] [${b}]`, shapes: [a, b], build: ([x, y]) => g.matmul(x!, y!) };
}

function gemmCase(transA: boolean, transB: boolean): GradientCase {
  return {
    name: `Gemm${transA ? ' transA' : ''}${transB ? ' transB' : ''} with alpha, beta and bias`,
    shapes: [transA ? [3, 2] : [2, 3], transB ? [4, 3] : [3, 4], transA ? [4] : [2, 1]],
    build: (x, graph) =>
      g.addOne(graph, 'Gemm', x, {
        transA: g.int(Number(transA)),
        transB: g.int(Number(transB)),
        alpha: g.float(0.7),
        beta: g.float(-1.3),
      }),
  };
}

function convolutionCase(
  name: string,
  x: Sizes,
  weight: Sizes,
  options: g.ConvolutionOptions = {},
): GradientCase {
  return {
    name: `conv2d ${name}`,
    shapes: [x, weight, [weight[0]!]],
    build: ([picture, w, bias]) => g.conv2d(picture!, w!, { ...options, bias }),
  };
}

function transposedCase(
  name: string,
  x: Sizes,
  weight: Sizes,
  options: g.TransposedConvolutionOptions = {},
): GradientCase {
  return {
    name: `convTranspose2d ${name}`,
    shapes: [x, weight, [weight[1]! * (options.groups ?? 1)]],
    build: ([picture, w, bias]) => g.convTranspose2d(picture!, w!, { ...options, bias }),
  };
}

export const contractionCases: readonly GradientCase[] = [
  matmulCase([2, 3], [3, 4]),
  matmulCase([2, 2, 3], [3, 4]),
  matmulCase([2, 2, 3], [2, 3, 2]),
  matmulCase([2, 1, 2, 3], [3, 3, 2]),
  matmulCase([2, 3], [2, 3, 2]),
  matmulCase([3], [3, 2]),
  matmulCase([2, 2, 3], [3]),
  matmulCase([3], [3]),
  ...[false, true].flatMap((a) => [false, true].map((b) => gemmCase(a, b))),
  {
    name: 'einsum of attention scores',
    shapes: [
      [2, 3, 2, 2],
      [2, 4, 2, 2],
    ],
    build: ([q, k]) => g.einsum('bihd,bjhd->bhij', q!, k!),
  },
  { name: 'einsum of three', shapes: [[2, 3], [3, 2], [2]], build: (x) => g.einsum('ij,jk,k', ...x) },
  { name: 'linear', shapes: [[2, 2, 3], [4, 3], [4]], build: ([x, w, b]) => g.linear(x!, w!, b) },
  convolutionCase('3×3, padding 1', [2, 2, 3, 4], [3, 2, 3, 3], { padding: 1 }),
  convolutionCase('1×1', [2, 3, 2, 2], [2, 3, 1, 1]),
  convolutionCase('stride 2 on an even size', [1, 2, 4, 6], [2, 2, 3, 3], { padding: 1, stride: 2 }),
  convolutionCase('stride 2 on an odd size', [1, 2, 5, 3], [2, 2, 3, 3], { padding: 1, stride: 2 }),
  convolutionCase('asymmetric pads, stride 2', [1, 2, 4, 4], [2, 2, 3, 3], {
    padding: [0, 0, 1, 1],
    stride: 2,
  }),
  convolutionCase('more padding than kernel', [1, 1, 2, 2], [2, 1, 2, 2], { padding: 2 }),
  convolutionCase('stride 2, 1×1', [1, 2, 4, 3], [3, 2, 1, 1], { stride: 2 }),
  convolutionCase('dilation 2', [1, 2, 5, 5], [1, 2, 3, 2], { padding: 1, dilation: 2 }),
  convolutionCase('two groups', [1, 4, 3, 3], [6, 2, 3, 3], { padding: 1, groups: 2 }),
  convolutionCase('by channel, stride 2', [1, 3, 4, 4], [3, 1, 3, 3], { padding: 1, groups: 3, stride: 2 }),
  transposedCase('stride 2', [1, 2, 3, 2], [2, 3, 4, 4], { stride: 2, padding: 1 }),
  transposedCase('stride 2 with output padding', [1, 2, 2, 3], [2, 2, 3, 3], {
    stride: 2,
    padding: 1,
    outputPadding: 1,
  }),
  transposedCase('two groups', [1, 4, 2, 2], [4, 2, 3, 3], { groups: 2 }),
  {
    name: 'Conv with auto_pad',
    shapes: [
      [1, 2, 5, 4],
      [2, 2, 3, 3],
    ],
    build: (x, graph) =>
      g.addOne(graph, 'Conv', x, { auto_pad: g.string('SAME_UPPER'), strides: g.ints([2, 2]) }),
  },
];

const widen = (x: number) => 2 * x;

function normalized(name: string, shapes: readonly Sizes[], build: GradientCase['build']): GradientCase {
  return { name, shapes, build, map: widen };
}

export const normalizationCases: readonly GradientCase[] = [
  normalized('groupNorm', [[2, 4, 2, 3], [4], [4]], ([x, scale, bias]) =>
    g.groupNorm(x!, { groups: 2, scale: scale!, bias: bias! }),
  ),
  normalized('groupNorm of tokens', [[2, 6, 3], [6], [6]], ([x, scale, bias]) =>
    g.groupNorm(x!, { groups: 3, scale: scale!, bias: bias!, epsilon: 1e-3 }),
  ),
  normalized('layerNorm', [[2, 2, 5], [5], [5]], ([x, scale, bias]) => g.layerNorm(x!, { scale, bias })),
  normalized('layerNorm without scale', [[2, 6]], ([x]) => g.layerNorm(x!)),
  normalized(
    'LayerNormalization over two axes',
    [
      [2, 3, 2],
      [3, 2],
      [3, 2],
    ],
    (x, graph) => g.addOne(graph, 'LayerNormalization', x, { axis: g.int(1), epsilon: g.float(1e-2) }),
  ),
  ...[1, 2].map((axis) =>
    normalized(`mean and deviation of LayerNormalization from axis ${axis} on`, [[2, 3, 4]], ([x], graph) => {
      const ones = g.constant(
        graph,
        floatTensor([3, 4].slice(axis - 1), new Float32Array(axis === 1 ? 12 : 4).fill(1)),
      );
      const attributes = { axis: g.int(axis), epsilon: g.float(1e-2) };
      const [y, mean, inverse] = g.addNode(graph, 'LayerNormalization', [x, ones], attributes, {
        outputs: 3,
      });
      return g.mul(g.exp(y!), g.add(mean!, inverse!));
    }),
  ),
  normalized('InstanceNormalization', [[2, 2, 3, 2], [2], [2]], (x, graph) =>
    g.addOne(graph, 'InstanceNormalization', x, { epsilon: g.float(1e-4) }),
  ),
  normalized('GroupNormalization', [[2, 4, 3], [2], [2]], (x, graph) =>
    g.addOne(graph, 'GroupNormalization', x, { num_groups: g.int(2), epsilon: g.float(1e-4) }),
  ),
  {
    name: 'GroupNormalization of operator set 21',
    shapes: [[2, 4, 3], [4], [4]],
    opset: 21,
    map: widen,
    build: (x, graph) => g.addOne(graph, 'GroupNormalization', x, { num_groups: g.int(2) }),
  },
  {
    name: 'BatchNormalization',
    shapes: [[2, 3, 2, 2], [3], [3], [3], [3]],
    map: (x, input) => (input === 4 ? 1.5 + x : x),
    build: (x, graph) => g.addOne(graph, 'BatchNormalization', x, { epsilon: g.float(1e-3) }),
  },
  normalized('softmax', [[2, 3, 4]], ([x]) => g.softmax(x!, -1)),
  normalized('softmax on axis 1', [[2, 3, 4]], ([x]) => g.softmax(x!, 1)),
  normalized('logSoftmax', [[2, 4]], ([x]) => g.logSoftmax(x!, -1)),
  { name: 'averagePool', shapes: [[1, 2, 4, 4]], build: ([x]) => g.averagePool(x!, { kernel: 2 }) },
  {
    name: 'averagePool with overlap and padding',
    shapes: [[1, 2, 5, 4]],
    build: ([x]) => g.averagePool(x!, { kernel: 3, stride: 2, padding: 1 }),
  },
  {
    name: 'AveragePool that counts the padding',
    shapes: [[1, 1, 4, 4]],
    build: ([x], graph) =>
      g.addOne(graph, 'AveragePool', [x], {
        kernel_shape: g.ints([3, 3]),
        pads: g.ints([1, 1, 1, 1]),
        count_include_pad: g.int(1),
      }),
  },
  { name: 'maxPool', shapes: [[2, 2, 4, 4]], distinct: true, build: ([x]) => g.maxPool(x!, { kernel: 2 }) },
  {
    name: 'maxPool with overlap',
    shapes: [[1, 2, 5, 5]],
    distinct: true,
    build: ([x]) => g.maxPool(x!, { kernel: 3, stride: 2, padding: 1 }),
  },
  {
    name: 'GlobalAveragePool',
    shapes: [[2, 2, 3, 2]],
    build: ([x], graph) => g.addOne(graph, 'GlobalAveragePool', [x]),
  },
  {
    name: 'an attention block',
    shapes: [
      [2, 3, 4],
      [12, 4],
      [4, 4],
    ],
    build: ([x, wide, out]) => {
      const [q, k, v] = g.split(g.linear(x!, wide!), [4, 4, 4], 2) as [Value, Value, Value];
      const scores = g.softmax(g.mul(g.matmul(q, g.transpose(k, [0, 2, 1])), 0.5));
      return g.add(x!, g.linear(g.matmul(scores, v), out!));
    },
  },
];
