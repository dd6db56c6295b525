import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allPictures } from '../images/index.ts';
import { expandBatch, floatTensor } from '../math/index.ts';
import { writeCheckpoint } from '../models/testing/single-file.ts';
import { noiseFor } from '../noise/index.ts';
import { createMeter } from '../runtime/index.ts';
import { generate, oneStep } from './generate.ts';
import { guided } from './guidance.ts';
import { openPipeline } from './pipeline.ts';
import type { Pipeline } from './pipeline.types.ts';
import { relativeError } from './testing/toy.ts';

interface Golden {
  captions: string[];
  seeds: number[];
  guidance: number;
  steps: number;
  side: number;
  runs: Record<
    'epsilon' | 'v_prediction',
    { oneStep: number[]; pictures: number[][]; heun: number[]; heunPictures: number[][]; dcs: number[] }
  >;
  picture: number[];
  encoded: number[];
}
const golden = JSON.parse(
  readFileSync(new URL('./fixtures/pipeline.json', import.meta.url), 'utf8'),
) as Golden;
const fixture = (name: string) => fileURLToPath(new URL(`../models/fixtures/${name}`, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'verbatim-pipeline-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A copy of the fixture model with a changed JSON file. */
function variant(name: string, file: string, change: Record<string, unknown>): string {
  const folder = join(scratch, name);
  cpSync(fixture('sd1'), folder, { recursive: true });
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

describe.each(['epsilon', 'v_prediction'] as const)('a %s model folder', (kind) => {
  const expected = golden.runs[kind];
  const meter = createMeter();
  let pipeline: Pipeline;
  beforeAll(async () => {
    const folder = variant(kind, 'scheduler/scheduler_config.json', { prediction_type: kind });
    pipeline = await openPipeline(folder, { threads: 1, meter });
  });
  afterAll(() => pipeline.close());
  const { captions, seeds } = golden;

  /** Differences of 8-bit values: how far at most. */
  const levels = (pictures: readonly { data: Uint8Array }[], reference: number[][]) =>
    Math.max(
      ...pictures.flatMap(({ data }, i) =>
        Array.from(data, (value, j) => Math.abs(value - reference[i]![j]!)),
      ),
    );

  it('gives the one-step output and picture of diffusers', async () => {
    const { latents, pictures } = await oneStep(pipeline, { captions, seeds });
    expect(relativeError(latents.data, expected.oneStep)).toBeLessThan(1e-4);
    expect(levels(allPictures(pictures), expected.pictures)).toBeLessThanOrEqual(1);
  });

  it('samples as k-diffusion does on diffusers’ networks', async () => {
    const { latents, pictures } = await generate(pipeline, { captions, seeds, steps: golden.steps });
    expect(relativeError(latents.data, expected.heun)).toBeLessThan(1e-4);
    expect(levels(allPictures(pictures), expected.heunPictures)).toBeLessThanOrEqual(1);
  });

  it('has the reference’s DCS', async () => {
    const { denoiser } = pipeline;
    const x = floatTensor(
      [1, ...denoiser.sampleShape],
      noiseFor([0], denoiser.sampleShape).data.map((value) => value * denoiser.sigmaMax),
    );
    const before = meter.evaluations;
    const output = await guided(
      denoiser,
      await pipeline.encodeText(captions),
      await pipeline.encodeText(['']),
      golden.guidance,
    )(expandBatch(x, captions.length), denoiser.sigmaMax);
    expect(meter.evaluations - before).toBe(captions.length + 1);
    const length = x.data.length;
    expected.dcs.forEach((score, i) => {
      let sum = 0;
      for (let j = 0; j < length; j++) sum += (x.data[j]! - output.data[i * length + j]!) ** 2;
      expect(Math.abs(sum / length / score - 1)).toBeLessThan(1e-4);
    });
  });
});

describe('a model folder with zero terminal SNR', () => {
  const zero = JSON.parse(readFileSync(new URL('./fixtures/zero-snr.json', import.meta.url), 'utf8')) as Pick<
    Golden,
    'captions' | 'seeds' | 'guidance' | 'steps'
  > & {
    config: Record<string, unknown>;
    at: number[];
    alphasCumprod: number[];
    oneStep: number[];
    oneStepDdim: number[];
    euler: number[];
  };
  const { captions, seeds, steps, guidance } = zero;
  let pipeline: Pipeline;
  beforeAll(async () => {
    const change = { _class_name: 'EulerDiscreteScheduler', ...zero.config };
    pipeline = await openPipeline(variant('zero-snr', 'scheduler/scheduler_config.json', change), {
      threads: 1,
    });
  });
  afterAll(() => pipeline.close());

  it('has the noise levels of diffusers, 4096 the last', () => {
    const { sigmas, sigmaMax } = pipeline.denoiser;
    zero.at.forEach((timestep, i) => {
      const alpha = 1 / (sigmas[timestep]! ** 2 + 1);
      // diffusers computes in float32: what is left of √ᾱ at the end is a difference of nearly equal numbers.
      expect(Math.abs(Math.sqrt(alpha) - Math.sqrt(zero.alphasCumprod[i]!))).toBeLessThan(1e-6);
    });
    expect(sigmaMax).toBeCloseTo(4096, 3);
  });

  it('gives in one step what Euler and DDIM of diffusers give', async () => {
    const { latents } = await oneStep(pipeline, { captions, seeds, guidance });
    expect(relativeError(latents.data, zero.oneStep)).toBeLessThan(1e-3);
    expect(relativeError(latents.data, zero.oneStepDdim)).toBeLessThan(1e-3);
  });

  it('is what an empty tensor ztsnr of a single file says', async () => {
    const path = join(scratch, 'fine-tune.safetensors');
    const tokenizer = fixture('tokenizer');
    const with_ = (...names: string[]) =>
      writeCheckpoint(path, 'sdxl', {
        change: (tensors) => {
          for (const name of names) tensors[name] = floatTensor([0]);
        },
      });
    await with_('v_pred', 'ztsnr');
    const single = await openPipeline(path, { tokenizer, threads: 1 });
    expect(single.denoiser.sigmaMax).toBe(pipeline.denoiser.sigmaMax);
    await single.close();
    await with_('ztsnr');
    await expect(openPipeline(path, { tokenizer, threads: 1 })).rejects.toThrow(
      'fine-tune.safetensors (scheduler): "rescale_betas_zero_snr" makes the last timestep pure noise',
    );
  });

  it('samples in 16 Euler steps as diffusers does', async () => {
    const { latents } = await generate(pipeline, { captions, seeds, steps, guidance, sampler: 'euler' });
    expect(relativeError(latents.data, zero.euler)).toBeLessThan(1e-3);
  });
});

describe('openPipeline', () => {
  it('encodes pictures of the model’s size, and refuses others', async () => {
    const pipeline = await openPipeline(fixture('sd1'), { threads: 1 });
    const { side } = golden;
    const picture = { width: side, height: side, data: Uint8Array.from(golden.picture) };
    const latents = await pipeline.encode([picture, picture]);
    expect(latents.shape).toEqual([2, ...pipeline.denoiser.sampleShape]);
    expect(relativeError(latents.data, [...golden.encoded, ...golden.encoded])).toBeLessThan(1e-4);
    await expect(pipeline.encode([{ ...picture, width: side / 2, height: side * 2 }])).rejects.toThrow(
      `encodes pictures of ${side}×${side} pixels, got ${side / 2}×${side * 2}`,
    );
    expect(await pipeline.decode(floatTensor([0, ...pipeline.denoiser.sampleShape]))).toEqual([]);
    await pipeline.close();
  });

  it.each(['cpu', 'auto'] as const)(
    'refuses half precision for provider %s, where it gains nothing',
    async (provider) => {
      await expect(openPipeline(fixture('sd1'), { provider, precision: 'float16' })).rejects.toThrow(
        /precision float16 is for graphics cards.*webgpu or cuda/,
      );
    },
  );

  it('takes the guidance scale from verbatim.json, 7.5 without one', async () => {
    const plain = await openPipeline(fixture('sd1'), { threads: 1 });
    expect(plain.guidance).toBe(7.5);
    const own = await openPipeline(variant('own', 'verbatim.json', { guidance: 2.5 }), { threads: 1 });
    expect(own.guidance).toBe(2.5);
    expect(own.name).toBe('own');
    expect(own.digest).not.toBe(plain.digest);
    await Promise.all([plain.close(), own.close()]);
  });

  it.each([
    ['guidance', 'verbatim.json', { guidance: 'strong' }, 'verbatim.json: "guidance"'],
    [
      'flow',
      'scheduler/scheduler_config.json',
      { prediction_type: 'flow' },
      'scheduler_config.json: "prediction_type" is "flow"',
    ],
  ])('names the file and the key of a bad %s', async (name, file, change, message) => {
    await expect(openPipeline(variant(name, file, change))).rejects.toThrow(message);
  });

  it('refuses a UNet that predicts something of another shape', async () => {
    const folder = variant('learned-variance', 'unet/config.json', { out_channels: 8 });
    await expect(openPipeline(folder)).rejects.toThrow('out_channels = 8');
  });
});
