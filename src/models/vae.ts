import { VerbatimError } from '../errors.ts';
import { input, silu, type Value } from '../graph/index.ts';
import type { VaeConfig } from './config.ts';
import {
  convLayer,
  downsampleLayer,
  groupNormLayer,
  knownSize,
  type ResnetOptions,
  resnetBlock,
  spatialAttention,
  upsampleLayer,
} from './layers.ts';
import { listParameters, type Parameter, scope, torchInit, type Weights } from './weights.ts';

/** AutoencoderKL fixes the epsilon of all its norms. */
const epsilon = 1e-6;

/** What the encoders and decoders of AutoencoderKL and VQModel have in common. */
export type AutoencoderShape = Pick<
  VaeConfig,
  | 'in_channels'
  | 'out_channels'
  | 'block_out_channels'
  | 'layers_per_block'
  | 'latent_channels'
  | 'norm_num_groups'
  | 'mid_block_add_attention'
>;

/** Picture side ÷ latent side. */
export function vaeFactor(config: Pick<AutoencoderShape, 'block_out_channels'>): number {
  return 2 ** (config.block_out_channels.length - 1);
}

/**
 * AutoencoderKL's encoder: sample float32 [batch, in_channels, height, width] in [−1, 1] → moments
 * [batch, 2 · latent_channels, height / f, width / f], first the means, then the log variances (not yet
 * clamped), unscaled: multiply the means by `scaling_factor` for what the UNet sees.
 */
export function vaeEncode(w: Weights, config: VaeConfig, sample: Value): Value {
  const moments = 2 * config.latent_channels;
  const h = encoderNetwork(scope(w, 'encoder'), config, sample, moments);
  return config.use_quant_conv ? convLayer(scope(w, 'quant_conv'), h, moments, moments, { kernel: 1 }) : h;
}

/** diffusers' Encoder: sample [batch, in_channels, height, width] → [batch, out, height / f, width / f]. */
export function encoderNetwork(we: Weights, config: AutoencoderShape, sample: Value, out: number): Value {
  const channels = config.block_out_channels;
  const factor = vaeFactor(config);
  if (knownSize(sample, 2) % factor !== 0 || knownSize(sample, 3) % factor !== 0)
    throw new VerbatimError(
      `vae: picture is [${sample.shape}]; its height and width must be multiples of ${factor}.`,
    );
  const resnet: ResnetOptions = { groups: config.norm_num_groups, epsilon };
  let h = convLayer(scope(we, 'conv_in'), sample, config.in_channels, channels[0]!);
  channels.forEach((width, block) => {
    const wb = scope(we, `down_blocks.${block}`);
    for (let layer = 0; layer < config.layers_per_block; layer++)
      h = resnetBlock(scope(wb, `resnets.${layer}`), h, width, undefined, resnet);
    if (block < channels.length - 1) h = downsampleLayer(scope(wb, 'downsamplers.0'), h, width, 0);
  });
  h = midBlock(scope(we, 'mid_block'), config, h);
  h = silu(groupNormLayer(scope(we, 'conv_norm_out'), h, config.norm_num_groups, epsilon));
  return convLayer(scope(we, 'conv_out'), h, channels[channels.length - 1]!, out);
}

/**
 * AutoencoderKL's decoder: latents float32 [batch, latent_channels, h, w], unscaled (divide what the UNet
 * gives by `scaling_factor`, add `shift_factor`) → picture [batch, out_channels, h · f, w · f], about [−1, 1].
 */
export function vaeDecode(w: Weights, config: VaeConfig, latents: Value): Value {
  const size = config.latent_channels;
  const h = config.use_post_quant_conv
    ? convLayer(scope(w, 'post_quant_conv'), latents, size, size, { kernel: 1 })
    : latents;
  return decoderNetwork(scope(w, 'decoder'), config, h);
}

/** diffusers' Decoder: latents [batch, latent_channels, h, w] → [batch, out_channels, h · f, w · f]. */
export function decoderNetwork(wd: Weights, config: AutoencoderShape, latents: Value): Value {
  const channels = [...config.block_out_channels].reverse();
  const resnet: ResnetOptions = { groups: config.norm_num_groups, epsilon };
  let h = convLayer(scope(wd, 'conv_in'), latents, config.latent_channels, channels[0]!);
  h = midBlock(scope(wd, 'mid_block'), config, h);
  channels.forEach((out, block) => {
    const wb = scope(wd, `up_blocks.${block}`);
    for (let layer = 0; layer < config.layers_per_block + 1; layer++)
      h = resnetBlock(scope(wb, `resnets.${layer}`), h, out, undefined, resnet);
    if (block < channels.length - 1) h = upsampleLayer(scope(wb, 'upsamplers.0'), h, out);
  });
  h = silu(groupNormLayer(scope(wd, 'conv_norm_out'), h, config.norm_num_groups, epsilon));
  return convLayer(scope(wd, 'conv_out'), h, channels[channels.length - 1]!, config.out_channels);
}

/** UNetMidBlock2D: resnet, attention with a single head over all positions, resnet. */
function midBlock(w: Weights, config: AutoencoderShape, x: Value): Value {
  const groups = config.norm_num_groups;
  const channels = knownSize(x, 1);
  const resnet: ResnetOptions = { groups, epsilon };
  let h = resnetBlock(scope(w, 'resnets.0'), x, channels, undefined, resnet);
  if (config.mid_block_add_attention)
    h = spatialAttention(scope(w, 'attentions.0'), h, { heads: 1, groups, epsilon });
  return resnetBlock(scope(w, 'resnets.1'), h, channels, undefined, resnet);
}

/** All tensors of an AutoencoderKL, encoder first, with PyTorch's default initialisation. */
export function vaeParameters(config: VaeConfig): Parameter[] {
  const side = vaeFactor(config);
  const shapes = listParameters((graph, w) => {
    vaeEncode(w, config, input(graph, 'sample', 'float32', [1, config.in_channels, side, side]));
    vaeDecode(w, config, input(graph, 'latent_sample', 'float32', [1, config.latent_channels, 1, 1]));
  });
  return torchInit(shapes);
}

/** Until diffusers 0.17 attention on pictures was `AttentionBlock` with these names, in VAEs as in UNet2DModel. */
const oldAttentionNames: readonly (readonly [string, string])[] = [
  ['.to_q.', '.query.'],
  ['.to_k.', '.key.'],
  ['.to_v.', '.value.'],
  ['.to_out.0.', '.proj_attn.'],
];

/** The name that an old file gives a tensor, or undefined where the name never changed. */
export function oldAttentionName(name: string): string | undefined {
  for (const [now, then] of oldAttentionNames) if (name.includes(now)) return name.replace(now, then);
  return undefined;
}
