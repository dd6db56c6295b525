import { VerbatimError } from '../errors.ts';
import {
  add,
  argMax,
  cast,
  constant,
  equal,
  gather,
  gelu,
  input,
  matmul,
  quickGelu,
  reshape,
  slice,
  type Value,
} from '../graph/index.ts';
import { floatTensor } from '../math/index.ts';
import type { ClipTextConfig } from './config.ts';
import { attend, batchOf, knownSize, layerNormLayer, linearLayer } from './layers.ts';
import { type Init, listParameters, type Parameter, scope, type Weights } from './weights.ts';

export interface ClipTextOutputs {
  /** float32 [batch, tokens, hidden_size], after the final norm: what the UNet attends to. */
  readonly lastHiddenState: Value;
  /** float32 [batch, hidden_size]: the state at the end-of-text token. */
  readonly poolerOutput: Value;
  /** float32 [batch, tokens, hidden_size]: what the last layer takes, without the final norm; hidden_states[-2]. */
  readonly penultimate: Value;
}

/** transformers' CLIPTextModel as a graph. inputIds: int64 or int32 [batch, tokens ≤ max_position_embeddings]. */
export function clipText(w: Weights, config: ClipTextConfig, inputIds: Value): ClipTextOutputs {
  const tokens = knownSize(inputIds, 1);
  const { hidden_size: width, max_position_embeddings: positions } = config;
  if (tokens > positions)
    throw new VerbatimError(
      `text_encoder: ${tokens} tokens, but the config's max_position_embeddings is ${positions}.`,
    );
  const wt = scope(w, 'text_model');
  const we = scope(wt, 'embeddings');
  const table = we('token_embedding.weight', [config.vocab_size, width]);
  const places = we('position_embedding.weight', [positions, width]);
  const used = tokens === positions ? places : slice(places, { axis: 0, start: 0, end: tokens });
  let h = add(gather(table, inputIds, 0), used);
  const mask = causalMask(h, tokens);
  let penultimate = h;
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    penultimate = h;
    h = encoderLayer(scope(wt, `encoder.layers.${layer}`), config, h, mask);
  }
  const lastHiddenState = layerNormLayer(scope(wt, 'final_layer_norm'), h, config.layer_norm_eps);
  return { lastHiddenState, poolerOutput: atEndOfText(config, inputIds, lastHiddenState), penultimate };
}

/** CLIPTextModelWithProjection's `text_embeds` [batch, projection_dim] of the pooled state. */
export function clipTextEmbeds(w: Weights, config: ClipTextConfig, pooled: Value): Value {
  const { hidden_size: width, projection_dim: size } = config;
  if (size === null) throw new VerbatimError('text_encoder_2: projection_dim is missing from the config.');
  return linearLayer(scope(w, 'text_projection'), pooled, width, size, false);
}

function encoderLayer(w: Weights, config: ClipTextConfig, x: Value, mask: Value): Value {
  const { hidden_size: width, intermediate_size: inner, layer_norm_eps: epsilon } = config;
  const wa = scope(w, 'self_attn');
  const own = layerNormLayer(scope(w, 'layer_norm1'), x, epsilon);
  const projection = (name: string) => linearLayer(scope(wa, name), own, width, width);
  const attended = attend(
    projection('q_proj'),
    projection('k_proj'),
    projection('v_proj'),
    config.num_attention_heads,
    mask,
  );
  const h = add(x, linearLayer(scope(wa, 'out_proj'), attended, width, width));
  const fed = layerNormLayer(scope(w, 'layer_norm2'), h, epsilon);
  const raised = linearLayer(scope(w, 'mlp.fc1'), fed, width, inner);
  const active = config.hidden_act === 'gelu' ? gelu(raised) : quickGelu(raised);
  return add(h, linearLayer(scope(w, 'mlp.fc2'), active, inner, width));
}

/** [1, 1, t, t]: 0 where a token may look (itself and before), the most negative float32 elsewhere. */
function causalMask(near: Value, tokens: number): Value {
  const mask = new Float32Array(tokens * tokens);
  for (let row = 0; row < tokens; row++)
    mask.fill(-3.4028234663852886e38, row * tokens + row + 1, (row + 1) * tokens);
  return constant(near.graph, floatTensor([1, 1, tokens, tokens], mask));
}

/**
 * The state of the first end-of-text token. Files with the mistaken eos_token_id 2 mean the largest id of
 * the row instead. The row is picked by a one-hot product, so that the batch may be symbolic.
 */
function atEndOfText(config: ClipTextConfig, inputIds: Value, states: Value): Value {
  const tokens = knownSize(states, 1);
  const ids = cast(inputIds, 'int32');
  const ranked = config.eos_token_id === 2 ? ids : cast(equal(ids, config.eos_token_id), 'int32');
  const places = BigInt64Array.from({ length: tokens }, (_, place) => BigInt(place));
  const all = constant(states.graph, { dtype: 'int64', shape: [1, tokens], data: places });
  const picked = cast(equal(all, argMax(ranked, 1, true)), 'float32');
  const row = matmul(reshape(picked, [batchOf(inputIds), 1, tokens]), states);
  return reshape(row, [batchOf(inputIds), config.hidden_size]);
}

/**
 * All tensors of a CLIPTextModel, initialised as transformers does: normal with its standard deviations
 * for weights, zero biases, ones for norms.
 */
export function clipTextParameters(config: ClipTextConfig): Parameter[] {
  const shapes = listParameters((graph, w) =>
    clipText(w, config, input(graph, 'input_ids', 'int64', [1, config.max_position_embeddings])),
  );
  const factor = config.initializer_factor;
  const out = config.hidden_size ** -0.5 * factor;
  const into = out * (2 * config.num_hidden_layers) ** -0.5;
  const init = (name: string): Init => {
    if (name.endsWith('.bias')) return { kind: 'constant', value: 0 };
    if (/norm\d?\.weight$/.test(name)) return { kind: 'constant', value: 1 };
    if (/embedding\.weight$/.test(name)) return { kind: 'normal', std: 0.02 * factor };
    if (name.endsWith('out_proj.weight')) return { kind: 'normal', std: out };
    if (name.endsWith('fc1.weight'))
      return { kind: 'normal', std: (2 * config.hidden_size) ** -0.5 * factor };
    return { kind: 'normal', std: into };
  };
  return shapes.map((parameter) => ({ ...parameter, init: init(parameter.name) }));
}

/** transformers 5 saves the same tensors without the leading `text_model.`. */
export function clipTextNames(name: string): string | undefined {
  const prefix = 'text_model.';
  return name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
}
