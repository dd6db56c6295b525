import { describe, expect, it } from 'vitest';
import { createGraph, encodeModel, input, model } from '../graph/index.ts';
import { createRandom, floatTensor, type Tensor } from '../math/index.ts';
import { openSession } from '../runtime/index.ts';
import { attend, attentionLayer } from './layers.ts';
import { relativeError } from './testing/goldens.ts';
import type { Weights } from './weights.ts';

const [queries, keys, width, heads] = [70, 33, 24, 3];

function attention(runtimeOperators: boolean, keyBatch: 'batch' | 1, masked: boolean) {
  const graph = createGraph({ runtimeOperators });
  const q = input(graph, 'q', 'float32', ['batch', queries, width]);
  const k = input(graph, 'k', 'float32', [keyBatch, keys, width]);
  const v = input(graph, 'v', 'float32', [keyBatch, keys, width]);
  const mask = masked ? input(graph, 'mask', 'float32', [queries, keys]) : undefined;
  return model(graph, { out: attend(q, k, v, heads, mask) });
}

const random = createRandom(3);
const noise = (...shape: number[]) =>
  floatTensor(
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => 3 * random.normal()),
  );

async function run(source: ReturnType<typeof attention>, feeds: Record<string, Tensor>): Promise<Tensor> {
  const session = await openSession(source, { threads: 2 });
  try {
    return (await session.run(feeds))['out']!;
  } finally {
    await session.close();
  }
}

const operators = (source: ReturnType<typeof attention>) => source.graph.nodes.map(({ op }) => op);

describe('attention', () => {
  it("is the same as one operator of ONNX Runtime's and as ONNX's own operators", async () => {
    const [fused, plain] = [attention(true, 'batch', false), attention(false, 'batch', false)];
    expect(operators(fused)).toEqual(['MultiHeadAttention']);
    expect(operators(plain)).toContain('Softmax');
    const feeds = { q: noise(2, queries, width), k: noise(2, keys, width), v: noise(2, keys, width) };
    expect(relativeError(await run(fused, feeds), await run(plain, feeds))).toBeLessThan(1e-6);
  });

  it.each([
    ['a mask', 'batch', true],
    ['keys that serve the whole batch', 1, false],
  ] as const)('keeps to ONNX where the one operator cannot take %s', (_, keyBatch, masked) => {
    expect(operators(attention(true, keyBatch, masked))).not.toContain('MultiHeadAttention');
  });

  it('is in float32 in a graph of float16 where the config asks for it', () => {
    const dtypes = (upcast: boolean) => {
      const graph = createGraph({ runtimeOperators: true, precision: 'float16' });
      const x = input(graph, 'x', 'float16', ['batch', queries, width]);
      const weights: Weights = (name, shape) => input(graph, name, 'float16', shape);
      const out = attentionLayer(weights, x, x, heads, { bias: false, upcast });
      const node = graph.nodes.find(({ op }) => op === 'MultiHeadAttention')!;
      return [...node.inputs.slice(0, 3), out].map((value) => value?.dtype);
    };
    expect(dtypes(true)).toEqual(['float32', 'float32', 'float32', 'float16']);
    expect(dtypes(false)).toEqual(['float16', 'float16', 'float16', 'float16']);
  });

  it("is refused by name when a file's shapes do not belong together", () => {
    const graph = createGraph({ runtimeOperators: true });
    const value = (name: string, ...shape: number[]) => input(graph, name, 'float32', shape);
    const [q, k] = [value('q', 2, 4, 6), value('k', 2, 5, 6)];
    expect(() => attend(q, k, value('v', 2, 4, 6), 3)).toThrow(/MultiHeadAttention.*do not belong together/);
    expect(() => attend(q, k, k, 4)).toThrow(/4 heads do not divide/);
    expect(encodeModel(model(graph, { out: attend(q, k, k, 3) })).byteLength).toBeGreaterThan(0);
  });
});
