import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandBatch, floatTensor, groupEqualSamples, sliceBatch, type Tensor } from '../math/index.ts';
import { createMeter } from '../runtime/index.ts';
import { createDenoiser, type Predict } from './denoiser.ts';
import { combineGuided, guided } from './guidance.ts';
import { type Parametrization, stableDiffusionSchedule } from './schedule.ts';
import { batchOf, readGolden, relativeError, toyNetwork } from './testing/toy.ts';

const golden = readGolden();
const batchShape = [golden.batch, ...golden.shape];
const noise = batchOf(golden.noise, batchShape);
const condition = batchOf(golden.condition, [golden.batch, golden.tokens, golden.width]);
const unconditional = batchOf(golden.unconditional, [1, golden.tokens, golden.width]);
const scaled = (tensor: Tensor<'float32'>, by: number) =>
  floatTensor(
    tensor.shape,
    tensor.data.map((value) => value * by),
  );
const denoiserFor = (parametrization: Parametrization, more: { batch?: number; predict?: Predict } = {}) => {
  const meter = createMeter();
  const denoiser = createDenoiser({
    predict: toyNetwork(golden),
    schedule: stableDiffusionSchedule(parametrization),
    sampleShape: golden.shape,
    meter,
    ...more,
  });
  return { denoiser, meter };
};
const meanSquare = (values: Float32Array) => values.reduce((sum, v) => sum + v * v, 0) / values.length;

describe('createDenoiser', () => {
  it.each(['epsilon', 'v_prediction'] as const)('agrees with k-diffusion for %s', async (kind) => {
    const { denoiser } = denoiserFor(kind);
    for (const { sigma, result } of golden.denoised[kind]) {
      const output = await denoiser.denoise(scaled(noise, sigma), sigma, condition);
      expect(relativeError(output.data, result)).toBeLessThan(1e-5);
    }
  });

  it('calls the network with the last timestep at σ_max', async () => {
    const seen: number[] = [];
    const { denoiser } = denoiserFor('epsilon', {
      predict: async (x, timestep) => {
        seen.push(timestep);
        return x;
      },
    });
    await denoiser.denoise(scaled(noise, denoiser.sigmaMax), denoiser.sigmaMax, condition);
    expect(seen).toEqual([999]);
  });

  it('gives back the clean sample when the network is right, in every parametrisation', async () => {
    const clean = floatTensor(batchShape, noise.data.map(Math.sin));
    for (const kind of ['epsilon', 'v_prediction', 'sample'] as const)
      for (const sigma of [0.05, 1, 14.614641]) {
        const alpha = 1 / Math.sqrt(1 + sigma * sigma);
        // v = √ᾱ·ε − √(1−ᾱ)·x0 (Salimans and Ho 2022).
        const target = {
          epsilon: noise.data,
          v_prediction: noise.data.map((e, i) => alpha * e - alpha * sigma * clean.data[i]!),
          sample: clean.data,
        }[kind];
        const x = floatTensor(
          batchShape,
          clean.data.map((value, i) => value + sigma * noise.data[i]!),
        );
        const { denoiser } = denoiserFor(kind, { predict: async () => floatTensor(batchShape, target) });
        const output = await denoiser.denoise(x, sigma, condition);
        expect(relativeError(output.data, [...clean.data])).toBeLessThan(1e-5);
      }
  });

  it('gives the same in chunks of any size, counts every sample, and shares one condition', async () => {
    const many = batchOf(
      [...golden.noise, ...golden.noise.toReversed(), ...golden.noise],
      [6, ...golden.shape],
    );
    const one = sliceBatch(condition, 0, 1);
    const whole = await denoiserFor('epsilon').denoiser.denoise(many, 3, one);
    for (const batch of [1, 2, 4, 5]) {
      const { denoiser, meter } = denoiserFor('epsilon', { batch });
      expect((await denoiser.denoise(many, 3, one)).data).toEqual(whole.data);
      expect((await denoiser.denoise(many, 3, expandBatch(one, 6))).data).toEqual(whole.data);
      expect(meter.evaluations).toBe(12);
    }
  });

  it('refuses samples and conditions that do not fit', async () => {
    const { denoiser, meter } = denoiserFor('epsilon');
    await expect(denoiser.denoise(floatTensor([1, 2, 2, 2]), 1, condition)).rejects.toThrow(
      'takes [batch, 4, 4, 4]',
    );
    await expect(denoiser.denoise(floatTensor([3, 4, 4, 4]), 1, condition)).rejects.toThrow('cannot serve 3');
    expect(meter.evaluations).toBe(0);
  });

  it('stops between chunks when it is told to', async () => {
    const stop = new AbortController();
    const meter = createMeter();
    const denoiser = createDenoiser({
      predict: async (x) => {
        stop.abort();
        return x;
      },
      schedule: stableDiffusionSchedule('epsilon'),
      sampleShape: golden.shape,
      meter,
      batch: 1,
      signal: stop.signal,
    });
    await expect(denoiser.denoise(noise, 1, condition)).rejects.toThrow('aborted');
    expect(meter.evaluations).toBe(1);
  });
});

describe('guidance', () => {
  it.each(golden.scores)('agrees with the reference score: $parametrization, g $guidance', async (entry) => {
    const { denoiser, meter } = denoiserFor(entry.parametrization);
    const x = scaled(expandBatch(sliceBatch(noise, 0, 1), golden.batch), denoiser.sigmaMax);
    const output = await guided(denoiser, condition, unconditional, entry.guidance)(x, denoiser.sigmaMax);
    expect(relativeError(output.data, entry.output)).toBeLessThan(1e-5);
    const length = x.data.length / golden.batch;
    entry.dcs.forEach((expected, i) => {
      const residual = x.data
        .map((value, j) => value - output.data[j]!)
        .subarray(i * length, (i + 1) * length);
      expect(Math.abs(meanSquare(residual) / expected - 1)).toBeLessThan(1e-4);
    });
    // The captions share their noise, so the unconditional half is one evaluation for all of them.
    expect(meter.evaluations).toBe(golden.batch + (entry.guidance === 1 ? 0 : 1));
  });

  it('makes DCS equal σ_max² times the power of the guided ε estimate', async () => {
    const predict = toyNetwork(golden);
    const { denoiser } = denoiserFor('epsilon');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 64, maxLength: 64 }),
        fc.double({ min: 0, max: 10, noNaN: true }),
        async (values, scale) => {
          const sigma = denoiser.sigmaMax;
          const x = scaled(batchOf(values, [1, ...golden.shape]), sigma);
          const c = sliceBatch(condition, 0, 1);
          const output = await guided(denoiser, c, unconditional, scale)(x, sigma);
          const input = scaled(x, 1 / Math.sqrt(sigma * sigma + 1));
          const epsilon = combineGuided(
            await predict(input, 999, c),
            await predict(input, 999, unconditional),
            scale,
          );
          const score = meanSquare(x.data.map((value, i) => value - output.data[i]!));
          const power = sigma * sigma * meanSquare(epsilon.data);
          expect(Math.abs(score - power)).toBeLessThan(1e-4 * power + 1e-3);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('is the conditional estimate at scale 1 and costs two evaluations otherwise', async () => {
    const { denoiser, meter } = denoiserFor('v_prediction');
    const plain = await denoiser.denoise(noise, 2, condition);
    expect((await guided(denoiser, condition, unconditional, 1)(noise, 2)).data).toEqual(plain.data);
    expect(meter.evaluations).toBe(4);
    const zero = await guided(denoiser, condition, unconditional, 0)(noise, 2);
    expect(meter.evaluations).toBe(8);
    expect(zero.data).toEqual((await denoiser.denoise(noise, 2, unconditional)).data);
  });

  it('groups equal samples bit by bit', () => {
    const x = floatTensor(
      [5, 1, 1, 6],
      Float32Array.from(
        [0, 1, 2].flatMap((k) => [1, 2, 3, 4, 5, k]).concat([1, 2, 3, 4, 5, 1], [1, 2, 3, 4, 5, -0]),
      ),
    );
    expect(groupEqualSamples(x)).toEqual({ distinct: [0, 1, 2, 4], group: [0, 1, 2, 1, 3] });
  });
});
