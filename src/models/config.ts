import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { VerbatimError } from '../errors.ts';

/**
 * The `config.json` files of the three networks, with the field names and the defaults of diffusers'
 * `UNet2DConditionModel` and `AutoencoderKL` (0.42) and of transformers' `CLIPTextConfig`. What we do not
 * compute is refused by the field's name, never ignored: a wrong picture is worse than an error.
 */
export const positive = z.int().positive();
const perBlock = z.union([positive, z.array(positive)]);
export const sampleSize = z.union([positive, z.tuple([positive, positive])]).nullable();
/** [height, width] that a `sample_size` says. */
export function sidesOf(size: number | readonly [number, number]): readonly [number, number] {
  return typeof size === 'number' ? [size, size] : size;
}

export const activation = z.enum(['silu', 'swish']);

const unetSchema = z.object({
  sample_size: sampleSize.default(null),
  in_channels: positive.default(4),
  out_channels: positive.default(4),
  center_input_sample: z.boolean().default(false),
  flip_sin_to_cos: z.boolean().default(true),
  freq_shift: z.number().default(0),
  down_block_types: z
    .array(
      z.enum([
        'CrossAttnDownBlock2D',
        'DownBlock2D',
        'SimpleCrossAttnDownBlock2D',
        'ResnetDownsampleBlock2D',
      ]),
    )
    .default(['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D']),
  mid_block_type: z
    .enum(['UNetMidBlock2DCrossAttn', 'UNetMidBlock2D', 'UNetMidBlock2DSimpleCrossAttn'])
    .nullable()
    .default('UNetMidBlock2DCrossAttn'),
  up_block_types: z
    .array(z.enum(['CrossAttnUpBlock2D', 'UpBlock2D', 'SimpleCrossAttnUpBlock2D', 'ResnetUpsampleBlock2D']))
    .default(['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D']),
  block_out_channels: z.array(positive).min(1).default([320, 640, 1280, 1280]),
  layers_per_block: perBlock.default(2),
  downsample_padding: z.int().min(0).max(1).default(1),
  mid_block_scale_factor: z.number().positive().default(1),
  /** Training only; our graphs are the network at rest. */
  dropout: z.number().min(0).max(1).default(0),
  act_fn: z.enum(['silu', 'swish', 'gelu']).default('silu'),
  norm_num_groups: positive.default(32),
  norm_eps: z.number().positive().default(1e-5),
  cross_attention_dim: perBlock.default(1280),
  /** DeepFloyd IF: width of the text states, which a linear layer takes to cross_attention_dim. */
  encoder_hid_dim: positive.nullable().default(null),
  encoder_hid_dim_type: z.enum(['text_proj']).nullable().default(null),
  /** Of the text states before each attention of the SimpleCrossAttn blocks. */
  cross_attention_norm: z.enum(['group_norm']).nullable().default(null),
  transformer_layers_per_block: perBlock.default(1),
  /**
   * Despite its name the NUMBER of heads: diffusers keeps the misnomer for the sake of old files. In the SimpleCrossAttn
   * blocks it is what it is called, the channels of a head.
   */
  attention_head_dim: perBlock.default(8),
  use_linear_projection: z.boolean().default(false),
  /** Of a denoiser in half precision, attention in float32 all the same: Stable Diffusion 2.1 exceeds the range of float16. */
  upcast_attention: z.boolean().default(false),
  resnet_time_scale_shift: z.enum(['default', 'scale_shift']).default('default'),
  time_embedding_dim: positive.nullable().default(null),
  /**
   * What joins the time embedding. Stable Diffusion XL, `text_time`: the pooled text and six numbers of the picture's size
   * and crop. DeepFloyd IF, `text`: the text states, pooled by attention.
   */
  addition_embed_type: z.enum(['text_time', 'text']).nullable().default(null),
  /** Heads of that pooling. */
  addition_embed_type_num_heads: positive.default(64),
  /** Sinusoids per number of the six. */
  addition_time_embed_dim: positive.nullable().default(null),
  /** Width of the pooled text plus 6 · addition_time_embed_dim. */
  projection_class_embeddings_input_dim: positive.nullable().default(null),
  conv_in_kernel: positive.default(3),
  conv_out_kernel: positive.default(3),
});
export type UNetConfig = z.infer<typeof unetSchema>;

/** Fields that may stand in a file, but only with the value that switches them off. */
const unetOff: Readonly<Record<string, readonly unknown[]>> = {
  only_cross_attention: [false],
  mid_block_only_cross_attention: [null, false],
  dual_cross_attention: [false],
  reverse_transformer_layers_per_block: [null],
  num_attention_heads: [null],
  class_embed_type: [null],
  num_class_embeds: [null],
  class_embeddings_concat: [false],
  resnet_skip_time_act: [false],
  resnet_out_scale_factor: [1],
  time_embedding_type: ['positional'],
  time_embedding_act_fn: [null],
  timestep_post_act: [null],
  time_cond_proj_dim: [null],
  attention_type: ['default'],
};

const vaeSchema = z.object({
  in_channels: positive.default(3),
  out_channels: positive.default(3),
  down_block_types: z.array(z.enum(['DownEncoderBlock2D'])).default(['DownEncoderBlock2D']),
  up_block_types: z.array(z.enum(['UpDecoderBlock2D'])).default(['UpDecoderBlock2D']),
  block_out_channels: z.array(positive).min(1).default([64]),
  layers_per_block: positive.default(1),
  act_fn: activation.default('silu'),
  latent_channels: positive.default(4),
  norm_num_groups: positive.default(32),
  sample_size: sampleSize.default(32),
  scaling_factor: z.number().positive().default(0.18215),
  shift_factor: z.number().nullable().default(null),
  force_upcast: z.boolean().default(true),
  use_quant_conv: z.boolean().default(true),
  use_post_quant_conv: z.boolean().default(true),
  mid_block_add_attention: z.boolean().default(true),
});
export type VaeConfig = z.infer<typeof vaeSchema>;

const vaeOff: Readonly<Record<string, readonly unknown[]>> = { latents_mean: [null], latents_std: [null] };

const clipTextSchema = z.object({
  vocab_size: positive.default(49408),
  hidden_size: positive.default(512),
  intermediate_size: positive.default(2048),
  projection_dim: positive.nullable().default(512),
  num_hidden_layers: positive.default(12),
  num_attention_heads: positive.default(8),
  max_position_embeddings: positive.default(77),
  hidden_act: z.enum(['quick_gelu', 'gelu']).default('quick_gelu'),
  layer_norm_eps: z.number().positive().default(1e-5),
  initializer_factor: z.number().positive().default(1),
  pad_token_id: z.int().min(0).nullable().default(1),
  bos_token_id: z.int().min(0).nullable().default(49406),
  /** 2 is a mistake of old files: the end then is where the largest id stands. */
  eos_token_id: z.int().min(0).default(49407),
});
export type ClipTextConfig = z.infer<typeof clipTextSchema>;

export interface Family<S extends z.ZodObject> {
  readonly schema: S;
  readonly className: string;
  readonly off: Readonly<Record<string, readonly unknown[]>>;
  /** Whether an unknown field is an error. transformers writes dozens that mean nothing here. */
  readonly strict: boolean;
}

/** A config's fields checked against its class: unknown ones, and values that are not computed, are refused by name. */
export function parseFields<S extends z.ZodObject>(
  family: Family<S>,
  json: unknown,
  where: string,
): z.infer<S> {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new VerbatimError(`${where}: expected a JSON object with the fields of ${family.className}.`);
  const fields = json as Record<string, unknown>;
  const className = fields['_class_name'] ?? (fields['architectures'] as unknown[] | undefined)?.[0];
  if (className !== undefined && className !== family.className)
    throw new VerbatimError(
      `${where}: the class ${JSON.stringify(className)} is not supported, only ${family.className}.`,
    );
  const known = Object.keys(family.schema.shape);
  const taken: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    const off = Object.hasOwn(family.off, key) ? family.off[key] : undefined;
    if (off !== undefined) {
      // A list with one entry per block is off when every entry is.
      const values = Array.isArray(value) && value.length > 0 ? value : [value];
      if (!values.every((one) => off.includes(one)))
        throw new VerbatimError(
          `${where}: ${key} = ${JSON.stringify(value)} is not supported, only ${JSON.stringify(off[0])}.`,
        );
    } else if (known.includes(key)) taken[key] = value;
    else if (family.strict && !key.startsWith('_')) {
      const nearest = closest(key, [...known, ...Object.keys(family.off)]);
      throw new VerbatimError(
        `${where}: unknown field "${key}" of ${family.className}; did you mean "${nearest}"?`,
      );
    }
  }
  const result = family.schema.safeParse(taken);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.map(String) ?? [];
  const value = path.reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], taken);
  throw new VerbatimError(
    `${where}: ${path.join('.')} = ${JSON.stringify(value)} is not supported: ${issue?.message ?? 'invalid'}.`,
  );
}

function sameLength(where: string, count: number, lists: Readonly<Record<string, unknown>>): void {
  for (const [name, list] of Object.entries(lists))
    if (Array.isArray(list) && list.length !== count)
      throw new VerbatimError(
        `${where}: ${name} has ${list.length} entries but block_out_channels has ${count}; they must agree.`,
      );
}

function divisible(where: string, channels: readonly number[], groups: number): void {
  const odd = channels.find((count) => count % groups !== 0);
  if (odd !== undefined)
    throw new VerbatimError(
      `${where}: block_out_channels has ${odd}, which norm_num_groups = ${groups} does not divide.`,
    );
}

/** A UNet2DConditionModel config with every field present. `where` names the file in errors. */
export function parseUnetConfig(json: unknown, where = 'unet/config.json'): UNetConfig {
  const family = { schema: unetSchema, className: 'UNet2DConditionModel', off: unetOff, strict: true };
  const config = parseFields(family, json, where);
  const count = config.block_out_channels.length;
  sameLength(where, count, {
    down_block_types: config.down_block_types,
    up_block_types: config.up_block_types,
    layers_per_block: config.layers_per_block,
    cross_attention_dim: config.cross_attention_dim,
    transformer_layers_per_block: config.transformer_layers_per_block,
    attention_head_dim: config.attention_head_dim,
  });
  divisible(where, config.block_out_channels, config.norm_num_groups);
  checkAddition(where, config);
  checkTextProjection(where, config);
  return config;
}

/** Width of the text states that the UNet takes. */
export function textStatesWidth(config: UNetConfig): number {
  const width = config.cross_attention_dim;
  return config.encoder_hid_dim ?? (typeof width === 'number' ? width : width[0]!);
}

/** Groups of `cross_attention_norm`, fixed in diffusers. */
export const crossNormGroups = 32;

/** What the projection of the text states, the blocks that attend to them, and their pooling divide. */
function checkTextProjection(where: string, config: UNetConfig): void {
  const { encoder_hid_dim: from, cross_attention_dim: to, block_out_channels: channels } = config;
  const refuse = (what: string) => new VerbatimError(`${where}: ${what}.`);
  if (from === null && config.encoder_hid_dim_type !== null)
    throw refuse(`encoder_hid_dim_type = "${config.encoder_hid_dim_type}" needs encoder_hid_dim`);
  if (from !== null && typeof to !== 'number')
    throw refuse('encoder_hid_dim needs one cross_attention_dim for all blocks');
  const pooling = config.addition_embed_type_num_heads;
  if (config.addition_embed_type === 'text' && textStatesWidth(config) % pooling !== 0)
    throw refuse(
      `the text states have ${textStatesWidth(config)} numbers, which addition_embed_type_num_heads = ${pooling} does not divide`,
    );
  const uses = simpleAttention(config);
  for (const { block, size } of uses)
    if (channels[block]! % size !== 0)
      throw refuse(
        `a SimpleCrossAttn block has ${channels[block]} channels, which attention_head_dim = ${size} does not divide`,
      );
  const width = [to].flat().find((dim) => dim % crossNormGroups !== 0);
  if (uses.length > 0 && config.cross_attention_norm !== null && width !== undefined)
    throw refuse(
      `cross_attention_dim = ${width} is no multiple of the ${crossNormGroups} groups of cross_attention_norm`,
    );
}

/** The blocks with SimpleCrossAttn layers: their place in `block_out_channels` and the channels of their heads. */
function simpleAttention(config: UNetConfig): { block: number; size: number }[] {
  const last = config.block_out_channels.length - 1;
  const sizes = config.attention_head_dim;
  const size = (entry: number) => (typeof sizes === 'number' ? sizes : sizes[entry]!);
  const found: { block: number; size: number }[] = [];
  for (const [block, type] of config.down_block_types.entries())
    if (type === 'SimpleCrossAttnDownBlock2D') found.push({ block, size: size(block) });
  if (config.mid_block_type === 'UNetMidBlock2DSimpleCrossAttn')
    found.push({ block: last, size: size(last) });
  // In diffusers the list is not turned round for them, as it is for the other up blocks.
  for (const [up, type] of config.up_block_types.entries())
    if (type === 'SimpleCrossAttnUpBlock2D') found.push({ block: last - up, size: size(up) });
  return found;
}

/** Either all three fields of Stable Diffusion XL's embedding, with room for a pooled text, or none of them. */
function checkAddition(where: string, config: UNetConfig): void {
  const { addition_embed_type: kind, addition_time_embed_dim: size } = config;
  const width = config.projection_class_embeddings_input_dim;
  if (kind !== 'text_time') {
    if (width !== null || size !== null)
      throw new VerbatimError(
        `${where}: addition_time_embed_dim and projection_class_embeddings_input_dim need addition_embed_type = "text_time".`,
      );
  } else if (width === null || size === null || width <= 6 * size)
    throw new VerbatimError(
      `${where}: addition_embed_type = "${kind}" needs addition_time_embed_dim (${size}) and projection_class_embeddings_input_dim (${width}), which must be more than six times the first.`,
    );
}

/** An AutoencoderKL config with every field present. `where` names the file in errors. */
export function parseVaeConfig(json: unknown, where = 'vae/config.json'): VaeConfig {
  const family = { schema: vaeSchema, className: 'AutoencoderKL', off: vaeOff, strict: true };
  const config = parseFields(family, json, where);
  checkBlocks(where, config);
  return config;
}

/** A block of each kind for each width, and widths that the norms' groups divide. */
export function checkBlocks(
  where: string,
  config: {
    readonly block_out_channels: readonly number[];
    readonly down_block_types: readonly string[];
    readonly up_block_types: readonly string[];
    readonly norm_num_groups: number;
  },
): void {
  sameLength(where, config.block_out_channels.length, {
    down_block_types: config.down_block_types,
    up_block_types: config.up_block_types,
  });
  divisible(where, config.block_out_channels, config.norm_num_groups);
}

/** A CLIPTextModel config with every field present. `where` names the file in errors. */
export function parseClipTextConfig(
  json: unknown,
  where = 'text_encoder/config.json',
  className: 'CLIPTextModel' | 'CLIPTextModelWithProjection' = 'CLIPTextModel',
): ClipTextConfig {
  const family = { schema: clipTextSchema, className, off: {}, strict: false };
  const config = parseFields(family, json, where);
  if (config.hidden_size % config.num_attention_heads !== 0)
    throw new VerbatimError(
      `${where}: hidden_size = ${config.hidden_size} is no multiple of num_attention_heads = ${config.num_attention_heads}.`,
    );
  return config;
}
