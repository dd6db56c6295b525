import {
  add,
  constant,
  gather,
  gelu,
  mul,
  reciprocal,
  reduceMean,
  relu,
  reshape,
  silu,
  sqrt,
  sub,
  transpose,
  unsqueeze,
  type Value,
} from '../graph/index.ts';
import { attend, batchOf, knownSize, linearLayer } from './layers.ts';
import { exactBuckets, type T5Config } from './t5-config.ts';
import { scope, type Weights } from './weights.ts';

export interface T5Inputs {
  /** int64 or int32 [batch, tokens]. */
  readonly inputIds: Value;
  /** float32 [batch, tokens]: 1 where there is a token, 0 for padding, which nothing attends to. */
  readonly attentionMask: Value;
}

/**
 * transformers' T5EncoderModel as a graph (Raffel et al. 2020): → last_hidden_state, float32 [batch, tokens, d_model], also
 * at the places of the padding. Norms without mean and bias, no scale on q·k, and a bias by relative position that the first
 * layer holds for all.
 */
export function t5Encoder(w: Weights, config: T5Config, inputs: T5Inputs): Value {
  const tokens = knownSize(inputs.inputIds, 1);
  let h = gather(w('shared.weight', [config.vocab_size, config.d_model]), inputs.inputIds, 0);
  const we = scope(w, 'encoder');
  const bias = add(positionBias(we, config, tokens), paddingBias(inputs.attentionMask));
  for (let layer = 0; layer < config.num_layers; layer++) {
    const wl = scope(we, `block.${layer}.layer`);
    h = add(h, selfAttention(scope(wl, '0'), config, h, bias));
    h = add(h, feedForward(scope(wl, '1'), config, h));
  }
  return rmsNorm(scope(we, 'final_layer_norm'), h, config.layer_norm_epsilon);
}

/** Files of older versions hold the embedding only under this name. */
export function oldT5Name(name: string): string | undefined {
  return name === 'shared.weight' ? 'encoder.embed_tokens.weight' : undefined;
}

function selfAttention(w: Weights, config: T5Config, x: Value, bias: Value): Value {
  const { d_model: width, num_heads: heads, d_kv: size } = config;
  const inner = heads * size;
  const normed = rmsNorm(scope(w, 'layer_norm'), x, config.layer_norm_epsilon);
  const wa = scope(w, 'SelfAttention');
  const own = (name: string) => linearLayer(scope(wa, name), normed, width, inner, false);
  return linearLayer(
    scope(wa, 'o'),
    attend(own('q'), own('k'), own('v'), heads, bias, 1),
    inner,
    width,
    false,
  );
}

function feedForward(w: Weights, config: T5Config, x: Value): Value {
  const { d_model: width, d_ff: inner } = config;
  const wd = scope(w, 'DenseReluDense');
  const normed = rmsNorm(scope(w, 'layer_norm'), x, config.layer_norm_epsilon);
  const raise = (name: string) => linearLayer(scope(wd, name), normed, width, inner, false);
  const raised = config.gated
    ? mul(activate(config, raise('wi_0')), raise('wi_1'))
    : activate(config, raise('wi'));
  return linearLayer(scope(wd, 'wo'), raised, inner, width, false);
}

function activate({ activation }: T5Config, x: Value): Value {
  if (activation === 'relu') return relu(x);
  if (activation === 'silu') return silu(x);
  return gelu(x, activation === 'gelu_new' ? 'tanh' : 'none');
}

/** x / √(mean x² + ε) · weight over the last axis (Zhang and Sennrich 2019). */
function rmsNorm(w: Weights, x: Value, epsilon: number): Value {
  const width = knownSize(x, 2);
  const square = reduceMean(mul(x, x), [2], true);
  return mul(mul(x, reciprocal(sqrt(add(square, epsilon)))), w('weight', [width]));
}

/** [1, heads, tokens, tokens]: a learned number for each head and bucket of distances. */
function positionBias(w: Weights, config: T5Config, tokens: number): Value {
  const buckets = config.relative_attention_num_buckets;
  const name = 'block.0.layer.0.SelfAttention.relative_attention_bias.weight';
  const table = w(name, [buckets, config.num_heads]);
  const data = new BigInt64Array(tokens * tokens);
  for (let query = 0; query < tokens; query++)
    for (let key = 0; key < tokens; key++)
      data[query * tokens + key] = BigInt(
        relativeBucket(key - query, buckets, config.relative_attention_max_distance),
      );
  const places = constant(table.graph, { dtype: 'int64', shape: [tokens, tokens], data });
  return unsqueeze(transpose(gather(table, places, 0), [2, 0, 1]), [0]);
}

/**
 * The bucket of a key that stands `distance` tokens behind the query (negative: before it). Half of the buckets are for
 * either side; of each half, half are for one distance each, and the rest grow logarithmically up to `farthest`. In float32,
 * as transformers computes it.
 */
export function relativeBucket(distance: number, buckets: number, farthest: number): number {
  const half = Math.floor(buckets / 2);
  const exact = exactBuckets(buckets);
  const side = distance > 0 ? half : 0;
  const far = Math.abs(distance);
  if (far < exact) return side + far;
  const log = Math.fround(Math.log(Math.fround(far / exact)));
  const share = Math.fround(log / Math.fround(Math.log(farthest / exact)));
  const place = exact + Math.floor(Math.fround(share * (half - exact)));
  return side + Math.min(place, half - 1);
}

/** [batch, 1, 1, tokens]: 0 for tokens, the most negative float32 for padding. */
function paddingBias(mask: Value): Value {
  const tokens = knownSize(mask, 1);
  const off = mul(sub(mask, 1), 3.4028234663852886e38);
  return reshape(off, [batchOf(mask), 1, 1, tokens]);
}
