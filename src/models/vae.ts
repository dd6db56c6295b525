import { VerbatimError } from '../errors.ts';
import { add, input, silu, type Value } from '../graph/index.ts';
import type { VaeConfig } from './config.ts';
import {
  attentionLayer,
  convLayer,
  downsampleLayer,
  groupNormLayer,
  knownSize,
  type ResnetOptions,
  resnetBlock,
  toPicture,
  toSequence,
  upsampleLayer,
} from './layers.ts';
import { listParameters, type Parameter, scope, torchInit, type Weights } from './weights.ts';

/** AutoencoderKL fixes the epsilon of all its norms. */
const epsilon = 1e-6;

/** Picture side ÷ latent side. */
export function vaeFactor(config: VaeConfig): number {
  return 2 ** (config.block_out_channels.length - 1);
}

/**
 * AutoencoderKL's encoder: sample float32 [batch, in_channels, height, width] in [−1, 1] → moments
 * [batch, 2 · latent_channels, height / f, width / f], first the means, then the log variances (not yet
 * clamped), unscaled: multiply the means by `scaling_factor` for what the UNet sees.
 */
export function vaeEncode(w: Weights, config: VaeConfig, sample: Value): Value {
  const channels = config.block_out_channels;
  const factor = vaeFactor(config);
  if (knownSize(sample, 2) % factor !== 0 || knownSize(sample, 3) % factor !== 0)
    throw new VerbatimError(
      `vae: picture is [${sample.shape}]; its height and width must be multiples of ${factor}.`,
    );
  const we = scope(w, 'encoder');
  const resnet: ResnetOptions = { groups: config.norm_num_groups, epsilon };
  let h = convLayer(scope(we, 'conv_in'), sample, config.in_channels, channels[0]!);
  channels.forEach((out, block) => {
    const wb = scope(we, `down_blocks.${block}`);
    for (let layer = 0; layer < config.layers_per_block; layer++)
      h = resnetBlock(scope(wb, `resnets.${layer}`), h, out, undefined, resnet);
    if (block < channels.length - 1) h = downsampleLayer(scope(wb, 'downsamplers.0'), h, out, 0);
  });
  h = midBlock(scope(we, 'mid_block'), config, h);
  h = silu(groupNormLayer(scope(we, 'conv_norm_out'), h, config.norm_num_groups, epsilon));
  const moments = 2 * config.latent_channels;
  h = convLayer(scope(we, 'conv_out'), h, channels[channels.length - 1]!, moments);
  return config.use_quant_conv ? convLayer(scope(w, 'quant_conv'), h, moments, moments, { kernel: 1 }) : h;
}

/**
 * AutoencoderKL's decoder: latents float32 [batch, latent_channels, h, w], unscaled (divide what the UNet
 * gives by `scaling_factor`, add `shift_factor`) → picture [batch, out_channels, h · f, w · f], about [−1, 1].
 */
export function vaeDecode(w: Weights, config: VaeConfig, latents: Value): Value {
  const channels = [...config.block_out_channels].reverse();
  const wd = scope(w, 'decoder');
  const resnet: ResnetOptions = { groups: config.norm_num_groups, epsilon };
  const size = config.latent_channels;
  let h = latents;
  if (config.use_post_quant_conv) h = convLayer(scope(w, 'post_quant_conv'), h, size, size, { kernel: 1 });
  h = convLayer(scope(wd, 'conv_in'), h, size, channels[0]!);
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
function midBlock(w: Weights, config: VaeConfig, x: Value): Value {
  const groups = config.norm_num_groups;
  const channels = knownSize(x, 1);
  const resnet: ResnetOptions = { groups, epsilon };
  let h = resnetBlock(scope(w, 'resnets.0'), x, channels, undefined, resnet);
  if (config.mid_block_add_attention) {
    const wa = scope(w, 'attentions.0');
    const states = toSequence(groupNormLayer(scope(wa, 'group_norm'), h, groups, epsilon));
    const attended = attentionLayer(wa, states, states, 1, { bias: true });
    h = add(h, toPicture(attended, knownSize(h, 2), knownSize(h, 3)));
  }
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

/** Until diffusers 0.17 the attention of the middle block was `AttentionBlock` with these names. */
const oldAttentionNames: readonly (readonly [string, string])[] = [
  ['.to_q.', '.query.'],
  ['.to_k.', '.key.'],
  ['.to_v.', '.value.'],
  ['.to_out.0.', '.proj_attn.'],
];

/** The name that an old file gives a tensor, or undefined where the name never changed. */
export function oldVaeName(name: string): string | undefined {
  for (const [now, then] of oldAttentionNames) if (name.includes(now)) return name.replace(now, then);
  return undefined;
}
