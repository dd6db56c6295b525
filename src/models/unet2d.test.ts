import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { floatTensor, type Tensor } from '../math/index.ts';
import { openUnet2dFolder } from './folder/open-unet2d.ts';
import { fixtures, goldens, relativeError } from './testing/goldens.ts';
import { parseUnet2dConfig, parseVqConfig } from './unet2d-config.ts';
import { openUnet2d, openVq } from './unet2d-networks.ts';

const tolerance = 1e-4;
const labels = floatTensor([2, 1, 1], Float32Array.of(2, 0));
const scratch = mkdtempSync(join(tmpdir(), 'verbatim-unet2d-'));
afterAll(() => rmSync(scratch, { recursive: true }));

describe.each(['ddpm', 'classes', 'learned', 'ldm'])('%s against diffusers', (variant) => {
  const golden = goldens(variant);

  it.each([17, 999, 3.5])('UNet2DModel at timestep %d', async (time) => {
    const unet = await openUnet2d(await openUnet2dFolder(fixtures + variant), { threads: 1 });
    const out = await unet.predict(golden('unet.sample') as Tensor<'float32'>, time, labels);
    const whole = golden(`unet.out_${time}`) as Tensor<'float32'>;
    // A learned variance stands in the last channels of each sample.
    const [count, channels, ...sides] = whole.shape as [number, number, number, number];
    const size = whole.data.length / count;
    const kept = (size * out.shape[1]!) / channels;
    const wanted = new Float32Array(count * kept);
    for (let n = 0; n < count; n++) wanted.set(whole.data.subarray(n * size, n * size + kept), n * kept);
    expect(relativeError(out, floatTensor([count, 3, ...sides], wanted))).toBeLessThan(tolerance);
    await unet.close();
  });
});

describe('VQModel against diffusers', () => {
  it('encodes, and decodes from the nearest codes', async () => {
    const golden = goldens('ldm');
    const folder = await openUnet2dFolder(`${fixtures}ldm`);
    const vq = openVq({ ...folder, vq: folder.vq! }, { threads: 1 });
    const encoded = await vq.encode(golden('vq.picture') as Tensor<'float32'>);
    expect(relativeError(encoded, golden('vq.encoded'))).toBeLessThan(tolerance);
    const decoded = await vq.decode(golden('vq.latents') as Tensor<'float32'>);
    expect(relativeError(decoded, golden('vq.decoded'))).toBeLessThan(tolerance);
    await vq.close();
  });
});

describe('configs', () => {
  it.each([
    [{ time_embedding_type: 'fourier' }, 'time_embedding_type = "fourier" is not supported'],
    [{ down_block_types: ['SkipDownBlock2D'] }, 'down_block_types.0 = "SkipDownBlock2D"'],
    [{ class_embed_type: 'identity' }, 'class_embed_type = "identity" is not supported'],
    [{ resnet_time_scale_shift: 'spatial' }, 'resnet_time_scale_shift = "spatial"'],
    [{ act_fn: 'mish' }, 'act_fn = "mish"'],
    [{ norm_num_group: 3 }, 'did you mean "norm_num_groups"?'],
    [{ _class_name: 'UNet1DModel' }, 'the class "UNet1DModel" is not supported'],
    [{ attention_head_dim: 5 }, 'which attention_head_dim = 5 does not divide'],
    [{ block_out_channels: [32, 64] }, 'down_block_types has 4 entries'],
  ])('of UNet2DModel refuse %j by name', (change, message) => {
    expect(() => parseUnet2dConfig(change)).toThrow(message);
    expect(() => parseUnet2dConfig(change)).toThrow('unet/config.json');
  });

  it.each([
    [{ norm_type: 'spatial' }, 'norm_type = "spatial" is not supported'],
    [{ lookup_from_codebook: true }, 'lookup_from_codebook = true'],
    [{ up_block_types: ['AttnUpDecoderBlock2D'] }, 'up_block_types.0'],
  ])('of VQModel refuse %j by name', (change, message) => {
    expect(() => parseVqConfig(change)).toThrow(message);
  });

  it('reads null as a single head', () => {
    expect(parseUnet2dConfig({ attention_head_dim: null }).attention_head_dim).toBe(null);
  });
});

describe('openUnet2dFolder', () => {
  it.each([
    ['ddpm', 'unet/config.json', { in_channels: 4 }, 'in_channels = 4; pictures have 3 channels'],
    ['ddpm', 'unet/config.json', { out_channels: 5 }, 'out_channels = 5; supported: in_channels (3)'],
    ['ddpm', 'unet/config.json', { sample_size: null }, 'sample_size is missing'],
    ['ldm', 'unet/config.json', { in_channels: 4 }, 'the codebook of vqvae has 3 channels'],
    ['ldm', 'vqvae/config.json', { out_channels: 1 }, "vqvae's out_channels = 1"],
  ])('%s refuses %s with %j', async (variant, file, change, message) => {
    const folder = join(scratch, variant);
    cpSync(fixtures + variant, folder, { recursive: true });
    const path = join(folder, file);
    const json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    writeFileSync(path, JSON.stringify({ ...json, ...change }));
    await expect(openUnet2dFolder(folder)).rejects.toThrow(message);
    rmSync(folder, { recursive: true });
  });
});
