import { VerbatimError } from '../errors.ts';
import { add, concat, gather, input, silu, type Value } from '../graph/index.ts';
import { timeEmbedding } from './embeddings.ts';
import {
  convLayer,
  downsampleLayer,
  groupNormLayer,
  knownSize,
  type ResnetOptions,
  resnetBlock,
  scaled,
  spatialAttention,
  upsampleLayer,
} from './layers.ts';
import type { UNet2DConfig } from './unet2d-config.ts';
import { listParameters, type Parameter, scope, torchInit, type Weights } from './weights.ts';

export interface UNet2DInputs {
  /** Noisy pictures or latents, already scaled by c_in: float32 [batch, in_channels, height, width]. */
  readonly sample: Value;
  /** Timesteps, possibly fractional: [batch], [1] or a scalar, any number type. */
  readonly timestep: Value;
  /** Class labels int64 [batch], where the config has classes. */
  readonly classLabels?: Value;
}

/** Whether the network asks for class labels. */
export function hasClasses(config: UNet2DConfig): boolean {
  return config.class_embed_type !== null || config.num_class_embeds !== null;
}

/**
 * diffusers' UNet2DModel as a graph: → float32 [batch, out_channels, height, width]. Height and width must be
 * known and divisible by 2^(blocks − 1). Asks `w` for diffusers' own tensor names.
 */
export function unet2D(w: Weights, config: UNet2DConfig, inputs: UNet2DInputs): Value {
  const channels = config.block_out_channels;
  const count = channels.length;
  checkSample(config, inputs.sample);

  const embedding = silu(conditionEmbedding(w, config, inputs));
  const resnet: ResnetOptions = {
    groups: config.norm_num_groups,
    epsilon: config.norm_eps,
    timeNorm: config.resnet_time_scale_shift,
  };
  const headsOf = (width: number) =>
    config.attention_head_dim === null ? 1 : width / config.attention_head_dim;
  const attention = (wb: Weights, layer: number, x: Value) =>
    spatialAttention(scope(wb, `attentions.${layer}`), x, {
      heads: headsOf(knownSize(x, 1)),
      groups: config.norm_num_groups,
      epsilon: config.norm_eps,
    });

  let h = inputs.sample;
  if (config.center_input_sample) h = add(scaled(h, 2), -1);
  h = convLayer(scope(w, 'conv_in'), h, config.in_channels, channels[0]!);

  const skips: Value[] = [h];
  for (let block = 0; block < count; block++) {
    const wb = scope(w, `down_blocks.${block}`);
    const type = config.down_block_types[block];
    const width = channels[block]!;
    for (let layer = 0; layer < config.layers_per_block; layer++) {
      h = resnetBlock(scope(wb, `resnets.${layer}`), h, width, embedding, resnet);
      if (type === 'AttnDownBlock2D') h = attention(wb, layer, h);
      skips.push(h);
    }
    if (block === count - 1) continue;
    const wd = scope(wb, 'downsamplers.0');
    const byResnet =
      type === 'ResnetDownsampleBlock2D' ||
      (type === 'AttnDownBlock2D' && config.downsample_type === 'resnet');
    h = byResnet
      ? resnetBlock(wd, h, width, embedding, { ...resnet, resample: 'down' })
      : downsampleLayer(wd, h, width, config.downsample_padding);
    skips.push(h);
  }

  if (config.mid_block_type !== null) {
    const wm = scope(w, 'mid_block');
    const width = channels[count - 1]!;
    const mid = { ...resnet, outputScale: config.mid_block_scale_factor };
    h = resnetBlock(scope(wm, 'resnets.0'), h, width, embedding, mid);
    if (config.add_attention) {
      const usual = config.resnet_time_scale_shift === 'default' ? config.norm_num_groups : undefined;
      h = spatialAttention(scope(wm, 'attentions.0'), h, {
        heads: headsOf(width),
        groups: config.attn_norm_num_groups ?? usual,
        epsilon: config.norm_eps,
        outputScale: config.mid_block_scale_factor,
      });
    }
    h = resnetBlock(scope(wm, 'resnets.1'), h, width, embedding, mid);
  }

  for (let up = 0; up < count; up++) {
    const wb = scope(w, `up_blocks.${up}`);
    const type = config.up_block_types[up];
    const width = channels[count - 1 - up]!;
    for (let layer = 0; layer < config.layers_per_block + 1; layer++) {
      h = concat([h, skips.pop()!], 1);
      h = resnetBlock(scope(wb, `resnets.${layer}`), h, width, embedding, resnet);
      if (type === 'AttnUpBlock2D') h = attention(wb, layer, h);
    }
    if (up === count - 1) continue;
    const wu = scope(wb, 'upsamplers.0');
    const byResnet =
      type === 'ResnetUpsampleBlock2D' || (type === 'AttnUpBlock2D' && config.upsample_type === 'resnet');
    h = byResnet
      ? resnetBlock(wu, h, width, embedding, { ...resnet, resample: 'up' })
      : upsampleLayer(wu, h, width);
  }

  h = silu(groupNormLayer(scope(w, 'conv_norm_out'), h, config.norm_num_groups, config.norm_eps));
  return convLayer(scope(w, 'conv_out'), h, channels[0]!, config.out_channels);
}

/** The network's parameters by diffusers' names, with torch's initialisation, in the order in which they are used. */
export function unet2dParameters(config: UNet2DConfig): Parameter[] {
  const side = 2 ** (config.block_out_channels.length - 1);
  const shapes = listParameters((graph, w) =>
    unet2D(w, config, {
      sample: input(graph, 'sample', 'float32', [1, config.in_channels, side, side]),
      timestep: input(graph, 'timestep', 'float32', []),
      ...(hasClasses(config) && { classLabels: input(graph, 'class_labels', 'int64', [1]) }),
    }),
  );
  return torchInit(shapes);
}

/** The embedding of the timestep, plus that of the class label where there are classes: [batch | 1, width]. */
function conditionEmbedding(w: Weights, config: UNet2DConfig, inputs: UNet2DInputs): Value {
  const time = timeEmbedding(w, config, inputs.timestep);
  if (!hasClasses(config)) return time;
  if (!inputs.classLabels) throw new RangeError('this network needs class labels');
  if (config.class_embed_type === 'timestep')
    return add(time, timeEmbedding(w, config, inputs.classLabels, 'class_embedding'));
  const table = w('class_embedding.weight', [config.num_class_embeds!, knownSize(time, 1)]);
  return add(time, gather(table, inputs.classLabels, 0));
}

function checkSample(config: UNet2DConfig, sample: Value): void {
  const factor = 2 ** (config.block_out_channels.length - 1);
  if (knownSize(sample, 2) % factor !== 0 || knownSize(sample, 3) % factor !== 0)
    throw new VerbatimError(
      `unet: sample is [${sample.shape}]; its height and width must be multiples of ${factor}.`,
    );
}
