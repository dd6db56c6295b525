import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VerbatimError } from '../errors.ts';
import { floatTensor } from '../math/index.ts';
import * as g from './index.ts';
import { integers } from './testing/cases.ts';
import { run, uniform } from './testing/run.ts';
import type { Shape, Value } from './value.ts';

describe('addNode', () => {
  const value = (graph: g.Graph, shape: Shape, dtype: 'float32' | 'int64' = 'float32') =>
    g.input(graph, `v${graph.inputs.length}`, dtype, shape);
  const refusals: Record<string, [(v: (shape: Shape, dtype?: 'int64') => Value) => unknown, string]> = {
    'inner sizes of a product': [
      (v) => g.matmul(v([2, 3]), v([4, 5])),
      'MatMul: inner sizes differ: [2, 3] · [4, 5]',
    ],
    'shapes that do not broadcast': [
      (v) => g.add(v([2, 3]), v([4])),
      'Add: shapes do not broadcast: [2, 3] and [4]',
    ],
    'element types that differ': [
      (v) => g.mul(v([2]), v([3], 'int64')),
      'Mul: element types differ: float32 [2] and int64 [3]',
    ],
    'channels of a convolution': [
      (v) => g.conv2d(v([1, 3, 8, 8]), v([4, 2, 3, 3])),
      'Conv: channels differ: [1, 3, 8, 8] * weight [4, 2, 3, 3] with 1 group(s)',
    ],
    'a kernel larger than the picture': [
      (v) => g.conv2d(v([1, 2, 2, 2]), v([4, 2, 3, 3])),
      'Conv: a window of 3 does not fit into 2 (with 0 of padding)',
    ],
    'a convolution bias': [
      (v) => g.conv2d(v([1, 2, 4, 4]), v([4, 2, 3, 3]), { bias: v([3]) }),
      'Conv: the bias must be [4], but is [3]',
    ],
    'a shape of another size': [
      (v) => g.reshape(v([2, 3]), [4, 2]),
      'Reshape: cannot give [2, 3] the shape [4, 2]',
    ],
    'two open sizes': [
      (v) => g.reshape(v([2, 3]), ['a', 'b']),
      'Reshape: only one size may be open: [2, 3] → [a, b]',
    ],
    'sizes beside the joined axis': [
      (v) => g.concat([v([2, 3]), v([3, 3])], 1),
      'Concat: sizes differ besides axis 1: [2, 3] and [3, 3]',
    ],
    'pieces that do not fill an axis': [
      (v) => g.split(v([2, 6]), [1, 2], 1),
      'Split: sizes [1, 2] do not fill axis 1 of [2, 6]',
    ],
    'an axis that is not there': [
      (v) => g.softmax(v([2, 3]), 2),
      'Softmax: axis 2 is outside a shape of 2 sizes',
    ],
    'an order that is none': [
      (v) => g.transpose(v([2, 3]), [0, 0]),
      'Transpose: [0, 0] is not an order of the axes of [2, 3]',
    ],
    'groups that do not divide': [
      (v) => g.groupNorm(v([1, 6, 2, 2]), { groups: 4, scale: v([6]), bias: v([6]) }),
      'groupNorm: 4 groups do not divide the channels of [1, 6, 2, 2]',
    ],
    'a weight of another width': [
      (v) => g.linear(v([2, 3]), v([4, 5])),
      'linear: inner sizes differ: [2, 3] · weight [4, 5]',
    ],
    'more than there is': [
      (v) => g.topK(v([2, 3]), 4),
      'TopK: cannot take 4 of the 3 elements along axis 1 of [2, 3]',
    ],
  };
  for (const [what, [build, message]] of Object.entries(refusals))
    it(`refuses ${what}`, () => {
      const graph = g.createGraph();
      const attempt = () => build((shape, dtype) => value(graph, shape, dtype));
      expect(attempt).toThrow(VerbatimError);
      expect(attempt).toThrow(message);
      // Nothing half-made stays in the graph.
      expect(graph.nodes.filter(({ outputs }) => outputs.length === 0)).toEqual([]);
    });

  it('refuses unknown operators, values of other graphs, and names used twice', () => {
    const graph = g.createGraph();
    const x = value(graph, [1]);
    expect(() => g.addNode(graph, 'Conjure', [x])).toThrow('Conjure: unknown operator');
    expect(() => g.addNode(graph, 'Relu', [x], {}, { domain: 'com.acme' })).toThrow(
      'com.acme.Relu: unknown operator',
    );
    expect(() => g.addNode(g.createGraph(), 'Relu', [x])).toThrow(
      'Relu: input "v0" belongs to another graph',
    );
    expect(() => g.input(graph, 'v0', 'float32', [])).toThrow('the name "v0" is used twice');
    expect(() => g.addNode(graph, 'Add', [x])).toThrow('Add: input 1 is missing');
  });

  it('refuses a constant whose data do not fill its shape', () => {
    const tensor = { dtype: 'float32', shape: [3], data: new Float32Array(2) } as const;
    expect(() => g.constant(g.createGraph(), tensor, 'w')).toThrow(
      'constant w: 2 values do not fill shape [3]',
    );
  });
});

describe('symbolic sizes', () => {
  const picture = (graph: g.Graph) => g.input(graph, 'x', 'float32', ['batch', 4, 8, 8]);

  it('pass through a network and are bound when it runs', async () => {
    const graph = g.createGraph();
    let h = picture(graph);
    h = g.reshape(g.upsampleNearest(g.averagePool(h, { kernel: 2 })), ['batch', 4, 64]);
    h = g.transpose(h, [0, 2, 1]);
    h = g.linear(h, g.constant(graph, floatTensor([6, 4], uniform(24, 1))));
    h = g.reshape(h, ['batch', 64, 2, 3]);
    expect(h.shape).toEqual(['batch', 64, 2, 3]);
    const { y } = await run(g.model(graph, { y: h }), { x: floatTensor([3, 4, 8, 8]) });
    expect(y!.shape).toEqual([3, 64, 2, 3]);
  });

  it('stay known through shapes that are computed from shapes, as exporters write them', () => {
    const graph = g.createGraph();
    const x = picture(graph);
    const dims = g.shapeOf(x);
    const one = (i: number) => g.unsqueeze(g.gather(dims, integers(graph, [i], [])), [0]);
    const pixels = g.mul(one(2), one(3));
    const flat = g.addOne(graph, 'Reshape', [x, g.concat([one(0), one(1), pixels], 0)]);
    expect(g.knownContent(dims)).toEqual(['batch', 4, 8, 8]);
    expect(g.knownIntegers(dims)).toBeUndefined();
    expect(g.knownIntegers(pixels)).toEqual([64]);
    expect(flat.shape).toEqual(['batch', 4, 64]);
    const rows = g.addOne(graph, 'Reshape', [flat, g.concat([g.mul(one(0), 4), integers(graph, [-1])], 0)]);
    expect(rows.shape).toEqual(['4*batch', 64]);
    const back = g.addOne(graph, 'Reshape', [
      rows,
      g.concat([integers(graph, [-1]), one(1), one(2), one(3)], 0),
    ]);
    expect(back.shape).toEqual(['batch', 4, 8, 8]);
    const end = g.div(g.cast(g.cast(one(2), 'float32'), 'int64'), 2);
    const half = g.addOne(graph, 'Slice', [x, integers(graph, [0]), end, integers(graph, [2])]);
    expect(half.shape).toEqual(['batch', 4, 4, 8]);
  });
});

describe('integers that are known when the graph is built', () => {
  type Step = (values: Value[], pick: (n: number) => number) => Value;
  const steps: Step[] = [
    (v, pick) => g.gather(v[pick(v.length)]!, integers(v[0]!.graph, [0, -1, 0])),
    (v, pick) => g.concat([v[pick(v.length)]!, v[pick(v.length)]!], 0),
    (v, pick) => g.slice(v[pick(v.length)]!, { axis: 0, start: -3, end: 2 ** 40, step: 2 }),
    (v, pick) => g.slice(v[pick(v.length)]!, { axis: 0, start: -1, end: Number.NEGATIVE_INFINITY, step: -1 }),
    (v, pick) => g.add(v[pick(v.length)]!, pick(9) - 4),
    (v, pick) => g.sub(pick(9), v[pick(v.length)]!),
    (v, pick) => g.mul(v[pick(v.length)]!, pick(5) - 2),
    (v, pick) => g.div(v[pick(v.length)]!, pick(3) + 2),
    (v, pick) => g.neg(v[pick(v.length)]!),
    (v, pick) => g.minimum(v[pick(v.length)]!, pick(5)),
    (v, pick) => g.maximum(v[pick(v.length)]!, -pick(5)),
    (v, pick) => g.cast(g.mul(g.cast(v[pick(v.length)]!, 'float32'), 0.5), 'int64'),
    (v, pick) => g.cast(g.floor(g.mul(g.cast(v[pick(v.length)]!, 'float32'), 0.5)), 'int64'),
    (v, pick) => g.squeeze(g.unsqueeze(v[pick(v.length)]!, [0]), [0]),
    (v, pick) => {
      const x = v[pick(v.length)]!;
      return g.where(g.less(x, pick(4)), x, pick(3));
    },
    (v, pick) => g.split(v[pick(v.length)]!, [1, Number(v[0]!.shape[0]) - 1], 0)[1]!,
    (v, pick) => g.expand(g.gather(v[pick(v.length)]!, integers(v[0]!.graph, [1])), [3]),
    (v, pick) =>
      g.addOne(
        v[0]!.graph,
        'Range',
        [0, pick(7), 2].map((n) => g.scalar(v[0]!.graph, n, 'int64')),
      ),
    (v) =>
      g.addOne(v[0]!.graph, 'ConstantOfShape', [integers(v[0]!.graph, [3])], {
        value: { type: 'tensor', value: { dtype: 'int64', shape: [1], data: BigInt64Array.of(7n) } },
      }),
  ];

  it('are what onnxruntime computes, for random chains of operators', async () => {
    const choice = fc.tuple(fc.nat(steps.length - 1), fc.array(fc.nat(1000), { minLength: 3, maxLength: 3 }));
    await fc.assert(
      fc.asyncProperty(fc.array(choice, { minLength: 5, maxLength: 20 }), async (choices) => {
        const graph = g.createGraph();
        const x = g.input(graph, 'x', 'float32', [5, 3, 2]);
        const values = [g.shapeOf(x)];
        for (const [which, picks] of choices) {
          const rest = [...picks];
          // The operators of `steps` take vectors of at least three numbers, so keep those.
          const made = tryStep(() => steps[which]!(values, (n) => rest.pop()! % n));
          if (made && Number(made.shape[0]) >= 3) values.push(made);
        }
        const outputs = Object.fromEntries(values.map((value, i) => [`y${i}`, value]));
        const results = await run(g.model(graph, outputs), { x: floatTensor([5, 3, 2]) });
        values.forEach((value, i) => {
          const actual = results[`y${i}`]!;
          expect(value.shape).toEqual(actual.shape);
          expect(g.knownIntegers(value)).toEqual(Array.from(actual.data as BigInt64Array, Number));
        });
      }),
      { numRuns: 30, seed: 5 },
    );
  });

  /** Sizes do not always fit (a Split of another vector's length): such a step is left out. */
  function tryStep(step: () => Value): Value | undefined {
    try {
      return step();
    } catch (error) {
      if (error instanceof VerbatimError) return undefined;
      throw error;
    }
  }
});

describe('matmulInteger', () => {
  it('is exact for the largest sums, where pairs of products fill 16 bits', async () => {
    const inner = 64;
    const graph = g.createGraph();
    const a = g.input(graph, 'a', 'uint8', ['n', inner]);
    const b = g.input(graph, 'b', 'int8', [inner, 2]);
    const finished = g.model(graph, { sums: g.matmulInteger(a, b, 64) });
    const data = Int8Array.from({ length: 2 * inner }, (_, i) => (i % 2 === 0 ? 127 : -127));
    const { sums } = await run(finished, {
      a: { dtype: 'uint8', shape: [2, inner], data: new Uint8Array(2 * inner).fill(127, inner) },
      b: { dtype: 'int8', shape: [inner, 2], data },
    });
    expect(sums!.dtype).toBe('int32');
    expect([...(sums!.data as Int32Array)]).toEqual(
      [-64 * 127, 64 * 127, 63 * 127, -63 * 127].map((product) => product * inner),
    );
  });

  it('refuses what is no byte', () => {
    const graph = g.createGraph();
    const [a, b] = [g.input(graph, 'a', 'uint8', [1, 2]), g.input(graph, 'b', 'float32', [2, 1])];
    expect(() => g.matmulInteger(a, b)).toThrow('MatMulInteger: takes int8 and uint8, not float32');
  });
});

describe('model', () => {
  it('keeps only what its outputs need, and leaves the graph alone', async () => {
    const graph = g.createGraph();
    const x = g.input(graph, 'x', 'float32', [2]);
    const unused = g.input(graph, 'unused', 'float32', [2]);
    const weight = g.constant(graph, floatTensor([2], Float32Array.of(2, 3)), 'weight');
    g.constant(graph, floatTensor([2]), 'idle');
    const y = g.mul(x, weight);
    const other = g.exp(g.add(y, unused));
    const small = g.model(graph, { y });
    expect(small.graph.nodes.map(({ op }) => op)).toEqual(['Mul']);
    expect(small.graph.inputs.map(({ name }) => name)).toEqual(['x']);
    expect([...small.graph.constants.keys()].map(({ name }) => name)).toEqual(['weight']);
    expect(g.model(graph, { y }, { inputs: [unused] }).graph.inputs).toHaveLength(2);
    expect(g.model(graph, { other }).graph.nodes).toHaveLength(3);
    expect(graph.nodes).toHaveLength(3);
    const results = await run(small, { x: floatTensor([2], Float32Array.of(5, 7)) });
    expect([...(results['y']!.data as Float32Array)]).toEqual([10, 21]);
  });

  it('stores equal scalars once', () => {
    const graph = g.createGraph();
    const x = g.input(graph, 'x', 'float32', [2]);
    g.add(g.mul(x, 0.5), 0.5);
    g.mul(x, -0);
    g.mul(x, 0);
    expect(graph.constants.size).toBe(3);
  });
});
