import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allPictures } from '../images/index.ts';
import { mapTensor, type Tensor } from '../math/index.ts';
import { fixtures, goldens, relativeError } from '../models/testing/goldens.ts';
import { createMeter } from '../runtime/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { generate, oneStep } from './generate.ts';
import { guided } from './guidance.ts';
import { seededNoise } from './noise.ts';
import { openPipeline } from './pipeline.ts';
import type { Pipeline } from './pipeline.types.ts';
import { eulerAncestral } from './samplers/index.ts';

/** As in bench/peers/make_if_fixtures.py. */
const captions = ['A red bicycle ', 'Sunflowers, poster 50x70 \u2014 caf\u00e9'];
const seeds = [0, 3];
const guidance = 3;
const steps = 16;
const cpu = { threads: 1 } as const;
const golden = (name: string) => goldens('if')(name) as Tensor<'float32'>;
const root = temporaryFolder('pipeline-if');

describe('a folder of IFPipeline', () => {
  let pipeline: Pipeline;
  const meter = createMeter();
  beforeAll(async () => {
    pipeline = await openPipeline(`${fixtures}if`, { ...cpu, meter });
  });
  afterAll(() => pipeline.close());

  it('is conditioned on captions, and guided as by default in diffusers', () => {
    expect(pipeline).toMatchObject({ conditions: 'captions', guidance: 7, pictureSize: [8, 8] });
  });

  it('gives the output of diffusers’ network in one step, before and after thresholding', async () => {
    const before = meter.evaluations;
    const { latents } = await oneStep(pipeline, { captions, seeds, guidance });
    expect(meter.evaluations - before).toBe(4);
    const free = await oneStep(withoutLimit(pipeline), { captions, seeds, guidance });
    // From σ = 20,291: float32 leaves 2.7e-6 of k-diffusion's own, too.
    expect(relativeError(free.latents, golden('cosine.one_step_free'))).toBeLessThan(1e-5);
    // Within ±1.5 of 128,000 that is much, so the threshold is compared on its own.
    const wanted = golden('cosine.one_step');
    expect(relativeError(pipeline.denoiser.limit!(golden('cosine.one_step_free')), wanted)).toBeLessThan(
      1e-3,
    );
    expect(pipeline.denoiser.limit!(free.latents)).toEqual(latents);
  });

  it('samples in 16 Euler steps what k-diffusion does, as far as float32 carries', async () => {
    const { latents } = await generate(pipeline, { captions, seeds, guidance, steps, sampler: 'euler' });
    // The first estimate is uncertain by 2e-2, and k-diffusion in float32 ends 1.7e-3 from itself in float64.
    expect(relativeError(latents, golden('cosine.euler'))).toBeLessThan(1e-2);
  });

  it('makes the pictures of diffusers’ own IFPipeline, from captions and seeds', async () => {
    const { denoiser } = pipeline;
    // Its timesteps in 16 steps are every 62nd of 1,000, and its start has the variance of x_t, not of σ·ε.
    const times = Array.from({ length: steps }, (_, i) => 62 * (steps - 1 - i));
    const sigmas = Float64Array.of(...times.map((time) => denoiser.sigmas[time]!), 0);
    const noise = seededNoise('torch-cpu');
    const spread = Math.sqrt(1 + sigmas[0]! ** 2);
    const start = mapTensor(noise(seeds, denoiser.sampleShape, 0), (value) => value * spread);
    const [condition, empty] = [await pipeline.encodeText(captions), await pipeline.encodeText([''])];
    const samples = await eulerAncestral(guided(denoiser, condition, empty, guidance), start, sigmas, {
      noise: (index) => noise(seeds, denoiser.sampleShape, index + 1),
    });
    const values = golden('pipeline').data;
    const each = values.length / seeds.length;
    for (const [n, { data }] of allPictures(await pipeline.decode(samples)).entries())
      data.forEach((level, i) => {
        expect(Math.abs(level - 255 * values[n * each + i]!)).toBeLessThan(1);
      });
  });
});

describe('the same networks with the schedule of Stable Diffusion, whose σ_max is 14.6', () => {
  it('give what k-diffusion does in one step and in 16 Euler steps', async () => {
    const folder = copy('scaled');
    const file = join(folder, 'scheduler', 'scheduler_config.json');
    const json = JSON.parse(readFileSync(file, 'utf8')) as object;
    const schedule = { beta_schedule: 'scaled_linear', beta_start: 0.00085, beta_end: 0.012 };
    writeFileSync(file, JSON.stringify({ ...json, ...schedule }));
    const pipeline = await openPipeline(folder, cpu);
    const free = await oneStep(withoutLimit(pipeline), { captions, seeds, guidance });
    expect(relativeError(free.latents, golden('scaled.one_step_free'))).toBeLessThan(1e-3);
    const one = await oneStep(pipeline, { captions, seeds, guidance });
    expect(relativeError(one.latents, golden('scaled.one_step'))).toBeLessThan(1e-3);
    const { latents } = await generate(pipeline, { captions, seeds, guidance, steps, sampler: 'euler' });
    expect(relativeError(latents, golden('scaled.euler'))).toBeLessThan(1e-3);
    await pipeline.close();
  });
});

/** Clean estimates as they come out of guidance. */
function withoutLimit(pipeline: Pipeline): Pipeline {
  const { limit: _, ...free } = pipeline.denoiser;
  return { ...pipeline, denoiser: free };
}

/** A copy of the fixture. */
function copy(name: string): string {
  const folder = join(root, name);
  rmSync(folder, { recursive: true, force: true });
  cpSync(`${fixtures}if`, folder, { recursive: true });
  return folder;
}

describe('openPipeline', () => {
  it.each([
    ['verbatim.json', { guidance: -1 }, 'verbatim.json: "guidance"'],
    ['scheduler/scheduler_config.json', { thresholding: 'yes' }, '"thresholding"'],
    ['scheduler/scheduler_config.json', { dynamic_thresholding_ratio: 2 }, '"dynamic_thresholding_ratio"'],
    ['scheduler/scheduler_config.json', { variance_type: 'fixed_small' }, 'but the network gives 6 channels'],
    ['model_index.json', { _class_name: 'IFSuperResolutionPipeline' }, '"IFSuperResolutionPipeline" is not'],
    ['text_encoder/config.json', { vocab_size: 550 }, 'it must be the encoder’s own tokenizer'],
    ['text_encoder/config.json', { num_layers: 3 }, 'encoder.block.2.layer.0'],
  ])('refuses %s with %j', async (file, change, message) => {
    const folder = copy('changed');
    const path = join(folder, file);
    const json = file === 'verbatim.json' ? {} : (JSON.parse(readFileSync(path, 'utf8')) as object);
    writeFileSync(path, JSON.stringify({ ...json, ...change }));
    await expect(openPipeline(folder, cpu)).rejects.toThrow(message.replace('’', "'"));
  });

  it('refuses a spiece.model that is cut short, and a tokenizer from elsewhere', async () => {
    const folder = copy('cut');
    truncateSync(join(folder, 'tokenizer', 'spiece.model'), 5000);
    await expect(openPipeline(folder, cpu)).rejects.toThrow(/spiece\.model: .*cut short/);
    await expect(openPipeline(folder, { ...cpu, tokenizer: folder })).rejects.toThrow(
      'a model folder has its own',
    );
  });

  it('takes the digest of what the tokenizer holds too', async () => {
    const folder = copy('other');
    const file = join(folder, 'tokenizer', 'tokenizer_config.json');
    writeFileSync(file, `${readFileSync(file, 'utf8')} `);
    const digests: string[] = [];
    for (const path of [`${fixtures}if`, folder]) {
      const pipeline = await openPipeline(path, cpu);
      digests.push(pipeline.digest);
      await pipeline.close();
    }
    expect(digests[0]).not.toBe(digests[1]);
  });
});
