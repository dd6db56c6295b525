import { describe, expect, it } from 'vitest';
import { VerbatimError } from '../errors.ts';
import { createGraph, input, type Model, model, tanh } from '../graph/index.ts';
import { floatTensor } from '../math/index.ts';
import { openSession, probeProviders } from './index.ts';

function tinyModel(): Model {
  const graph = createGraph();
  return model(graph, { y: tanh(input(graph, 'x', 'float32', [2])) });
}

describe('providers', () => {
  it('are probed in processes of their own; CPU works everywhere, and what does not work says why', async () => {
    const probes = await probeProviders();
    expect(probes.map(({ provider }) => provider)).toEqual(['cuda', 'webgpu', 'cpu']);
    expect(probes.find(({ provider }) => provider === 'cpu')?.works).toBe(true);
    for (const { provider, works, detail } of probes) {
      expect(detail).toMatch(/^\S[^\n]+\S$/);
      if (!works) {
        const error = await openSession(tinyModel(), { provider }).catch((caught: unknown) => caught);
        expect(error).toBeInstanceOf(VerbatimError);
        expect((error as Error).message).toMatch(/^(CUDA|WebGPU) cannot be used here: ./);
        expect((error as Error).message.toLowerCase()).toContain(provider);
      }
    }
  });

  it('auto takes the first that works', async () => {
    const first = (await probeProviders()).find(({ works }) => works);
    const session = await openSession(tinyModel(), { provider: 'auto' });
    expect(session.provider).toBe(first?.provider);
    const { y } = await session.run({ x: floatTensor([2], Float32Array.of(0, 1)) });
    expect(y?.data[1]).toBeCloseTo(Math.tanh(1), 5);
    await session.close();
  });
});
