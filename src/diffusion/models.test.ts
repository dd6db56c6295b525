import { cpSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allPictures } from '../images/index.ts';
import { floatTensor, type Tensor } from '../math/index.ts';
import {
  openModel,
  openModelFolder,
  openSafetensors,
  openTextEncoder,
  openUnet,
  writeOnnxFolder,
} from '../models/index.ts';
import { fixtures, relativeError } from '../models/testing/goldens.ts';
import { singleFileVariants, writeCheckpoint } from '../models/testing/single-file.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { generate, oneStep } from './generate.ts';
import { openPipeline } from './pipeline.ts';
import type { Pipeline } from './pipeline.types.ts';

/** As in bench/peers/make_single_file_fixtures.py. */
const captions = ['a red bicycle', 'Sunflowers, poster 50x70'];
const seeds = [0, 3];
const guidance = 5;
const cpu = { threads: 1 } as const;
const root = temporaryFolder('models');
const tokenizer = `${fixtures}tokenizer`;

/** The same model as a folder, as one file, and exported to ONNX. */
const forms = ['folder', 'single file', 'onnx'] as const;
async function pathOf(variant: (typeof singleFileVariants)[number], form: (typeof forms)[number]) {
  if (form === 'folder') return fixtures + variant;
  const path = join(root, form === 'onnx' ? `${variant}-onnx` : `${variant}.safetensors`);
  if (form === 'onnx') await writeOnnxFolder(path, await openModelFolder(fixtures + variant));
  else await writeCheckpoint(path, variant);
  return path;
}

describe.each(singleFileVariants)('%s', (variant) => {
  const file = openSafetensors(`${fixtures}${variant}/pipeline.safetensors`);
  const golden = (name: string) => file.read(name) as Tensor<'float32'>;
  afterAll(() => file.close());
  const latentsOf = new Map<string, Float32Array>();

  describe.each(forms)('as a %s', (form) => {
    let path: string;
    let pipeline: Pipeline;
    const options = form === 'single file' ? { tokenizer } : {};
    beforeAll(async () => {
      path = await pathOf(variant, form);
      pipeline = await openPipeline(path, { ...cpu, ...options });
    });
    afterAll(() => pipeline.close());

    it('has the text states of transformers, and its UNet predicts what diffusers’ does', async () => {
      const model = await openModel(path, options);
      const text = await openTextEncoder(model, cpu);
      const [states, empty] = [await text.encode(captions), await text.encode([''])];
      await text.close();
      const wanted = golden('text.states');
      const [count, tokens, width] = wanted.shape as [number, number, number];
      const tokensOnly = (packed: Tensor<'float32'>) => {
        const length = packed.shape[1]! * width;
        const rows = packed.shape[0]!;
        const kept = floatTensor([rows, tokens, width]);
        for (let n = 0; n < rows; n++)
          kept.data.set(packed.data.subarray(n * length, n * length + tokens * width), n * tokens * width);
        return kept;
      };
      expect(relativeError(tokensOnly(states), wanted)).toBeLessThan(1e-3);
      if (variant === 'sdxl') {
        expect(states.shape).toEqual([count, tokens + 1, width]);
        const pooled = golden('text.pooled');
        const size = pooled.shape[1]!;
        const row = states.data.subarray((tokens + 1) * width - width, (tokens + 1) * width);
        expect(
          relativeError(
            floatTensor([size], row.slice(0, size)),
            floatTensor([size], pooled.data.slice(0, size)),
          ),
        ).toBeLessThan(1e-3);
        expect(empty.data.every((value) => value === 0)).toBe(true);
        expect(golden('text.empty').data.every((value) => value === 0)).toBe(true);
      } else
        expect(
          relativeError(
            tokensOnly(empty),
            floatTensor([1, tokens, width], golden('text.empty').data.slice(0, tokens * width)),
          ),
        ).toBeLessThan(1e-3);

      const unet = await openUnet(model, cpu);
      const out = await unet.predict(golden('unet.sample'), 500, states);
      await unet.close();
      expect(relativeError(out, golden('unet.out_500'))).toBeLessThan(1e-3);
    });

    it('makes what diffusers’ pipeline makes, in one step and in sixteen', async () => {
      const one = await oneStep(pipeline, { captions, seeds, guidance });
      expect(relativeError(one.latents, golden('pipeline.one'))).toBeLessThan(1e-3);
      const sixteen = await generate(pipeline, { captions, seeds, guidance, steps: 16, sampler: 'euler' });
      expect(relativeError(sixteen.latents, golden('pipeline.sixteen'))).toBeLessThan(1e-3);
      const picture = golden('pipeline.sixteen_picture');
      const [, , height, width] = picture.shape as [number, number, number, number];
      const area = height * width;
      for (const [n, { data }] of allPictures(sixteen.pictures).entries())
        for (let i = 0; i < 3 * area; i++) {
          const value = picture.data[n * 3 * area + (i % 3) * area + Math.floor(i / 3)]! * 255;
          // Half a level from rounding, and 1e-3 of the whole range.
          expect(Math.abs(data[i]! - value)).toBeLessThan(0.5 + 0.255);
        }
      latentsOf.set(form, sixteen.latents.data);
    });
  });

  it('gives identical outputs as a folder and as a single file', () => {
    expect(latentsOf.get('single file')).toEqual(latentsOf.get('folder'));
  });
});

describe('a folder of Stable Diffusion XL', () => {
  it('whose export has lost its weights is refused before anything runs', async () => {
    const path = join(root, 'sdxl-onnx');
    await rm(join(path, 'text_encoder_2', 'model.onnx_data'));
    await expect(openPipeline(path, cpu)).rejects.toThrow(
      /text_encoder_2.*model\.onnx: tensor ".*is not there/,
    );
  });

  it('keeps what the empty caption says where the pipeline does not force zeros', async () => {
    const path = join(root, 'unforced');
    cpSync(`${fixtures}sdxl`, path, { recursive: true });
    const index = join(path, 'model_index.json');
    const json = JSON.parse(await readFile(index, 'utf8')) as Record<string, unknown>;
    await writeFile(index, JSON.stringify({ ...json, force_zeros_for_empty_prompt: false }));
    const text = await openTextEncoder(await openModel(path), cpu);
    const [empty] = [await text.encode([''])];
    await text.close();
    expect(empty!.data.some((value) => value !== 0)).toBe(true);
  });
});
