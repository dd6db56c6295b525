import { z } from 'zod';
import { VerbatimError } from '../errors.ts';
import { parseFields, positive } from './config.ts';

/** transformers' names of the activations between the two layers of T5's feed-forward blocks. */
const activations = ['relu', 'gelu', 'gelu_new', 'silu'] as const;

/** The fields of transformers' `T5Config` (5.23) that its encoder depends on. */
const t5Schema = z.object({
  vocab_size: positive.default(32128),
  d_model: positive.default(512),
  /** Channels of a head; all heads together need not be d_model. */
  d_kv: positive.default(64),
  d_ff: positive.default(2048),
  num_layers: positive.default(6),
  num_heads: positive.default(8),
  relative_attention_num_buckets: positive.min(4).default(32),
  relative_attention_max_distance: positive.default(128),
  layer_norm_epsilon: z.number().positive().default(1e-6),
  /** `gated-gelu` (T5 1.1) means `gelu_new`, the approximation by tanh. */
  feed_forward_proj: z
    .enum([...activations, 'gated-relu', 'gated-gelu', 'gated-gelu_new', 'gated-silu'])
    .default('relu'),
  /** Derived from feed_forward_proj, and written beside it. */
  dense_act_fn: z.string().optional(),
  is_gated_act: z.boolean().optional(),
});
type Fields = z.infer<typeof t5Schema>;

export type T5Config = Omit<Fields, 'dense_act_fn' | 'is_gated_act'> & {
  readonly activation: (typeof activations)[number];
  readonly gated: boolean;
};

const t5Off: Readonly<Record<string, readonly unknown[]>> = { is_decoder: [false] };

/** A T5EncoderModel config with every field present. `where` names the file in errors. */
export function parseT5Config(json: unknown, where = 'text_encoder/config.json'): T5Config {
  // Weights in 8 or 4 bits, as bitsandbytes makes them.
  const quantized = (json as Record<string, unknown> | null)?.['quantization_config'];
  if (quantized !== undefined && quantized !== null)
    throw new VerbatimError(
      `${where}: the text encoder is quantised (quantization_config), which is not supported; take the model's folder with weights in float32 or float16.`,
    );
  const family = { schema: t5Schema, className: 'T5EncoderModel', off: t5Off, strict: false };
  const { dense_act_fn: written, is_gated_act: writtenGated, ...config } = parseFields(family, json, where);
  const gated = config.feed_forward_proj.startsWith('gated-');
  const named = config.feed_forward_proj.replace('gated-', '') as T5Config['activation'];
  const activation = config.feed_forward_proj === 'gated-gelu' ? 'gelu_new' : named;
  if ((written ?? activation) !== activation || (writtenGated ?? gated) !== gated)
    throw new VerbatimError(
      `${where}: dense_act_fn = ${JSON.stringify(written)} and is_gated_act = ${writtenGated} do not belong to feed_forward_proj = "${config.feed_forward_proj}".`,
    );
  const exact = exactBuckets(config.relative_attention_num_buckets);
  if (config.relative_attention_max_distance <= exact)
    throw new VerbatimError(
      `${where}: relative_attention_max_distance = ${config.relative_attention_max_distance} must be above ${exact}, a quarter of relative_attention_num_buckets.`,
    );
  return { ...config, activation, gated };
}

/** How many of the buckets to either side stand for one distance each. */
export function exactBuckets(buckets: number): number {
  return Math.floor(Math.floor(buckets / 2) / 2);
}
