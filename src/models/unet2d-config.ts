import { z } from 'zod';
import { VerbatimError } from '../errors.ts';
import { activation, checkBlocks, parseFields, positive, sampleSize } from './config.ts';

/** The `config.json` files of diffusers' `UNet2DModel` and `VQModel`, with the defaults of diffusers 0.42. */
const downBlocks = z.enum(['DownBlock2D', 'AttnDownBlock2D', 'ResnetDownsampleBlock2D']);
const upBlocks = z.enum(['UpBlock2D', 'AttnUpBlock2D', 'ResnetUpsampleBlock2D']);
const resampling = z.enum(['conv', 'resnet']).default('conv');

const unet2dSchema = z.object({
  sample_size: sampleSize.default(null),
  in_channels: positive.default(3),
  out_channels: positive.default(3),
  center_input_sample: z.boolean().default(false),
  time_embedding_dim: positive.nullable().default(null),
  freq_shift: z.number().default(0),
  flip_sin_to_cos: z.boolean().default(true),
  down_block_types: z
    .array(downBlocks)
    .default(['DownBlock2D', 'AttnDownBlock2D', 'AttnDownBlock2D', 'AttnDownBlock2D']),
  mid_block_type: z.enum(['UNetMidBlock2D']).nullable().default('UNetMidBlock2D'),
  up_block_types: z.array(upBlocks).default(['AttnUpBlock2D', 'AttnUpBlock2D', 'AttnUpBlock2D', 'UpBlock2D']),
  block_out_channels: z.array(positive).min(1).default([224, 448, 672, 896]),
  layers_per_block: positive.default(2),
  mid_block_scale_factor: z.number().positive().default(1),
  downsample_padding: z.int().min(0).max(1).default(1),
  /** Of blocks with attention only, as in diffusers; the others' are fixed by their names. */
  downsample_type: resampling,
  upsample_type: resampling,
  /** Training only; our graphs are the network at rest. */
  dropout: z.number().min(0).max(1).default(0),
  act_fn: activation.default('silu'),
  /** Channels of one head; null: a single head. */
  attention_head_dim: positive.nullable().default(8),
  norm_num_groups: positive.default(32),
  /** Groups of the norm before the middle block's attention; null: as the others, and none with scale_shift. */
  attn_norm_num_groups: positive.nullable().default(null),
  norm_eps: z.number().positive().default(1e-5),
  resnet_time_scale_shift: z.enum(['default', 'scale_shift']).default('default'),
  add_attention: z.boolean().default(true),
  class_embed_type: z.enum(['timestep']).nullable().default(null),
  num_class_embeds: positive.nullable().default(null),
  /** Says how many rows a learned time embedding has, which `time_embedding_type` refuses. */
  num_train_timesteps: positive.nullable().default(null),
});
export type UNet2DConfig = z.infer<typeof unet2dSchema>;

const unet2dOff: Readonly<Record<string, readonly unknown[]>> = { time_embedding_type: ['positional'] };

/** A UNet2DModel config with every field present. `where` names the file in errors. */
export function parseUnet2dConfig(json: unknown, where = 'unet/config.json'): UNet2DConfig {
  const family = { schema: unet2dSchema, className: 'UNet2DModel', off: unet2dOff, strict: true };
  const config = parseFields(family, json, where);
  const channels = config.block_out_channels;
  checkBlocks(where, config);
  const head = config.attention_head_dim;
  const last = channels.length - 1;
  const odd = channels.find((width, block) => {
    const attends =
      config.down_block_types[block] === 'AttnDownBlock2D' ||
      config.up_block_types[last - block] === 'AttnUpBlock2D' ||
      (block === last && config.mid_block_type !== null && config.add_attention);
    return attends && head !== null && width % head !== 0;
  });
  if (odd !== undefined)
    throw new VerbatimError(
      `${where}: a block with attention has ${odd} channels, which attention_head_dim = ${head} does not divide.`,
    );
  return config;
}

const vqSchema = z.object({
  in_channels: positive.default(3),
  out_channels: positive.default(3),
  down_block_types: z.array(z.enum(['DownEncoderBlock2D'])).default(['DownEncoderBlock2D']),
  up_block_types: z.array(z.enum(['UpDecoderBlock2D'])).default(['UpDecoderBlock2D']),
  block_out_channels: z.array(positive).min(1).default([64]),
  layers_per_block: positive.default(1),
  act_fn: activation.default('silu'),
  latent_channels: positive.default(3),
  sample_size: sampleSize.default(32),
  num_vq_embeddings: positive.default(256),
  norm_num_groups: positive.default(32),
  /** Width of a codebook entry; null: latent_channels. */
  vq_embed_dim: positive.nullable().default(null),
  scaling_factor: z.number().positive().default(0.18215),
  mid_block_add_attention: z.boolean().default(true),
  /** Precision of half-precision runs; ours computes in float32 throughout. */
  force_upcast: z.boolean().default(false),
});
export type VqConfig = z.infer<typeof vqSchema>;

const vqOff: Readonly<Record<string, readonly unknown[]>> = {
  norm_type: ['group'],
  lookup_from_codebook: [false],
};

/** A VQModel config with every field present. `where` names the file in errors. */
export function parseVqConfig(json: unknown, where = 'vqvae/config.json'): VqConfig {
  const family = { schema: vqSchema, className: 'VQModel', off: vqOff, strict: true };
  const config = parseFields(family, json, where);
  checkBlocks(where, config);
  return config;
}
