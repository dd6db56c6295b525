import { describe, expect, it } from 'vitest';
import { floatTensor, sliceBatch } from '../math/index.ts';
import { noiseFor, torchGenerator } from '../noise/index.ts';
import { createMeter } from '../runtime/index.ts';
import { generate, oneStep } from './generate.ts';
import { guided } from './guidance.ts';
import { seededNoise } from './noise.ts';
import { samplerCalls, samplerNames } from './samplers/index.ts';
import { readGolden, relativeError, toyPipeline } from './testing/toy.ts';

const golden = readGolden();
const captions = ['a', 'two cups', 'a', 'flag', 'two cups'];
const seeds = [0, 1, 2, 0, 7];

describe('seededNoise', () => {
  it('goes on in each seed’s own generator, in any order of calls', () => {
    const noise = seededNoise('torch-cpu');
    const shape = [2, 3, 4];
    const expected = (seed: number, draw: number) => {
      const generator = torchGenerator(seed);
      for (let i = 0; i < draw; i++) generator.randn(shape);
      return generator.randn(shape).data;
    };
    for (const [own, draw] of [
      [[5, 6], 0],
      [[5, 6], 1],
      [[5, 6], 2],
      [[6, 5, 6], 4],
      [[5], 1],
      [[8], 3],
    ] as const) {
      const rows = noise(own, shape, draw);
      expect(rows.shape).toEqual([own.length, ...shape]);
      own.forEach((seed, i) => {
        expect(sliceBatch(rows, i, i + 1).data).toEqual(expected(seed, draw));
      });
    }
  });
});

describe.each(samplerNames)('generate with %s', (sampler) => {
  const steps = 3;
  const run = (batch: number, meter = createMeter()) =>
    generate(toyPipeline(golden, { meter }), { captions, seeds, sampler, steps, batch });

  it('gives each (caption, seed) its own picture, whatever the batch', async () => {
    const whole = await run(16);
    expect(whole.latents.shape).toEqual([5, ...golden.shape]);
    expect(whole.pictures.length).toBe(5);
    for (const batch of [1, 2, 3]) {
      const parts = await run(batch);
      expect(parts.latents.data).toEqual(whole.latents.data);
      expect(parts.pictures).toEqual(whole.pictures);
    }
  });

  it('costs what its sampler says, less what is shared at σ_max', async () => {
    const meter = createMeter();
    await run(16, meter);
    // Items 0 and 3 have the same seed: one unconditional evaluation less.
    expect(meter.evaluations).toBe(samplerCalls(sampler, steps) * captions.length * 2 - 1);
    const alone = createMeter();
    await run(1, alone);
    expect(alone.evaluations).toBe(samplerCalls(sampler, steps) * captions.length * 2);
  });
});

describe('generate', () => {
  it('in one step is the one-step estimate, from either spacing', async () => {
    const pipeline = toyPipeline(golden);
    const direct = await oneStep(pipeline, { captions, seeds });
    for (const spacing of ['karras', 'plain'] as const) {
      const { latents } = await generate(pipeline, { captions, seeds, steps: 1, spacing });
      expect(relativeError(latents.data, [...direct.latents.data])).toBeLessThan(1e-5);
    }
    const { sigmaMax } = pipeline.denoiser;
    const noise = noiseFor([7], golden.shape);
    const x = floatTensor(
      noise.shape,
      noise.data.map((value) => value * sigmaMax),
    );
    const states = await pipeline.encodeText(['two cups']);
    const expected = await guided(pipeline.denoiser, states, await pipeline.encodeText(['']), 3)(x, sigmaMax);
    expect(sliceBatch(direct.latents, 4, 5).data).toEqual(expected.data);
  });

  it('takes the model’s guidance unless told otherwise, and none at 1', async () => {
    const meter = createMeter();
    const pipeline = toyPipeline(golden, { meter });
    const own = await generate(pipeline, { captions, seeds, steps: 2 });
    expect(await generate(pipeline, { captions, seeds, steps: 2, guidance: 3 })).toEqual(own);
    const before = meter.evaluations;
    const plain = await generate(pipeline, { captions, seeds, steps: 2, guidance: 1 });
    expect(meter.evaluations - before).toBe(3 * captions.length);
    expect(plain.latents.data).not.toEqual(own.latents.data);
  });

  it('encodes each distinct caption of a batch once', async () => {
    const pipeline = toyPipeline(golden);
    const asked: string[][] = [];
    await generate(
      {
        ...pipeline,
        encodeText: (list) => {
          asked.push([...list]);
          return pipeline.encodeText(list);
        },
      },
      { captions, seeds, steps: 1 },
    );
    expect(asked).toEqual([[''], ['a', 'two cups', 'flag']]);
  });

  it('reports its steps and stops when it is told to', async () => {
    const stop = new AbortController();
    const seen: [number, number][] = [];
    const run = generate(toyPipeline(golden), {
      captions,
      seeds,
      steps: 4,
      batch: 2,
      signal: stop.signal,
      onStep: (step, { done, total }) => {
        expect(total).toBe(5);
        seen.push([done, step.index]);
        if (done === 2 && step.index === 1) stop.abort();
      },
    });
    await expect(run).rejects.toThrow('aborted');
    expect(seen).toEqual([0, 1, 2, 3].map((index) => [0, index]).concat([0, 1].map((index) => [2, index])));
  });

  it('refuses lists that do not belong together, and gives nothing for nothing', async () => {
    const pipeline = toyPipeline(golden);
    await expect(generate(pipeline, { captions, seeds: [1] })).rejects.toThrow('5 captions and 1 seeds');
    await expect(oneStep(pipeline, { captions: [], seeds: [1] })).rejects.toThrow('0 captions and 1 seeds');
    await expect(generate(pipeline, { captions, seeds, steps: 0 })).rejects.toThrow('at least 1');
    expect((await generate(pipeline, { captions: [], seeds: [] })).pictures).toEqual([]);
    expect((await oneStep(pipeline, { captions: [], seeds: [] })).latents.shape).toEqual([
      0,
      ...golden.shape,
    ]);
  });
});
