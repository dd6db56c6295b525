import { createHash } from 'node:crypto';
import { cp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../math/index.ts';
import { temporaryFolder } from '../../testing/folder.ts';
import { writeSafetensors } from '../safetensors.ts';
import { openTensorStore } from '../store.ts';
import { fixtures } from '../testing/goldens.ts';
import { partsOf } from '../testing/parts.ts';
import { modelDigest } from './digest.ts';
import { openModelFolder } from './open.ts';
import { stableDiffusionScheduler, writeModelFolder } from './write.ts';

const root = temporaryFolder('folder');
let count = 0;

async function copyOf(variant: string): Promise<string> {
  const path = join(root, `copy-${count++}`);
  await cp(fixtures + variant, path, { recursive: true });
  return path;
}

/** Every file's digest by its path. */
async function tree(path: string): Promise<Map<string, string>> {
  const files = (await readdir(path, { recursive: true, withFileTypes: true })).filter((file) =>
    file.isFile(),
  );
  const digests = new Map<string, string>();
  for (const file of files.map(({ parentPath, name }) => join(parentPath, name)).sort())
    digests.set(
      file.slice(path.length),
      createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
    );
  return digests;
}

describe('writeModelFolder', () => {
  it('gives equal bytes for equal parts, and what it wrote opens with the same configs', async () => {
    const parts = await partsOf(`${fixtures}sd2`);
    const paths = ['first', 'second'].map((name) => join(root, name));
    for (const path of paths) await writeModelFolder(path, parts);
    expect(await tree(paths[0]!)).toEqual(await tree(paths[1]!));
    const opened = await openModelFolder(paths[0]!);
    expect(opened.unet.config).toEqual(parts.unet.config);
    expect(opened.vae.config).toEqual(parts.vae.config);
    expect(opened.textEncoder.config).toEqual(parts.textEncoder.config);
    expect(opened.scheduler).toEqual(parts.scheduler);
    expect(opened.settings).toEqual({ guidance_scale: 3 });
    const again = await partsOf(paths[0]!);
    for (const [name, tensor] of Object.entries(again.unet.tensors)) {
      const before = parts.unet.tensors[name]!;
      expect(`${tensor.dtype} ${tensor.shape}`).toBe(`${before.dtype} ${before.shape}`);
      expect(Buffer.compare(Buffer.from(tensor.data.buffer), Buffer.from(before.data.buffer)), name).toBe(0);
    }
    expect(await readdir(root)).not.toContainEqual(expect.stringContaining('.tmp'));
  });

  it('refuses a place that is taken, replaces it when told to, and leaves nothing half written', async () => {
    const parts = await partsOf(`${fixtures}sd1`);
    const path = join(root, 'taken');
    await writeModelFolder(path, parts);
    const before = await tree(path);
    await expect(writeModelFolder(path, parts)).rejects.toThrow(/taken: stands there already/);
    const bad = {
      ...parts,
      vae: {
        ...parts.vae,
        tensors: { x: { dtype: 'float32', shape: [2], data: new Float32Array(1) } } satisfies Record<
          string,
          Tensor
        >,
      },
    };
    await expect(writeModelFolder(path, bad, { replace: true })).rejects.toThrow();
    expect(await tree(path)).toEqual(before);
    await writeModelFolder(path, { ...parts, settings: { guidance_scale: 4 } }, { replace: true });
    expect((await openModelFolder(path)).settings).toEqual({ guidance_scale: 4 });
    expect((await readdir(root)).filter((name) => name.includes('.tmp'))).toEqual([]);
  });

  it('has a scheduler of Stable Diffusion by default', () => {
    expect(stableDiffusionScheduler({ predictionType: 'v_prediction' })).toMatchObject({
      beta_start: 0.00085,
      beta_end: 0.012,
      beta_schedule: 'scaled_linear',
      num_train_timesteps: 1000,
      prediction_type: 'v_prediction',
    });
  });
});

describe('modelDigest', () => {
  it('follows the model and nothing else', async () => {
    const path = await copyOf('sd1');
    const digest = await modelDigest(path);
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    await writeFile(join(path, 'README.md'), 'a card');
    await writeFile(join(path, 'unet', '.hidden'), 'x');
    expect(await modelDigest(path)).toBe(digest);
    await writeFile(join(path, 'verbatim.json'), '{"guidance_scale": 2}');
    const withSettings = await modelDigest(path);
    expect(withSettings).not.toBe(digest);
    await rename(join(path, 'verbatim.json'), join(path, 'unet', 'verbatim.json'));
    expect(new Set([digest, withSettings, await modelDigest(path)]).size).toBe(3);
    await expect(modelDigest(root)).rejects.toThrow(/no model here/);
  });
});

describe('openModelFolder', () => {
  it.each([
    ['model_index.json', /model_index\.json: is missing/],
    ['unet/config.json', /unet\/config\.json: is missing/],
    [
      'unet/diffusion_pytorch_model.safetensors',
      /unet\/diffusion_pytorch_model\.safetensors: is missing; download the model again/,
    ],
    ['text_encoder/model.safetensors', /text_encoder\/model\.safetensors: is missing/],
    ['scheduler/scheduler_config.json', /scheduler_config\.json: is missing/],
  ])('without %s names it', async (file, message) => {
    const path = await copyOf('sd1');
    await rm(join(path, file));
    await expect(openModelFolder(path)).rejects.toThrow(message);
  });

  it('says what was expected of a folder that is none', async () => {
    await expect(openModelFolder(join(root, 'nowhere'))).rejects.toThrow(
      /nowhere: there is no such folder; expected .*model_index\.json[^.]*\.$/,
    );
    await expect(openModelFolder(join(root, 'nosuch.safetensors'))).rejects.toThrow(
      /nosuch\.safetensors: there is no such file\.$/,
    );
    for (const path of ['CompVis/stable-diffusion-v1-4', join(root, 'CompVis', 'stable-diffusion-v1-4')])
      await expect(openModelFolder(path)).rejects.toThrow(
        `${path}: there is no such folder; expected a diffusers model with model_index.json, unet/, vae/, text_encoder/, tokenizer/, scheduler/. If "CompVis/stable-diffusion-v1-4" is a model's name on a hub: nothing is downloaded from here; download it first`,
      );
  });

  it('names the field or the pipeline that it cannot run', async () => {
    const path = await copyOf('sd1');
    const edit = async (file: string, change: (json: Record<string, unknown>) => void) => {
      const json = JSON.parse(await readFile(join(path, file), 'utf8')) as Record<string, unknown>;
      change(json);
      await writeFile(join(path, file), JSON.stringify(json));
    };
    await edit('unet/config.json', (json) => {
      json['in_channels'] = 9;
    });
    await expect(openModelFolder(path)).rejects.toThrow(
      /in_channels = 9, but the VAE's latent_channels is 4; inpainting/,
    );
    await edit('unet/config.json', (json) => {
      json['in_channels'] = 4;
      json['cross_attention_dim'] = 64;
    });
    await expect(openModelFolder(path)).rejects.toThrow(
      /cross_attention_dim = 64, but the text encoder's hidden_size is 32/,
    );
    await edit('model_index.json', (json) => {
      json['_class_name'] = 'StableDiffusionXLPipeline';
    });
    await expect(openModelFolder(path)).rejects.toThrow(/text_encoder_2\/config\.json: is missing/);
    await edit('model_index.json', (json) => {
      json['_class_name'] = 'StableDiffusion3Pipeline';
    });
    await expect(openModelFolder(path)).rejects.toThrow(/"StableDiffusion3Pipeline" is not supported/);
  });

  it('a pickle is not read, and the message says what to do', async () => {
    const path = await copyOf('sd1');
    const stem = join(path, 'unet', 'diffusion_pytorch_model');
    await rename(`${stem}.safetensors`, `${stem}.bin`);
    await expect(openModelFolder(path)).rejects.toThrow(
      /pickle and is not read: save the model again as safetensors/,
    );
  });

  it.each([
    ['-00001-of-00002.safetensors', ', without diffusion_pytorch_model.safetensors.index.json'],
    ['.safetensors.incomplete', ''],
  ])('a download that ended with %s is told from files that never were', async (ending, index) => {
    const path = await copyOf('sd1');
    const stem = join(path, 'unet', 'diffusion_pytorch_model');
    await rename(`${stem}.safetensors`, stem + ending);
    await expect(openModelFolder(path)).rejects.toThrow(
      `${stem}.safetensors: is missing; there is diffusion_pytorch_model${ending}${index}: the download is not whole, download the model again.`,
    );
  });

  it('an ONNX folder without one of its files says what to do', async () => {
    const path = await copyOf('sd1');
    for (const part of ['vae_encoder', 'vae_decoder'])
      await cp(join(path, 'vae'), join(path, part), { recursive: true });
    for (const part of ['unet', 'vae_encoder', 'vae_decoder'])
      await writeFile(join(path, part, 'model.onnx'), '');
    await rm(join(path, 'text_encoder', 'model.safetensors'));
    await expect(openModelFolder(path)).rejects.toThrow(
      /text_encoder.model\.onnx: is missing; unet\/model\.onnx makes .*: download the model again, .* export it again\.$/,
    );
  });

  it('takes the fp16 variant and shards', async () => {
    const path = await copyOf('sd1');
    const stem = join(path, 'unet', 'diffusion_pytorch_model');
    await rename(`${stem}.safetensors`, `${stem}.fp16.safetensors`);
    const variant = (await openModelFolder(path)).unet.source;
    expect(variant).toEqual({ kind: 'safetensors', files: [`${stem}.fp16.safetensors`] });

    const { unet } = await partsOf(path);
    const names = Object.keys(unet.tensors);
    const shards = [names.slice(0, 20), names.slice(20)].map((part) =>
      Object.fromEntries(part.map((name) => [name, unet.tensors[name]!])),
    );
    const files = ['a', 'b'].map((name) => `${stem}-${name}.safetensors`);
    for (const [i, shard] of shards.entries()) await writeSafetensors(files[i]!, shard);
    await rm(`${stem}.fp16.safetensors`);
    const map = (name: (i: number) => string) =>
      JSON.stringify({
        weight_map: Object.fromEntries(
          shards.flatMap((shard, i) => Object.keys(shard).map((key) => [key, name(i)])),
        ),
      });
    await writeFile(
      `${stem}.safetensors.index.json`,
      map((i) => `diffusion_pytorch_model-${'ab'[i]}.safetensors`),
    );
    expect((await openModelFolder(path)).unet.source).toEqual({ kind: 'safetensors', files });
    const store = openTensorStore(files);
    expect(names.every((name) => store.find(name) !== undefined)).toBe(true);
    store.close();

    await writeFile(
      `${stem}.safetensors.index.json`,
      map(() => '../vae/diffusion_pytorch_model.safetensors'),
    );
    await expect(openModelFolder(path)).rejects.toThrow(/is no name of a safetensors file beside it/);
    await writeFile(
      `${stem}.safetensors.index.json`,
      map(() => 'gone.safetensors'),
    );
    await expect(openModelFolder(path)).rejects.toThrow(
      /gone\.safetensors: is missing; .*index\.json names it/,
    );
  });
});
