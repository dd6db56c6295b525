import { VerbatimError } from '../errors.ts';
import {
  add,
  cast,
  concat,
  constant,
  cos,
  type Dim,
  type Graph,
  input,
  mul,
  reshape,
  silu,
  sin,
  split,
  type Value,
} from '../graph/index.ts';
import { floatTensor } from '../math/index.ts';
import type { UNetConfig } from './config.ts';
import {
  convLayer,
  downsampleLayer,
  entering,
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
  /** Text states: float32 [batch | 1, tokens, cross_attention_dim]. */
  readonly encoderHiddenStates: Value;
  /** addition_embed_type 'text_time' only. */
  readonly addition?: UNetAddition;
}

/** What Stable Diffusion XL adds to the time embedding. */
export interface UNetAddition {
  /** The second text encoder's pooled output: float32 [batch, p]. */
  readonly textEmbeds: Value;
  /** Original height and width, top and left of the crop, target height and width in pixels: float32 [batch, 6]. */
  readonly timeIds: Value;
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

  const time = timeEmbedding(w, config, inputs.timestep);
  const embedding = silu(
    config.addition_embed_type === null ? time : add(time, additionEmbedding(w, config, inputs.addition)),
  );
  const context = inputs.encoderHiddenStates;
  const resnet: ResnetOptions = {
    groups: config.norm_num_groups,
    epsilon: config.norm_eps,
    timeNorm: config.resnet_time_scale_shift,
  };
  const attention = (block: number) => ({
    heads: perBlock(config.attention_head_dim, count)[block]!,
    layers: perBlock(config.transformer_layers_per_block, count)[block]!,
    groups: config.norm_num_groups,
    linearProjection: config.use_linear_projection,
  });

  let h = inputs.sample;
  if (config.center_input_sample) h = add(scaled(h, 2), -1);
  h = convLayer(scope(w, 'conv_in'), h, config.in_channels, channels[0]!, { kernel: config.conv_in_kernel });

  const skips: Value[] = [h];
  for (let block = 0; block < count; block++) {
    const wb = scope(w, `down_blocks.${block}`);
    for (let layer = 0; layer < layers[block]!; layer++) {
      h = resnetBlock(scope(wb, `resnets.${layer}`), h, channels[block]!, embedding, resnet);
      if (config.down_block_types[block] === 'CrossAttnDownBlock2D')
        h = transformer2D(scope(wb, `attentions.${layer}`), h, context, attention(block));
      skips.push(h);
    }
    if (block < count - 1) {
      h = downsampleLayer(scope(wb, 'downsamplers.0'), h, channels[block]!, config.downsample_padding);
      skips.push(h);
    }
  }

  if (config.mid_block_type !== null) {
    const wm = scope(w, 'mid_block');
    const mid = { ...resnet, outputScale: config.mid_block_scale_factor };
    h = resnetBlock(scope(wm, 'resnets.0'), h, channels[count - 1]!, embedding, mid);
    if (config.mid_block_type === 'UNetMidBlock2DCrossAttn') {
      h = transformer2D(scope(wm, 'attentions.0'), h, context, attention(count - 1));
      h = resnetBlock(scope(wm, 'resnets.1'), h, channels[count - 1]!, embedding, mid);
    }
  }

  for (let up = 0; up < count; up++) {
    const block = count - 1 - up;
    const wb = scope(w, `up_blocks.${up}`);
    for (let layer = 0; layer < layers[block]! + 1; layer++) {
      h = concat([h, skips.pop()!], 1);
      h = resnetBlock(scope(wb, `resnets.${layer}`), h, channels[block]!, embedding, resnet);
      if (config.up_block_types[up] === 'CrossAttnUpBlock2D')
        h = transformer2D(scope(wb, `attentions.${layer}`), h, context, attention(block));
    }
    if (up < count - 1) h = upsampleLayer(scope(wb, 'upsamplers.0'), h, channels[block]!);
  }

  h = silu(groupNormLayer(scope(w, 'conv_norm_out'), h, config.norm_num_groups, config.norm_eps));
  return convLayer(scope(w, 'conv_out'), h, channels[0]!, config.out_channels, {
    kernel: config.conv_out_kernel,
  });
}

type TimeConfig = Pick<
  UNetConfig,
  'block_out_channels' | 'flip_sin_to_cos' | 'freq_shift' | 'time_embedding_dim'
>;

/**
 * Sinusoids of the timestep through two linear layers: → [batch | 1, width]. `module` is the name of the two layers' module.
 */
export function timeEmbedding(
  w: Weights,
  config: TimeConfig,
  timestep: Value,
  module = 'time_embedding',
): Value {
  const size = config.block_out_channels[0]!;
  const time = timestep.dtype === 'float32' ? timestep : cast(timestep, 'float32');
  const rows = time.shape.length === 0 ? 1 : time.shape[0]!;
  const width = config.time_embedding_dim ?? 4 * size;
  const we = scope(w, module);
  const waves = sinusoids(config, reshape(time, [rows, 1]), size);
  return linearLayer(
    scope(we, 'linear_2'),
    silu(linearLayer(scope(we, 'linear_1'), waves, size, width)),
    width,
    width,
  );
}

/**
 * diffusers' 'text_time' (SDXL, Podell et al. 2023, section 2.2): the pooled text beside the sinusoids of six
 * numbers, through two linear layers: → [batch, width of the time embedding].
 */
function additionEmbedding(w: Weights, config: UNetConfig, addition: UNetAddition | undefined): Value {
  if (!addition) throw new RangeError("addition_embed_type 'text_time' needs textEmbeds and timeIds");
  const { textEmbeds, timeIds } = addition;
  const size = config.addition_time_embed_dim!;
  const from = config.projection_class_embeddings_input_dim!;
  if (knownSize(textEmbeds, 1) !== from - 6 * size)
    throw new VerbatimError(
      `unet: pooled text is [${textEmbeds.shape}], but projection_class_embeddings_input_dim − 6 · addition_time_embed_dim is ${from - 6 * size}.`,
    );
  const numbers = split(timeIds, new Array<number>(6).fill(1), 1);
  const joined = concat([textEmbeds, ...numbers.map((column) => sinusoids(config, column, size))], 1);
  const width = config.time_embedding_dim ?? 4 * config.block_out_channels[0]!;
  const we = scope(w, 'add_embedding');
  return linearLayer(
    scope(we, 'linear_2'),
    silu(linearLayer(scope(we, 'linear_1'), joined, from, width)),
    width,
    width,
  );
}

/**
 * Sinusoids (Ho et al. 2020) of a column of float32 numbers [rows, 1] → [rows, size]. The frequencies are
 * e^(−ln 10000 · i / (half − freq_shift)), rounded to float32 as PyTorch computes them.
 */
function sinusoids(config: TimeConfig, numbers: Value, size: number): Value {
  const half = Math.floor(size / 2);
  const frequencies = new Float32Array(half);
  for (let i = 0; i < half; i++)
    frequencies[i] = Math.exp(Math.fround((-Math.log(10000) * i) / (half - config.freq_shift)));
  const angles = mul(numbers, constant(numbers.graph, floatTensor([1, half], frequencies)));
  const parts = config.flip_sin_to_cos ? [cos(angles), sin(angles)] : [sin(angles), cos(angles)];
  // An odd width ends in a zero: half · 2 < size.
  if (size % 2 === 1) parts.push(mul(numbers, 0));
  return entering(concat(parts, 1));
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
  for (const width of perBlock(config.cross_attention_dim, 1))
    if (knownSize(encoderHiddenStates, 2) !== width)
      throw new VerbatimError(
        `unet: text states are [${encoderHiddenStates.shape}] but cross_attention_dim is ${width}.`,
      );
}

/** All tensors of a UNet2DConditionModel with PyTorch's default initialisation, which diffusers uses. */
export function unetParameters(config: UNetConfig): Parameter[] {
  const side = 2 ** (config.block_out_channels.length - 1);
  const width = perBlock(config.cross_attention_dim, 1)[0]!;
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
  if (config.addition_embed_type === null) return 0;
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
