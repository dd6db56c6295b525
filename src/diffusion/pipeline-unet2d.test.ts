import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { allPictures } from '../images/index.ts';
import { floatTensor, mapTensor, type Tensor } from '../math/index.ts';
import { fixtures, goldens, relativeError } from '../models/testing/goldens.ts';
import { generate, oneStep } from './generate.ts';
import { greyToRgb, rgbToGrey } from './grey.ts';
import { guided } from './guidance.ts';
import { dynamicThreshold, limitFromConfig } from './limit.ts';
import { seededNoise } from './noise.ts';
import { openPipeline } from './pipeline.ts';
import { ddim, eulerAncestral, type Sampler } from './samplers/index.ts';

const seeds = [0, 3];
const steps = 16;
const scratch = mkdtempSync(join(tmpdir(), 'verbatim-unet2d-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A copy of a fixture model with a changed JSON file. */
function variant(from: string, name: string, file: string, change: Record<string, unknown>): string {
  const folder = join(scratch, name);
  cpSync(fixtures + from, folder, { recursive: true });
  const path = join(folder, file);
  let json: Record<string, unknown> = {};
  try {
    json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  } catch {
    // verbatim.json is not there yet.
  }
  writeFileSync(path, JSON.stringify({ ...json, ...change }));
  return folder;
}

describe.each([
  ['ddpm', ['', ''], 'plain', 1],
  ['classes', ['bus', '0'], 'plain', 1],
  ['classes', ['bus', 'cat'], 'guided', 3],
  ['learned', ['2', '0'], 'plain', 1],
  ['ldm', ['', ''], 'plain', 1],
] as const)('%s with captions %j, %s, guidance %d', (name, captions, kind, guidance) => {
  const golden = goldens(name);

  it('gives the output of diffusers’ network in one step', async () => {
    const pipeline = await openPipeline(fixtures + name, { threads: 1 });
    const { latents, pictures } = await oneStep(pipeline, { captions, seeds, guidance });
    expect(relativeError(latents, golden(`${kind}.one_step`))).toBeLessThan(1e-3);
    expect(allPictures(pictures)[0]).toMatchObject({
      height: pipeline.pictureSize[0],
      width: pipeline.pictureSize[1],
    });
    await pipeline.close();
  });

  it('samples as k-diffusion does in 16 Heun steps', async () => {
    const pipeline = await openPipeline(fixtures + name, { threads: 1 });
    const { latents } = await generate(pipeline, { captions, seeds, guidance, steps });
    expect(relativeError(latents, golden(`${kind}.heun`))).toBeLessThan(1e-3);
    await pipeline.close();
  });
});

/** How far the pictures are from a golden [n, h, w, 3] of 0 to 1, in levels of 8 bits. */
function levels(pictures: readonly { data: Uint8Array }[], golden: Tensor): number {
  const values = golden.data as Float32Array;
  const each = values.length / pictures.length;
  return Math.max(
    ...pictures.flatMap(({ data }, n) =>
      Array.from(data, (value, i) => Math.abs(value - 255 * values[n * each + i]!)),
    ),
  );
}

describe.each([
  ['ddpm', 'DDPMPipeline', eulerAncestral],
  ['ldm', 'LDMPipeline', ddim],
] as const)('%s', (name, peer, sampler: Sampler) => {
  it(`makes the pictures of diffusers' own ${peer}`, async () => {
    const pipeline = await openPipeline(fixtures + name, { threads: 1 });
    const { denoiser } = pipeline;
    // Its timesteps in 16 steps are every 62nd of 1,000, and its start has the variance of x_t, not of σ·ε.
    const times = Array.from({ length: steps }, (_, i) => 62 * (steps - 1 - i));
    const sigmas = Float64Array.of(...times.map((time) => denoiser.sigmas[time]!), 0);
    const noise = seededNoise('torch-cpu');
    const spread = Math.sqrt(1 + sigmas[0]! ** 2);
    const start = mapTensor(noise(seeds, denoiser.sampleShape, 0), (value) => value * spread);
    const condition = await pipeline.encodeText(['']);
    const samples = await sampler(guided(denoiser, condition, condition, 1), start, sigmas, {
      noise: (index) => noise(seeds, denoiser.sampleShape, index + 1),
    });
    const pictures = allPictures(await pipeline.decode(samples));
    expect(levels(pictures, goldens(name)('pipeline'))).toBeLessThan(1);
    await pipeline.close();
  });
});

describe('ldm', () => {
  it('decodes samples to the pictures of VQModel', async () => {
    const golden = goldens('ldm');
    const pipeline = await openPipeline(`${fixtures}ldm`, { threads: 1 });
    const pictures = allPictures(await pipeline.decode(golden('plain.heun') as Tensor<'float32'>));
    const decoded = golden('plain.heun_picture');
    const values = decoded.data as Float32Array;
    const plane = values.length / 6;
    pictures.forEach(({ data }, n) => {
      data.forEach((level, i) => {
        const value = values[(3 * n + (i % 3)) * plane + Math.floor(i / 3)]!;
        expect(Math.abs(level - 255 * Math.min(1, Math.max(0, value / 2 + 0.5)))).toBeLessThan(1);
      });
    });
    expect((await pipeline.encode(pictures)).shape).toEqual([2, ...pipeline.denoiser.sampleShape]);
    await expect(pipeline.encode([{ width: 3, height: 16, data: new Uint8Array(144) }])).rejects.toThrow(
      'encodes pictures of 16×16 pixels, got 3×16',
    );
    await pipeline.close();
  });
});

describe('conditions', () => {
  it('of an unconditional model are the empty caption', async () => {
    const pipeline = await openPipeline(`${fixtures}ddpm`, { threads: 1 });
    expect(pipeline).toMatchObject({ conditions: 'none', guidance: 1 });
    expect((await pipeline.encodeText(['', ''])).shape).toEqual([2, 1, 1]);
    await expect(pipeline.encodeText(['', 'a cat'])).rejects.toThrow(
      'ddpm: is unconditional and takes no captions, got "a cat"',
    );
    await pipeline.close();
  });

  it('of a class-conditional one are numbers and names', async () => {
    const pipeline = await openPipeline(`${fixtures}classes`, { threads: 1 });
    expect(pipeline.conditions).toBe('classes');
    const labels = await pipeline.encodeText(['dog', '3', '', 'cat']);
    expect([...labels.data]).toEqual([1, 3, 4, 0]);
    await expect(pipeline.encodeText(['dogs'])).rejects.toThrow(
      'takes class labels from 0 to 4, or a name from its verbatim.json such as "dog" as captions, not "dogs"',
    );
    for (const wrong of ['5', '-1', '1.5', '1e0'])
      await expect(pipeline.encodeText([wrong])).rejects.toThrow('takes class labels from 0 to 4');
    await pipeline.close();
    const learned = await openPipeline(`${fixtures}learned`, { threads: 1 });
    await expect(learned.encodeText([''])).rejects.toThrow('has classes and no label for none of them');
    await learned.close();
  });
});

describe('openPipeline', () => {
  it.each([
    ['ddpm', 'verbatim.json', { guidance: 2 }, 'verbatim.json: "guidance" must be 1'],
    ['learned', 'verbatim.json', { guidance: 2 }, '"guidance" other than 1 needs an "unconditionalClass"'],
    ['classes', 'verbatim.json', { unconditionalClass: 5 }, '"unconditionalClass" is 5; the last label is 4'],
    ['classes', 'verbatim.json', { classes: [...'abcdef'] }, '"classes" has 6 names for 5 labels'],
    ['classes', 'verbatim.json', { classes: 3 }, 'verbatim.json: "classes"'],
    ['ddpm', 'scheduler/scheduler_config.json', { clip_sample: 'yes' }, '"clip_sample"'],
    [
      'ddpm',
      'scheduler/scheduler_config.json',
      { variance_type: 'learned' },
      '"variance_type" is "learned", but the network gives 3 channels for 3',
    ],
    [
      'learned',
      'scheduler/scheduler_config.json',
      { variance_type: 'fixed_small' },
      'but the network gives 6 channels for 3',
    ],
    ['ddpm', 'model_index.json', { _class_name: 'ScoreSdeVePipeline' }, 'the pipeline "ScoreSdeVePipeline"'],
  ])('refuses %s with %s %j', async (from, file, change, message) => {
    const folder = variant(from, 'bad', file, change);
    await expect(openPipeline(folder, { threads: 1 })).rejects.toThrow(message);
    rmSync(folder, { recursive: true });
  });
});

it('a tokenizer is refused, as for every folder', async () => {
  const options = { threads: 1, tokenizer: fixtures };
  await expect(openPipeline(`${fixtures}ddpm`, options)).rejects.toMatchObject({
    message: expect.stringContaining('"tokenizer" goes with a single .safetensors file'),
    exitCode: 2,
  });
});

describe('grey', () => {
  it('becomes three equal channels, and comes back', () => {
    const grey = floatTensor([2, 1, 1, 2], Float32Array.of(1, 2, 3, 4));
    const rgb = greyToRgb(grey);
    expect(rgb.shape).toEqual([2, 3, 1, 2]);
    expect([...rgb.data]).toEqual([1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4]);
    expect(rgbToGrey(rgb)).toEqual(grey);
  });
});

describe('limitFromConfig', () => {
  const values = {
    dtype: 'float32',
    shape: [1, 1, 1, 4],
    data: Float32Array.of(-3, -0.5, 0.25, 1.5),
  } as const;

  it('clips where the class does, by default or when told to, and nowhere else', () => {
    expect([...limitFromConfig({}, 'file')!(values).data]).toEqual([-1, -0.5, 0.25, 1]);
    const range = limitFromConfig({ _class_name: 'DDIMScheduler', clip_sample_range: 2 }, 'file')!;
    expect([...range(values).data]).toEqual([-2, -0.5, 0.25, 1.5]);
    expect(limitFromConfig({ clip_sample: false }, 'file')).toBeUndefined();
    const clip = { clip_sample: true };
    expect(limitFromConfig({ _class_name: 'HeunDiscreteScheduler' }, 'file')).toBeUndefined();
    expect(limitFromConfig({ _class_name: 'HeunDiscreteScheduler', ...clip }, 'file')).toBeDefined();
    // Left over from a config of another class, which `from_config` keeps.
    expect(limitFromConfig({ _class_name: 'EulerDiscreteScheduler', ...clip }, 'file')).toBeUndefined();
  });

  it('thresholds every sample by its own quantile', () => {
    // |x| sorted: .25, .5, 1.5, 3; the quantile .5 is 1.
    expect([...dynamicThreshold(0.5, 10)(values).data]).toEqual([-1, -0.5, 0.25, 1]);
    expect([...dynamicThreshold(1, 2)(values).data]).toEqual([-1, -0.25, 0.125, 0.75]);
  });
});
