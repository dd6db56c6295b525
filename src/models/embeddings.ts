import { VerbatimError } from '../errors.ts';
import {
  add,
  cast,
  concat,
  constant,
  cos,
  gelu,
  mul,
  reduceMean,
  reshape,
  silu,
  sin,
  split,
  type Value,
} from '../graph/index.ts';
import { floatTensor } from '../math/index.ts';
import { textStatesWidth, type UNetConfig } from './config.ts';
import { attend, batchOf, entering, knownSize, layerNormLayer, linearLayer } from './layers.ts';
import { scope, type Weights } from './weights.ts';

/** The activation that a config's `act_fn` names. */
export function activationNamed(name: UNetConfig['act_fn']): (x: Value) => Value {
  return name === 'gelu' ? gelu : silu;
}

/** What Stable Diffusion XL adds to the time embedding. */
export interface UNetAddition {
  /** The second text encoder's pooled output: float32 [batch, p]. */
  readonly textEmbeds: Value;
  /** Original height and width, top and left of the crop, target height and width in pixels: float32 [batch, 6]. */
  readonly timeIds: Value;
}

type TimeConfig = Pick<
  UNetConfig,
  'block_out_channels' | 'flip_sin_to_cos' | 'freq_shift' | 'time_embedding_dim'
>;

/**
 * Sinusoids of the timestep through two linear layers: → [batch | 1, width]. `module` is the name of the two layers'
 * module, `activate` what stands between them.
 */
export function timeEmbedding(
  w: Weights,
  config: TimeConfig,
  timestep: Value,
  module = 'time_embedding',
  activate = silu,
): Value {
  const size = config.block_out_channels[0]!;
  const time = timestep.dtype === 'float32' ? timestep : cast(timestep, 'float32');
  const rows = time.shape.length === 0 ? 1 : time.shape[0]!;
  const width = config.time_embedding_dim ?? 4 * size;
  const we = scope(w, module);
  const waves = sinusoids(config, reshape(time, [rows, 1]), size);
  return linearLayer(
    scope(we, 'linear_2'),
    activate(linearLayer(scope(we, 'linear_1'), waves, size, width)),
    width,
    width,
  );
}

/**
 * diffusers' 'text_time' (SDXL, Podell et al. 2023, section 2.2): the pooled text beside the sinusoids of six
 * numbers, through two linear layers: → [batch, width of the time embedding].
 */
export function sizeEmbedding(w: Weights, config: UNetConfig, addition: UNetAddition | undefined): Value {
  if (!addition) throw new RangeError("addition_embed_type 'text_time' needs textEmbeds and timeIds");
  const { textEmbeds, timeIds } = addition;
  const size = config.addition_time_embed_dim!;
  const from = config.projection_class_embeddings_input_dim!;
  if (knownSize(textEmbeds, 1) !== from - 6 * size)
    throw new VerbatimError(
      `unet: pooled text is [${textEmbeds.shape}], but projection_class_embeddings_input_dim − 6 · addition_time_embed_dim is ${from - 6 * size}.`,
    );
  const numbers = split(timeIds, new Array<number>(6).fill(1), 1);
  const joined = concat(
    [entering(textEmbeds), ...numbers.map((column) => sinusoids(config, column, size))],
    1,
  );
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
 * diffusers' 'text' (DeepFloyd IF, as Imagen, Saharia et al. 2022, section 2.4): the text states [batch, tokens, width],
 * pooled by attention, between two layer norms: → [batch, width of the time embedding]. The pooling's query is the mean
 * of the states plus a learned position, which stands before them among the keys.
 */
export function pooledTextEmbedding(w: Weights, config: UNetConfig, states: Value): Value {
  const from = textStatesWidth(config);
  const width = config.time_embedding_dim ?? 4 * config.block_out_channels[0]!;
  const we = scope(w, 'add_embedding');
  const wp = scope(we, 'pool');
  const epsilon = 1e-5;
  const normed = layerNormLayer(scope(we, 'norm1'), states, epsilon);
  const first = add(reduceMean(normed, [1], true), wp('positional_embedding', [1, from]));
  const all = concat([first, normed], 1);
  const pooled = attend(
    linearLayer(scope(wp, 'q_proj'), first, from, from),
    linearLayer(scope(wp, 'k_proj'), all, from, from),
    linearLayer(scope(wp, 'v_proj'), all, from, from),
    config.addition_embed_type_num_heads,
  );
  const flat = reshape(pooled, [batchOf(states), from]);
  return layerNormLayer(scope(we, 'norm2'), linearLayer(scope(we, 'proj'), flat, from, width), epsilon);
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
