import { describe, expect, it } from 'vitest';
import { clipTextParameters } from '../clip-text.ts';
import {
  type ClipTextConfig,
  parseClipTextConfig,
  parseUnetConfig,
  parseVaeConfig,
  type UNetConfig,
  type VaeConfig,
} from '../config.ts';
import type { TensorPlaces } from '../store.ts';
import { unetParameters } from '../unet.ts';
import { vaeParameters } from '../vae.ts';
import { deriveClip, deriveOpenClip, deriveUnet, deriveVae } from './derive.ts';
import { clipPlaces, openClipPlaces, unetPlaces, vaePlaces } from './names.ts';
import { derivePrediction, deriveSampleSize } from './scheduler.ts';
import { describeKeys, shapesOf } from './shapes.ts';

/** unet/config.json as published: runwayml/stable-diffusion-v1-5, stabilityai/stable-diffusion-2-1, -xl-base-1.0. */
const unets = {
  sd1: { cross_attention_dim: 768 },
  sd2: {
    cross_attention_dim: 1024,
    attention_head_dim: [5, 10, 20, 20],
    use_linear_projection: true,
  },
  sdxl: {
    block_out_channels: [320, 640, 1280],
    down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
    up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
    transformer_layers_per_block: [1, 2, 10],
    attention_head_dim: [5, 10, 20],
    cross_attention_dim: 2048,
    use_linear_projection: true,
    addition_embed_type: 'text_time',
    addition_time_embed_dim: 256,
    projection_class_embeddings_input_dim: 2816,
  },
} as const;
const vae = parseVaeConfig({
  block_out_channels: [128, 256, 512, 512],
  down_block_types: new Array(4).fill('DownEncoderBlock2D'),
  up_block_types: new Array(4).fill('UpDecoderBlock2D'),
  layers_per_block: 2,
});

/** What the header of an original checkpoint of these networks holds. */
function entriesOf(
  parts: readonly (readonly [{ name: string; shape: readonly number[] }[], TensorPlaces])[],
): Map<string, { shape: readonly number[] }> {
  const entries = new Map<string, { shape: readonly number[] }>();
  for (const [parameters, places] of parts)
    for (const { name, shape } of parameters) {
      const place = places(name)!;
      const stored = place.transposed ? [...shape].reverse() : shape;
      const [rows, ...rest] = stored;
      entries.set(place.name, { shape: [rows! * (place.parts ?? 1), ...rest] });
    }
  return entries;
}

const named = (parameters: readonly { name: string; shape: readonly number[] }[]) =>
  parameters.map(({ name, shape }) => ({ name, shape }));
const unetPart = (config: UNetConfig) => {
  const layers = new Array<number>(config.block_out_channels.length).fill(config.layers_per_block as number);
  const attention = config.up_block_types.map((type) => type === 'CrossAttnUpBlock2D');
  return [named(unetParameters(config)), unetPlaces(layers, attention)] as const;
};
const vaePart = (config: VaeConfig) =>
  [named(vaeParameters(config)), vaePlaces(config.block_out_channels.length)] as const;
const textPart = (config: ClipTextConfig, places: TensorPlaces) =>
  [named(clipTextParameters(config)), places] as const;

describe('configs out of shapes', () => {
  it.each(['sd1', 'sd2', 'sdxl'] as const)('are those that Stability published: %s', (kind) => {
    const unet = parseUnetConfig(unets[kind]);
    const shapes = shapesOf('x.safetensors', entriesOf([unetPart(unet), vaePart(vae)]));
    expect(parseUnetConfig(deriveUnet(shapes, kind, 1280))).toEqual(unet);
    const { scaling_factor, ...rest } = parseVaeConfig(deriveVae(shapes, kind));
    expect(scaling_factor).toBe(kind === 'sdxl' ? 0.13025 : 0.18215);
    expect(rest).toEqual({ ...vae, scaling_factor: undefined });
  });

  it('of levels with unequal numbers of resnets are lists', () => {
    const unet = parseUnetConfig({ ...unets.sd1, layers_per_block: [1, 2, 1, 2] });
    const attention = unet.up_block_types.map((type) => type === 'CrossAttnUpBlock2D');
    const part = [named(unetParameters(unet)), unetPlaces([1, 2, 1, 2], attention)] as const;
    expect(deriveUnet(shapesOf('x', entriesOf([part])), 'sd1', 0)['layers_per_block']).toEqual([1, 2, 1, 2]);
  });

  it('of text encoders are CLIP ViT-L, OpenCLIP ViT-H and ViT-bigG', () => {
    const large = parseClipTextConfig({
      hidden_size: 768,
      intermediate_size: 3072,
      projection_dim: 768,
      num_attention_heads: 12,
      eos_token_id: 2,
    });
    const places = clipPlaces('c.');
    expect(
      parseClipTextConfig(deriveClip(shapesOf('x', entriesOf([textPart(large, places)])), 'c.')),
    ).toEqual(large);

    const huge = parseClipTextConfig({
      hidden_size: 1024,
      intermediate_size: 4096,
      projection_dim: 1024,
      num_attention_heads: 16,
      num_hidden_layers: 24,
      hidden_act: 'gelu',
      eos_token_id: 2,
    });
    const open = entriesOf([textPart(huge, openClipPlaces('o.'))]);
    expect(open.get('o.transformer.resblocks.23.attn.in_proj_weight')).toEqual({ shape: [3072, 1024] });
    // diffusers' encoder of Stable Diffusion 2 ends before the last layer.
    const layers = (count: number) =>
      deriveOpenClip(
        shapesOf('x', entriesOf([textPart({ ...huge, num_hidden_layers: count }, openClipPlaces('o.'))])),
        'o.',
        'sd2',
      )['num_hidden_layers'];
    expect([layers(24), layers(23)]).toEqual([23, 23]);

    const big = { ...huge, hidden_size: 1280, intermediate_size: 5120, num_attention_heads: 20 };
    const wide = { ...big, num_hidden_layers: 32, projection_dim: 1280 };
    const entries = entriesOf([textPart(wide, openClipPlaces('o.'))]);
    entries.set('o.text_projection', { shape: [1280, 1280] });
    expect(parseClipTextConfig(deriveOpenClip(shapesOf('x', entries), 'o.', 'sdxl'))).toEqual(wide);
  });
});

describe('what shapes cannot tell', () => {
  const none = () => false;
  it('is the prediction: stated in the metadata, by a marker, or by the kind', () => {
    expect(derivePrediction('sd1', {}, none)).toBe('epsilon');
    expect(derivePrediction('sd2', {}, none)).toBe('v_prediction');
    expect(derivePrediction('sdxl', {}, none)).toBe('epsilon');
    expect(derivePrediction('sdxl', {}, (name) => name === 'v_pred')).toBe('v_prediction');
    expect(derivePrediction('sd2', { 'modelspec.prediction_type': 'epsilon' }, none)).toBe('epsilon');
    expect(derivePrediction('sd1', { 'modelspec.prediction_type': 'v' }, none)).toBe('v_prediction');
  });

  it('is the size of the pictures', () => {
    expect(deriveSampleSize('sd1', 'epsilon', {}, 8)).toEqual([64, 64]);
    expect(deriveSampleSize('sd2', 'v_prediction', {}, 8)).toEqual([96, 96]);
    expect(deriveSampleSize('sd2', 'epsilon', {}, 8)).toEqual([64, 64]);
    expect(deriveSampleSize('sdxl', 'epsilon', {}, 8)).toEqual([128, 128]);
    expect(deriveSampleSize('sd1', 'epsilon', { 'modelspec.resolution': '768x512' }, 8)).toEqual([64, 96]);
  });
});

it('keys are described by how they begin, the most frequent first', () => {
  expect(describeKeys(['a.b.c', 'a.b.d', 'x.y.z', 'lonely'])).toBe('a.b.… (2), lonely.… (1), x.y.… (1)');
  expect(describeKeys(['a.1', 'a.2', 'a.3', 'a.4', 'a.5', 'a.6'])).toMatch(/ and 2 more$/);
});
