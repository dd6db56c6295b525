import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { constant, input } from '../graph/index.ts';
import { floatTensor, type Tensor } from '../math/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { parseUnetConfig } from './config.ts';
import { openIfFolder } from './folder/open-if.ts';
import { ifCaption, openIfText, openIfUnet } from './if-networks.ts';
import { openSafetensors } from './safetensors.ts';
import { openTensorStore, storeWeights } from './store.ts';
import { parseT5Config } from './t5-config.ts';
import { relativeBucket, t5Encoder } from './t5-encoder.ts';
import { fixtures, goldens, relativeError, runOnce } from './testing/goldens.ts';

/** As in bench/peers/make_if_fixtures.py. */
const captions = ['A red bicycle ', 'Sunflowers, poster 50x70 \u2014 caf\u00e9'];
const tolerance = 1e-4;
const cpu = { threads: 1 } as const;
const root = temporaryFolder('if');
const golden = (name: string) => goldens('if')(name) as Tensor<'float32'>;

/** The first channels of every sample. */
function firstChannels(whole: Tensor<'float32'>, kept: number): Tensor<'float32'> {
  const [count, channels, height, width] = whole.shape as [number, number, number, number];
  const area = height * width;
  const data = new Float32Array(count * kept * area);
  for (let n = 0; n < count; n++)
    data.set(whole.data.subarray(n * channels * area, (n * channels + kept) * area), n * kept * area);
  return floatTensor([count, kept, height, width], data);
}

describe('the networks of IF against diffusers and transformers', () => {
  it('T5 gives the states of the captions and of the empty one', async () => {
    const text = await openIfText(await openIfFolder(`${fixtures}if`), cpu);
    expect(relativeError(await text.encode(captions), golden('text.states'))).toBeLessThan(tolerance);
    expect(relativeError(await text.encode(['']), golden('text.empty'))).toBeLessThan(tolerance);
    // Each caption for itself, however it was batched.
    const many = await text.encode(['', captions[1]!, ' \n', captions[1]!.toUpperCase()]);
    const length = many.data.length / 4;
    const one = (n: number) => many.data.slice(n * length, (n + 1) * length);
    expect(one(2)).toEqual(one(0));
    expect(one(3)).toEqual(one(1));
    await text.close();
  });

  it('UNet2DConditionModel predicts at any timestep, its learned variance left out', async () => {
    const unet = await openIfUnet(await openIfFolder(`${fixtures}if`), cpu);
    for (const time of [17, 999, 3.5]) {
      const out = await unet.predict(golden('unet.sample'), time, golden('text.states'));
      const wanted = firstChannels(golden(`unet.out_${time}`), 3);
      expect(relativeError(out, wanted)).toBeLessThan(tolerance);
    }
    await unet.close();
  });

  it('UNet2DConditionModel in float16, as on graphics cards', async () => {
    const folder = await openIfFolder(`${fixtures}if`);
    const unet = await openIfUnet(folder, { ...cpu, precision: 'float16' });
    const out = await unet.predict(golden('unet.sample'), 999, golden('text.states'));
    await unet.close();
    // 11 bits of significand; equal results would mean that nothing was halved.
    const error = relativeError(out, firstChannels(golden('unet.out_999'), 3));
    expect(error).toBeLessThan(5e-3);
    expect(error).toBeGreaterThan(1e-5);
  });

  it('a T5 encoder without gates, as of T5 1.0', async () => {
    const folder = `${fixtures}t5/relu`;
    const config = parseT5Config(JSON.parse(readFileSync(`${folder}/config.json`, 'utf8')));
    expect(config).toMatchObject({ activation: 'relu', gated: false });
    const file = openSafetensors(`${folder}/goldens.safetensors`);
    const [ids, mask, states] = ['ids', 'mask', 'states'].map((name) => file.read(name));
    file.close();
    const store = openTensorStore([`${folder}/model.safetensors`]);
    const found = await runOnce(
      (graph) => ({
        states: t5Encoder(storeWeights(graph, store), config, {
          inputIds: input(graph, 'ids', 'int32', ['batch', 24]),
          attentionMask: constant(graph, mask!),
        }),
      }),
      { ids: ids! },
    );
    store.close();
    expect(relativeError(found['states']!, states!)).toBeLessThan(tolerance);
  });
});

describe('relativeBucket', () => {
  it('has a bucket for each near distance, and wider ones up to the farthest', () => {
    // T5's own 32 buckets up to 128: 8 near ones to either side, then 8 more at 8·16^(i/8).
    const bucket = (distance: number) => relativeBucket(distance, 32, 128);
    expect([0, -1, -7].map(bucket)).toEqual([0, 1, 7]);
    expect([1, 7].map(bucket)).toEqual([17, 23]);
    for (let i = 0; i < 8; i++) {
      const start = Math.ceil(8 * 16 ** (i / 8));
      expect([bucket(-start), bucket(start)]).toEqual([8 + i, 24 + i]);
      expect(bucket(1 - start)).toBe(7 + i);
    }
    expect([-128, -5000, 5000].map(bucket)).toEqual([15, 15, 31]);
  });
});

describe('ifCaption', () => {
  it('is what str.lower and str.strip give', () => {
    expect(ifCaption('\u001f A Red\u00a0BUS\u0085\n')).toBe('a red\u00a0bus');
    expect(ifCaption('\u0130\u03a3')).toBe('i\u0307\u03c2');
    expect(ifCaption('\ufeffx\u200b')).toBe('\ufeffx\u200b');
    expect(ifCaption(' \t ')).toBe('');
  });
});

/** A copy of the fixture with changes to a JSON file of it. */
function variant(name: string, file: string, change: Record<string, unknown>): string {
  const folder = join(root, name);
  cpSync(`${fixtures}if`, folder, { recursive: true });
  const path = join(folder, file);
  const json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify({ ...json, ...change }));
  return folder;
}

describe('configs', () => {
  const config = JSON.parse(readFileSync(`${fixtures}if/unet/config.json`, 'utf8')) as object;
  it.each([
    [
      { down_block_types: ['KDownBlock2D', 'DownBlock2D', 'DownBlock2D'] },
      'down_block_types.0 = "KDownBlock2D"',
    ],
    [
      { encoder_hid_dim_type: 'text_image_proj' },
      'encoder_hid_dim_type = "text_image_proj" is not supported',
    ],
    [{ encoder_hid_dim: null }, 'encoder_hid_dim_type = "text_proj" needs encoder_hid_dim'],
    [{ cross_attention_dim: [32, 32, 32] }, 'encoder_hid_dim needs one cross_attention_dim'],
    [{ addition_embed_type: 'image' }, 'addition_embed_type = "image" is not supported'],
    [{ addition_embed_type_num_heads: 5 }, 'which addition_embed_type_num_heads = 5 does not divide'],
    [{ attention_head_dim: 3 }, '8 channels, which attention_head_dim = 3 does not divide'],
    [{ cross_attention_norm: 'layer_norm' }, 'cross_attention_norm = "layer_norm" is not supported'],
    [{ cross_attention_dim: 48 }, 'cross_attention_dim = 48 is no multiple of the 32 groups'],
    [{ class_embed_type: 'timestep' }, 'class_embed_type = "timestep" is not supported'],
    [{ resnet_skip_time_act: true }, 'resnet_skip_time_act = true is not supported'],
    [{ act_fn: 'mish' }, 'act_fn = "mish"'],
  ])('of the UNet refuse %j by name', (change, message) => {
    expect(() => parseUnetConfig({ ...config, ...change })).toThrow(message);
  });

  it.each([
    [{ feed_forward_proj: 'gated-swish' }, 'feed_forward_proj = "gated-swish"'],
    [{ is_decoder: true }, 'is_decoder = true is not supported'],
    [{ quantization_config: { load_in_8bit: true } }, 'the text encoder is quantised (quantization_config)'],
    [{ feed_forward_proj: 'relu', dense_act_fn: 'gelu_new' }, 'do not belong to feed_forward_proj = "relu"'],
    [{ relative_attention_max_distance: 8 }, 'relative_attention_max_distance = 8 must be above 8'],
    [{ architectures: ['CLIPTextModel'] }, 'the class "CLIPTextModel" is not supported, only T5EncoderModel'],
  ])('of T5 refuse %j by name', (change, message) => {
    expect(() => parseT5Config(change)).toThrow(message);
    expect(() => parseT5Config(change)).toThrow('text_encoder/config.json');
  });

  it('take gates and their activation from feed_forward_proj', () => {
    const of = (feed_forward_proj: string) => parseT5Config({ feed_forward_proj });
    expect(of('gated-gelu')).toMatchObject({ gated: true, activation: 'gelu_new' });
    expect(of('gelu')).toMatchObject({ gated: false, activation: 'gelu' });
    expect(of('gated-silu')).toMatchObject({ gated: true, activation: 'silu' });
  });
});

describe('openIfFolder', () => {
  it.each([
    ['unet/config.json', { in_channels: 6 }, 'as in the upscaling stages of IF'],
    ['unet/config.json', { in_channels: 4 }, 'in_channels = 4; pictures have 3 channels'],
    ['unet/config.json', { out_channels: 5 }, 'out_channels = 5; supported: in_channels (3)'],
    ['unet/config.json', { sample_size: null }, 'sample_size is missing'],
    [
      'unet/config.json',
      { encoder_hid_dim: 64 },
      "encoder_hid_dim = 64, but the text encoder's d_model is 32",
    ],
    ['text_encoder/config.json', { quantization_config: {} }, 'quantised'],
  ])('refuses %s with %j', async (file, change, message) => {
    const folder = variant('changed', file, change);
    await expect(openIfFolder(folder)).rejects.toThrow(message);
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['text_encoder', 'text_encoder: is missing; captions need it'],
    ['text_encoder/model.safetensors', 'model.safetensors: is missing'],
    ['unet/config.json', 'config.json: is missing'],
    ['scheduler/scheduler_config.json', 'scheduler_config.json: is missing'],
  ])('says what is missing without %s', async (path, message) => {
    const folder = join(root, 'without');
    cpSync(`${fixtures}if`, folder, { recursive: true });
    rmSync(join(folder, path), { recursive: true });
    await expect(openIfFolder(folder)).rejects.toThrow(message);
    rmSync(folder, { recursive: true });
  });

  it('reads no pickles', async () => {
    const folder = join(root, 'pickled');
    cpSync(`${fixtures}if`, folder, { recursive: true });
    rmSync(join(folder, 'text_encoder', 'model.safetensors'));
    writeFileSync(join(folder, 'text_encoder', 'pytorch_model.bin'), '');
    await expect(openIfFolder(folder)).rejects.toThrow('a .bin file is a pickle and is not read');
  });

  it.each([
    [550, 'tokens with ids up to 599, but the text encoder'],
    [900, '600 tokens with ids up to 599'],
  ])('refuses a tokenizer for an encoder of %d tokens', async (vocab_size, message) => {
    const folder = variant(`vocabulary-${vocab_size}`, 'text_encoder/config.json', { vocab_size });
    await expect(openIfText(await openIfFolder(folder), cpu)).rejects.toThrow(message);
  });
});
