import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { floatTensor } from '../math/index.ts';
import * as g from './index.ts';
import { elementwiseCases, inputsOf, reductionCases, shapeCases } from './testing/cases.ts';
import { contractionCases, normalizationCases } from './testing/layers.ts';
import { checkGradient, run, uniform } from './testing/run.ts';

const families = {
  elementwise: elementwiseCases,
  'shapes and pieces': shapeCases,
  reductions: reductionCases,
  'products and convolutions': contractionCases,
  'normalisation, softmax and pooling': normalizationCases,
};

describe('gradients against central differences', () => {
  const seen = new Set<string>();
  for (const [family, cases] of Object.entries(families))
    describe(family, () => {
      for (const one of cases)
        it(one.name, async () => {
          const { worst, operators, inferred, actual } = await checkGradient({
            graph: g.createGraph(one.opset === undefined ? {} : { opset: one.opset }),
            inputs: inputsOf(one),
            build: (graph, x) => one.build(x, graph),
            step: 5e-3,
          });
          for (const op of operators) seen.add(op);
          expect(actual).toEqual(inferred);
          expect(worst).toBeLessThan(1e-2);
        });
    });

  it('cover every operator that has a gradient', () => {
    expect(g.GRADIENT_OPS.filter((op) => !seen.has(op))).toEqual([]);
  });
});

describe('gradients', () => {
  const ofShape = (graph: g.Graph, name: string, shape: number[]) => g.input(graph, name, 'float32', shape);

  it('of gradients: Hessian-vector products of a small network agree with differences of its gradient', async () => {
    const { worst } = await checkGradient({
      graph: g.createGraph(),
      inputs: inputsOf({
        name: '',
        shapes: [[1, 2, 4, 4], [4, 2, 3, 3], [4], [4], [3, 4]],
        build: ([x]) => x!,
      }),
      build: (_, [x, w, scale, bias, out]) => {
        let h = g.conv2d(x!, w!, { padding: 1, stride: 2 });
        h = g.silu(g.groupNorm(h, { groups: 2, scale: scale!, bias: bias!, epsilon: 0.1 }));
        h = g.layerNorm(g.transpose(g.reshape(h, [1, 4, 4]), [0, 2, 1]), { epsilon: 0.1 });
        const scores = g.softmax(g.linear(g.gelu(h), out!), -1);
        return g.gradients(g.reduceSum(g.mul(scores, scores)), [w!])[0]!;
      },
      step: 5e-3,
    });
    expect(worst).toBeLessThan(1e-2);
  });

  it('are the same on a graph read from a file, where composites are ordinary nodes', async () => {
    const build = (graph: g.Graph) => {
      const x = ofShape(graph, 'x', [2, 4, 3, 3]);
      const scale = ofShape(graph, 'scale', [4]);
      const h = g.quickGelu(g.silu(g.groupNorm(x, { groups: 2, scale, bias: scale })));
      return g.model(graph, { loss: g.reduceSum(g.mul(h, g.sin(h))) });
    };
    const withGradients = ({ graph, outputs }: g.Model) => {
      const wanted = graph.inputs;
      const found = g.gradients(outputs.get('loss')!, wanted);
      return g.model(graph, Object.fromEntries(found.map((value, i) => [`d.${wanted[i]!.name}`, value])));
    };
    const built = build(g.createGraph());
    const read = g.decodeModel(g.encodeModel(built));
    const feeds = {
      x: floatTensor([2, 4, 3, 3], uniform(72, 3)),
      scale: floatTensor([4], uniform(4, 4)),
    };
    const [a, b] = [await run(withGradients(built), feeds), await run(withGradients(read), feeds)];
    for (const name of ['d.x', 'd.scale']) {
      const expected = a[name]!.data as Float32Array;
      const size = Math.max(...expected.map(Math.abs));
      expect(size).toBeGreaterThan(0.1);
      (b[name]!.data as Float32Array).forEach((value, i) => {
        expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-4 * size);
      });
    }
  });

  it('of broadcast sums count how often each element was used, for any shapes', async () => {
    const dims = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 0, maxLength: 4 });
    const dropped = fc.array(fc.boolean(), { minLength: 4, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(dims, dropped, fc.nat(4), async (shape, ones, cut) => {
        const small = shape.map((size, i) => (ones[i] ? 1 : size)).slice(Math.min(cut, shape.length));
        const graph = g.createGraph();
        const [a, b] = [ofShape(graph, 'a', shape), ofShape(graph, 'b', small)];
        const [da, db] = g.gradients(g.reduceSum(g.add(a, b)), [a, b]);
        const count = (sizes: number[]) => sizes.reduce((product, size) => product * size, 1);
        const results = await run(g.model(graph, { da: da!, db: db! }));
        expect(results['da']!.shape).toEqual(shape);
        expect(results['db']!.shape).toEqual(small);
        expect(new Set(results['db']!.data as Float32Array)).toEqual(new Set([count(shape) / count(small)]));
      }),
      { numRuns: 40, seed: 1 },
    );
  });

  it('are zeros for values that the loss does not depend on', async () => {
    const graph = g.createGraph();
    const [x, y] = [ofShape(graph, 'x', [2]), ofShape(graph, 'y', [2, 2])];
    const rounded = g.reduceSum(g.floor(y));
    const [dx, dy] = g.gradients(g.add(g.reduceSum(x), rounded), [x, y]);
    const results = await run(g.model(graph, { dx: dx!, dy: dy! }));
    expect([...(results['dx']!.data as Float32Array)]).toEqual([1, 1]);
    expect([...(results['dy']!.data as Float32Array)]).toEqual([0, 0, 0, 0]);
  });

  it('by a value inside a composite do not jump over it', async () => {
    const graph = g.createGraph();
    const x = ofShape(graph, 'x', [3]);
    const y = g.silu(x);
    const inside = y.producer!.inputs[1]!;
    const [d] = g.gradients(g.reduceSum(y), [inside]);
    const results = await run(g.model(graph, { d: d! }), { x: floatTensor([3], Float32Array.of(1, -2, 3)) });
    expect([...(results['d']!.data as Float32Array)]).toEqual([1, -2, 3]);
  });

  it('refuse an operator without a rule by name, but only between loss and value', () => {
    const graph = g.createGraph();
    const x = ofShape(graph, 'x', [2, 2]);
    const product = g.addOne(graph, 'ReduceProd', [x], {}, { name: 'the_product' });
    expect(() => g.gradients(g.reduceSum(product), [x])).toThrow(
      'ReduceProd (the_product): has no gradient rule, but stands between the loss and a wanted value',
    );
    const other = ofShape(graph, 'other', []);
    expect(g.gradients(g.add(g.reduceSum(product), other), [other])).toHaveLength(1);
  });

  it('refuse a loss that is no number, integers, and other graphs', () => {
    const graph = g.createGraph();
    const x = ofShape(graph, 'x', [2]);
    const ids = g.input(graph, 'ids', 'int64', [2]);
    expect(() => g.gradients(x, [x])).toThrow(
      'the loss must be a float with one element, but "x" is float32 [2]',
    );
    expect(() => g.gradients(g.reduceSum(x), [ids])).toThrow('"ids" is int64; only floats have gradients');
    expect(() => g.gradients(g.reduceSum(x), [ofShape(g.createGraph(), 'z', [])])).toThrow('another graph');
  });

  it('refuse symbolic sizes where they need numbers, naming operator and size', () => {
    const graph = g.createGraph();
    const x = g.input(graph, 'x', 'float32', ['batch', 3]);
    expect(() => g.gradients(g.reduceMean(x), [x])).toThrow(/ReduceMean .*symbolic size "batch"/);
  });

  it('keep a symbolic batch where they can', async () => {
    const graph = g.createGraph();
    const x = g.input(graph, 'x', 'float32', ['batch', 4, 2, 2]);
    const w = ofShape(graph, 'w', [4, 4, 3, 3]);
    const h = g.silu(g.conv2d(x, w, { padding: 1 }));
    const tokens = g.transpose(g.reshape(h, ['batch', 4, 4]), [0, 2, 1]);
    const loss = g.reduceSum(
      g.exp(g.softmax(g.linear(tokens, g.reshape(g.slice(w, { axis: 2, start: 0, end: 1 }), [12, 4])))),
    );
    const [dx, dw] = g.gradients(loss, [x, w]);
    expect(dx!.shape).toEqual(['batch', 4, 2, 2]);
    const feeds = {
      x: floatTensor([3, 4, 2, 2], uniform(48, 1)),
      w: floatTensor([4, 4, 3, 3], uniform(144, 2)),
    };
    const results = await run(g.model(graph, { dx: dx!, dw: dw! }), feeds);
    expect(results['dx']!.shape).toEqual([3, 4, 2, 2]);
    expect(results['dw']!.shape).toEqual([4, 4, 3, 3]);
  });
});
