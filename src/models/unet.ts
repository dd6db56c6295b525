import { VerbatimError } from '../errors.ts';
import { add, concat, type Dim, type Graph, input, type Value } from '../graph/index.ts';
import { textStatesWidth, type UNetConfig } from './config.ts';
import {
  activationNamed,
  pooledTextEmbedding,
  sizeEmbedding,
  timeEmbedding,
  type UNetAddition,
} from './embeddings.ts';
import {
  addedKvAttention,
  convLayer,
  downsampleLayer,
  groupNormLayer,
  knownSize,
  linearLayer,
  type ResnetOptions,
  resnetBlock,
  scaled,
  transformer2D,
  upsampleLayer,
} from './layers.ts';
import { listParameters, type Parameter, scope, torchInit, type Weights } from './weights.ts';

export interface UNetInputs {
  /** Noisy latents, already scaled by c_in: float32 [batch, in_channels, height, width]. */
  readonly sample: Value;
  /** Timesteps, possibly fractional: [batch], [1] or a scalar, any number type. */
  readonly timestep: Value;
  /** Text states: float32 [batch, tokens, width], batch 1 too where no block is of the SimpleCrossAttn kind. */
  readonly encoderHiddenStates: Value;
  /** addition_embed_type 'text_time' only. */
  readonly addition?: UNetAddition;
}

/** One entry per block of a field that may be given once for all blocks. */
function perBlock(value: number | readonly number[], count: number): readonly number[] {
  return typeof value === 'number' ? new Array<number>(count).fill(value) : value;
}

/**
 * diffusers' UNet2DConditionModel as a graph: → float32 [batch, out_channels, height, width], the
 * prediction that the scheduler's `prediction_type` names. Height and width must be known and divisible
 * by 2^(blocks − 1). Asks `w` for diffusers' own tensor names.
 */
export function unet2DCondition(w: Weights, config: UNetConfig, inputs: UNetInputs): Value {
  const channels = config.block_out_channels;
  const count = channels.length;
  const layers = perBlock(config.layers_per_block, count);
  checkSample(config, inputs);

  const activate = activationNamed(config.act_fn);
  const embedding = activate(conditionEmbedding(w, config, inputs));
  const context =
    config.encoder_hid_dim === null
      ? inputs.encoderHiddenStates
      : linearLayer(
          scope(w, 'encoder_hid_proj'),
          inputs.encoderHiddenStates,
          config.encoder_hid_dim,
          perBlock(config.cross_attention_dim, 1)[0]!,
        );
  const resnet: ResnetOptions = {
    groups: config.norm_num_groups,
    epsilon: config.norm_eps,
    timeNorm: config.resnet_time_scale_shift,
    activate,
  };
  /** The layer of a SimpleCrossAttn block; `entry` is its place in `attention_head_dim`. */
  const addedAttention = (wb: Weights, x: Value, entry: number) =>
    addedKvAttention(wb, x, context, {
      heads: knownSize(x, 1) / perBlock(config.attention_head_dim, count)[entry]!,
      groups: config.norm_num_groups,
      normContext: config.cross_attention_norm !== null,
    });
  const attention = (block: number) => ({
    heads: perBlock(config.attention_head_dim, count)[block]!,
    layers: perBlock(config.transformer_layers_per_block, count)[block]!,
    groups: config.norm_num_groups,
    linearProjection: config.use_linear_projection,
    upcast: config.upcast_attention,
  });

  let h = inputs.sample;
  if (config.center_input_sample) h = add(scaled(h, 2), -1);
  h = convLayer(scope(w, 'conv_in'), h, config.in_channels, channels[0]!, { kernel: config.conv_in_kernel });

  const skips: Value[] = [h];
  for (let block = 0; block < count; block++) {
    const wb = scope(w, `down_blocks.${block}`);
    const type = config.down_block_types[block];
    for (let layer = 0; layer < layers[block]!; layer++) {
      h = resnetBlock(scope(wb, `resnets.${layer}`), h, channels[block]!, embedding, resnet);
      const wa = scope(wb, `attentions.${layer}`);
      if (type === 'CrossAttnDownBlock2D') h = transformer2D(wa, h, context, attention(block));
      if (type === 'SimpleCrossAttnDownBlock2D') h = addedAttention(wa, h, block);
      skips.push(h);
    }
    if (block < count - 1) {
      const wd = scope(wb, 'downsamplers.0');
      const byResnet = type === 'SimpleCrossAttnDownBlock2D' || type === 'ResnetDownsampleBlock2D';
      h = byResnet
        ? resnetBlock(wd, h, channels[block]!, embedding, { ...resnet, resample: 'down' })
        : downsampleLayer(wd, h, channels[block]!, config.downsample_padding);
      skips.push(h);
    }
  }

  if (config.mid_block_type !== null) {
    const wm = scope(w, 'mid_block');
    const mid = { ...resnet, outputScale: config.mid_block_scale_factor };
    h = resnetBlock(scope(wm, 'resnets.0'), h, channels[count - 1]!, embedding, mid);
    if (config.mid_block_type !== 'UNetMidBlock2D') {
      const wa = scope(wm, 'attentions.0');
      h =
        config.mid_block_type === 'UNetMidBlock2DCrossAttn'
          ? transformer2D(wa, h, context, attention(count - 1))
          : addedAttention(wa, h, count - 1);
      h = resnetBlock(scope(wm, 'resnets.1'), h, channels[count - 1]!, embedding, mid);
    }
  }

  for (let up = 0; up < count; up++) {
    const block = count - 1 - up;
    const wb = scope(w, `up_blocks.${up}`);
    const type = config.up_block_types[up];
    for (let layer = 0; layer < layers[block]! + 1; layer++) {
      h = concat([h, skips.pop()!], 1);
      h = resnetBlock(scope(wb, `resnets.${layer}`), h, channels[block]!, embedding, resnet);
      const wa = scope(wb, `attentions.${layer}`);
      if (type === 'CrossAttnUpBlock2D') h = transformer2D(wa, h, context, attention(block));
      // diffusers counts their heads from the front of the list, though the blocks go backwards.
      if (type === 'SimpleCrossAttnUpBlock2D') h = addedAttention(wa, h, up);
    }
    if (up < count - 1) {
      const wu = scope(wb, 'upsamplers.0');
      const byResnet = type === 'SimpleCrossAttnUpBlock2D' || type === 'ResnetUpsampleBlock2D';
      h = byResnet
        ? resnetBlock(wu, h, channels[block]!, embedding, { ...resnet, resample: 'up' })
        : upsampleLayer(wu, h, channels[block]!);
    }
  }

  h = activate(groupNormLayer(scope(w, 'conv_norm_out'), h, config.norm_num_groups, config.norm_eps));
  return convLayer(scope(w, 'conv_out'), h, channels[0]!, config.out_channels, {
    kernel: config.conv_out_kernel,
  });
}

/** The embedding of the timestep, plus what the config adds to it: [batch | 1, width]. */
function conditionEmbedding(w: Weights, config: UNetConfig, inputs: UNetInputs): Value {
  const activate = activationNamed(config.act_fn);
  const time = timeEmbedding(w, config, inputs.timestep, 'time_embedding', activate);
  switch (config.addition_embed_type) {
    case 'text_time':
      return add(time, sizeEmbedding(w, config, inputs.addition));
    case 'text':
      return add(time, pooledTextEmbedding(w, config, inputs.encoderHiddenStates));
    default:
      return time;
  }
}

function checkSample(config: UNetConfig, inputs: UNetInputs): void {
  const { sample, encoderHiddenStates } = inputs;
  if (sample.shape[1] !== config.in_channels)
    throw new VerbatimError(
      `unet: sample is [${sample.shape}] but the config's in_channels is ${config.in_channels}.`,
    );
  const factor = 2 ** (config.block_out_channels.length - 1);
  if (knownSize(sample, 2) % factor !== 0 || knownSize(sample, 3) % factor !== 0)
    throw new VerbatimError(
      `unet: sample is [${sample.shape}]; its height and width must be multiples of ${factor}.`,
    );
  const field = config.encoder_hid_dim === null ? 'cross_attention_dim' : 'encoder_hid_dim';
  for (const width of perBlock(config.encoder_hid_dim ?? config.cross_attention_dim, 1))
    if (knownSize(encoderHiddenStates, 2) !== width)
      throw new VerbatimError(
        `unet: text states are [${encoderHiddenStates.shape}] but ${field} is ${width}.`,
      );
}

/** All tensors of a UNet2DConditionModel with PyTorch's default initialisation, which diffusers uses. */
export function unetParameters(config: UNetConfig): Parameter[] {
  const side = 2 ** (config.block_out_channels.length - 1);
  const width = textStatesWidth(config);
  const shapes = listParameters((graph, w) =>
    unet2DCondition(w, config, {
      sample: input(graph, 'sample', 'float32', [1, config.in_channels, side, side]),
      timestep: input(graph, 'timestep', 'float32', []),
      encoderHiddenStates: input(graph, 'encoder_hidden_states', 'float32', [1, 1, width]),
      ...additionInputs(graph, config, 1),
    }),
  );
  return torchInit(shapes);
}

/** Width of the pooled text that the UNet takes; 0 without an added embedding. */
export function pooledWidth(config: UNetConfig): number {
  if (config.addition_embed_type !== 'text_time') return 0;
  return config.projection_class_embeddings_input_dim! - 6 * config.addition_time_embed_dim!;
}

/** The inputs of the added embedding, named as in optimum's exports; empty without one. */
export function additionInputs(graph: Graph, config: UNetConfig, batch: Dim): { addition?: UNetAddition } {
  const pooled = pooledWidth(config);
  if (pooled === 0) return {};
  return {
    addition: {
      textEmbeds: input(graph, 'text_embeds', 'float32', [batch, pooled]),
      timeIds: input(graph, 'time_ids', 'float32', [batch, 6]),
    },
  };
}
