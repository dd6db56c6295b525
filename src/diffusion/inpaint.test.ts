import { describe, expect, it } from 'vitest';
import { floatTensor, gatherBatch, type Tensor } from '../math/index.ts';
import { noiseFor } from '../noise/index.ts';
import { inpaint } from './inpaint.ts';
import { seededNoise } from './noise.ts';
import { samplerCalls, samplerNames, samplers } from './samplers/index.ts';
import { stableDiffusionSchedule } from './schedule.ts';
import { plainSigmas } from './spacing.ts';
import type { Denoise } from './types.ts';

const shape = [2, 4, 4];
const size = 32;
const sigmas = plainSigmas(stableDiffusionSchedule('epsilon').sigmas, 12);
/** The right half of every row is to be completed. */
const unknown = floatTensor(
  [1, ...shape],
  new Float32Array(size).map((_, i) => (i % 4 >= 2 ? 1 : 0)),
);
const memory = noiseFor([100], shape);
const other = noiseFor([200], shape);

/** The exact denoiser of half a mass on `memory` (deviation .05) and half on N(0, 1). */
const denoiser =
  (calls: { count: number; sigmas?: number[] }): Denoise =>
  async (x, sigma) => {
    calls.count++;
    calls.sigmas?.push(sigma);
    const out = new Float32Array(x.data.length);
    for (let n = 0; n < x.shape[0]!; n++) {
      const squares = [0, 0];
      for (let i = 0; i < size; i++) {
        squares[0]! += (x.data[n * size + i]! - memory.data[i]!) ** 2;
        squares[1]! += x.data[n * size + i]! ** 2;
      }
      const variances = [0.05 ** 2 + sigma ** 2, 1 + sigma ** 2];
      const [a, b] = variances.map((v, k) => (-size / 2) * Math.log(v) - squares[k]! / (2 * v)) as [
        number,
        number,
      ];
      const share = 1 / (1 + Math.exp(b - a));
      for (let i = 0; i < size; i++) {
        const value = x.data[n * size + i]!;
        const recalled = (0.05 ** 2 * value + sigma ** 2 * memory.data[i]!) / variances[0]!;
        out[n * size + i] = share * recalled + (1 - share) * (value / variances[1]!);
      }
    }
    return floatTensor(x.shape, out);
  };

function draws(seeds: readonly number[]): () => Tensor<'float32'> {
  const noise = seededNoise();
  let draw = 0;
  return () => noise(seeds, shape, draw++);
}

const distance = (made: Tensor<'float32'>, n: number, to: Tensor<'float32'>) => {
  let sum = 0;
  for (let i = 0; i < size; i++)
    if (unknown.data[i] === 1) sum += (made.data[n * size + i]! - to.data[i]!) ** 2;
  return Math.sqrt(sum / (size / 2));
};

describe.each(samplerNames)('inpaint with %s', (name) => {
  const { sample } = samplers[name];
  const run = (known: Tensor<'float32'>, calls = { count: 0 }, resample?: { jump: number; times: number }) =>
    inpaint(sample, denoiser(calls), known, unknown, sigmas, {
      noise: draws([1, 2, 3, 4]),
      ...(resample && { resample }),
    });

  it('keeps what is known to the bit, and is the same again', async () => {
    const made = await run(other);
    for (let n = 0; n < 4; n++)
      for (let i = 0; i < size; i++)
        if (unknown.data[i] === 0) expect(made.data[n * size + i]).toBe(other.data[i]);
    expect(await run(other)).toEqual(made);
  });

  it('brings the memorized picture back from its half, and nothing of it from another', async () => {
    const made = await run(memory);
    const elsewhere = await run(other);
    for (let n = 0; n < 4; n++) {
      expect(distance(made, n, memory)).toBeLessThan(0.2);
      // What fits N(0, 1) is as far as two draws of it are: √2, ± 3 deviations of 16 values.
      expect(distance(elsewhere, n, other)).toBeGreaterThan(0.6);
    }
  });

  it('costs what sampling costs, and resampling so many times that', async () => {
    const calls = { count: 0 };
    await run(memory, calls);
    expect(calls.count).toBe(samplerCalls(name, 12));
    const again = { count: 0 };
    const made = await run(memory, again, { jump: 3, times: 2 });
    expect(again.count).toBe(2 * samplerCalls(name, 12));
    expect(distance(made, 0, memory)).toBeLessThan(0.2);
  });
});

describe('inpaint', () => {
  it('gives the denoiser the known part noised to the very level', async () => {
    const known = gatherBatch(other, [0, 0, 0]);
    const levels: number[] = [];
    const watching: Denoise = async (x, sigma) => {
      let squares = 0;
      let count = 0;
      for (let i = 0; i < x.data.length; i++) {
        if (unknown.data[i % size] === 1) continue;
        squares += (x.data[i]! - known.data[i]!) ** 2;
        count++;
      }
      levels.push(Math.sqrt(squares / count) / sigma);
      return floatTensor(x.shape);
    };
    await inpaint(samplers.euler.sample, watching, other, unknown, sigmas, { noise: draws([5, 6, 7]) });
    expect(levels).toHaveLength(12);
    // 48 values: their deviation is 1 within 3/√96.
    for (const level of levels) expect(Math.abs(level - 1)).toBeLessThan(0.31);
    expect(new Set(levels).size).toBe(12);
  });

  it('refuses jumps of no length', async () => {
    const bad = inpaint(samplers.euler.sample, denoiser({ count: 0 }), other, unknown, sigmas, {
      noise: draws([1]),
      resample: { jump: 0, times: 2 },
    });
    await expect(bad).rejects.toThrow('whole numbers from 1 on');
  });
});
