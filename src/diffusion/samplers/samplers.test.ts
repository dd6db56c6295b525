import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { floatTensor } from '../../math/index.ts';
import { createMeter } from '../../runtime/index.ts';
import { createDenoiser } from '../denoiser.ts';
import { guided } from '../guidance.ts';
import { type Parametrization, stableDiffusionSchedule } from '../schedule.ts';
import { karrasSigmas, plainSigmas } from '../spacing.ts';
import { batchOf, readGolden, relativeError, toyNetwork } from '../testing/toy.ts';
import type { Denoise } from '../types.ts';
import { ancestralStep } from './euler-ancestral.ts';
import { samplerCalls, samplerNamed, samplerNames, samplers } from './index.ts';

const golden = readGolden();
const batchShape = [golden.batch, ...golden.shape];
const noise = batchOf(golden.noise, batchShape);
const steps = golden.karras.length - 1;
const condition = batchOf(golden.condition, [golden.batch, golden.tokens, golden.width]);
const unconditional = batchOf(golden.unconditional, [1, golden.tokens, golden.width]);
const stepNoise = (index: number) =>
  batchOf(golden.stepNoise.slice(index * noise.data.length, (index + 1) * noise.data.length), batchShape);
const startAt = (sigma: number) =>
  floatTensor(
    batchShape,
    noise.data.map((value) => value * sigma),
  );
const toyDenoiser = (parametrization: Parametrization) => {
  const meter = createMeter();
  const schedule = stableDiffusionSchedule(parametrization);
  const denoiser = createDenoiser({
    predict: toyNetwork(golden),
    schedule,
    sampleShape: golden.shape,
    meter,
  });
  return { denoiser, meter };
};

describe('trajectories', () => {
  it.each(golden.runs)(
    'of $sampler agree with k-diffusion: $parametrization, $spacing sigmas',
    async (run) => {
      const { denoiser, meter } = toyDenoiser(run.parametrization);
      const sigmas =
        run.spacing === 'plain'
          ? plainSigmas(denoiser.sigmas, steps)
          : karrasSigmas(steps, denoiser.sigmaMin, denoiser.sigmaMax);
      const path: number[][] = [];
      const result = await samplerNamed(run.sampler).sample(
        guided(denoiser, condition, unconditional, golden.guidance),
        startAt(sigmas[0]!),
        sigmas,
        { noise: stepNoise, onStep: ({ x }) => path.push([...x.data.subarray(0, golden.shape[2])]) },
      );
      expect(relativeError(result.data, run.result)).toBeLessThan(1e-4);
      expect(path.length).toBe(steps);
      run.path.forEach((expected, i) => {
        expect(relativeError(path[i]!, expected)).toBeLessThan(1e-4);
      });
      const name = samplerNames.find((known) => known === run.sampler)!;
      expect(meter.evaluations).toBe(samplerCalls(name, steps) * golden.batch * 2);
    },
  );

  it.each(golden.ddim)('of ddim agree with diffusers: $parametrization, eta $eta', async (run) => {
    const { denoiser } = toyDenoiser(run.parametrization);
    const sigmas = Float64Array.from([...run.timesteps.map((t) => denoiser.sigmas[t]!), 0]);
    const result = await samplers.ddim.sample(
      (x, sigma) => denoiser.denoise(x, sigma, condition),
      startAt(sigmas[0]!),
      sigmas,
      { eta: run.eta, noise: stepNoise },
    );
    expect(relativeError(result.data, run.result)).toBeLessThan(1e-4);
  });
});

describe.each(samplerNames)('%s', (name) => {
  const { sample } = samplers[name];
  const point = Float32Array.from(noise.data, (_, i) => Math.cos(i));
  const perfect: Denoise = async (x) => floatTensor(x.shape, point);
  const sigmaMax = 14.614641;

  it('returns the point in one step when all mass is in one point', async () => {
    const result = await sample(perfect, startAt(sigmaMax), Float64Array.of(sigmaMax, 0), {
      noise: stepNoise,
    });
    expect(relativeError(result.data, [...point])).toBeLessThan(1e-5);
  });

  it('reaches the point from any sigmas, and leaves x alone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: steps }), async (count) => {
        const start = startAt(sigmaMax);
        const before = start.data.slice();
        const result = await sample(perfect, start, karrasSigmas(count, 0.03, sigmaMax), {
          noise: stepNoise,
        });
        expect(relativeError(result.data, [...point])).toBeLessThan(1e-5);
        expect(start.data).toEqual(before);
      }),
      { numRuns: steps },
    );
  });

  it('calls the denoiser as often as samplerCalls says', async () => {
    for (const count of [1, 2, 5]) {
      let calls = 0;
      const counted: Denoise = async (x) => {
        calls++;
        return x;
      };
      await sample(counted, startAt(1), karrasSigmas(count, 0.03, 1), { noise: stepNoise });
      expect(calls).toBe(samplerCalls(name, count));
    }
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    let seen = 0;
    const run = sample(perfect, startAt(1), karrasSigmas(5, 0.03, 1), {
      noise: stepNoise,
      signal: stop.signal,
      onStep: () => {
        if (++seen === 2) stop.abort();
      },
    });
    await expect(run).rejects.toThrow('aborted');
    expect(seen).toBe(2);
  });
});

describe('ancestral steps', () => {
  it('keep the variance of the next level', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 20, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (sigma, share, eta) => {
          const next = sigma * share;
          const { down, up } = ancestralStep(sigma, next, eta);
          expect(down ** 2 + up ** 2).toBeCloseTo(next ** 2, 9);
        },
      ),
    );
  });

  it('ask for the noise that they need', async () => {
    const run = samplers['euler-ancestral'].sample(async (x) => x, startAt(1), Float64Array.of(1, 0.5, 0));
    await expect(run).rejects.toThrow('noise function');
  });
});

it('an unknown sampler is refused with the nearest name', () => {
  expect(() => samplerNamed('huen')).toThrow('There is no sampler "huen"; did you mean "heun"?');
});
