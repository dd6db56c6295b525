import { VerbatimError } from '../../errors.ts';
import type { Shapes } from './shapes.ts';

/**
 * Configs of diffusers and transformers, out of the shapes of an original checkpoint, which holds no config. What
 * shapes cannot tell (heads, norm groups, scaling factors) is what Stability's models of that kind have.
 */
export type CheckpointKind = 'sd1' | 'sd2' | 'sdxl';

/** Beginnings of the names of the text encoders. */
export const textPrefixes = {
  sd1: ['cond_stage_model.transformer.'],
  sd2: ['cond_stage_model.model.'],
  sdxl: ['conditioner.embedders.0.transformer.', 'conditioner.embedders.1.model.'],
} as const satisfies Record<CheckpointKind, readonly string[]>;

/** Channels of one head in Stable Diffusion 2, XL and CLIP. */
const headWidth = 64;
const unet = 'model.diffusion_model.';

/** One level of the UNet on the way down. */
interface Level {
  readonly channels: number;
  readonly layers: number;
  /** Transformer blocks in each attention; 0 without attention. */
  readonly depth: number;
}

/** Walks input_blocks: resnets, then the downsampler that ends a level. */
function levelsOf(shapes: Shapes): Level[] {
  const levels: Level[] = [];
  let layers = 0;
  let channels = 0;
  let depth = 0;
  const end = () => {
    levels.push({ channels, layers, depth });
    layers = 0;
  };
  for (let index = 1; index < shapes.count(`${unet}input_blocks.`); index++) {
    const block = `${unet}input_blocks.${index}.`;
    if (shapes.has(`${block}0.op.weight`)) end();
    else {
      layers++;
      channels = shapes.size(`${block}0.in_layers.2.weight`, 0);
      depth = shapes.count(`${block}1.transformer_blocks.`);
    }
  }
  end();
  return levels;
}

/** unet/config.json. `pooled`: width of the second text encoder's projection, XL only. */
export function deriveUnet(shapes: Shapes, kind: CheckpointKind, pooled: number): Record<string, unknown> {
  const levels = levelsOf(shapes);
  const first = levels[0]!.channels;
  const middle = shapes.count(`${unet}middle_block.1.transformer_blocks.`);
  const attended = levels.findIndex((level) => level.depth > 0);
  if (middle === 0 || attended < 0)
    throw new VerbatimError(
      `${shapes.path}: the UNet has no attention to text; only text-to-image models are supported.`,
    );
  // The middle block takes the last level's number of transformer blocks, whether or not that level attends.
  const depths = levels.map(({ depth }, i) => (i === levels.length - 1 ? middle : Math.max(depth, 1)));
  const layers = levels.map((level) => level.layers);
  const attention = levels.map((level) => level.depth > 0);
  const blockOf = (name: string) => (attends: boolean) =>
    attends ? `CrossAttn${name}Block2D` : `${name}Block2D`;
  const heads = levels.map(({ channels }) => Math.max(1, Math.floor(channels / headWidth)));
  const context = `${unet}middle_block.1.transformer_blocks.0.attn2.to_k.weight`;
  const added = `${unet}label_emb.0.0.weight`;
  return {
    in_channels: shapes.size(`${unet}input_blocks.0.0.weight`, 1),
    out_channels: shapes.size(`${unet}out.2.weight`, 0),
    block_out_channels: levels.map((level) => level.channels),
    layers_per_block: layers.every((count) => count === layers[0]) ? layers[0] : layers,
    down_block_types: attention.map(blockOf('Down')),
    up_block_types: [...attention].reverse().map(blockOf('Up')),
    transformer_layers_per_block: depths.every((depth) => depth === 1) ? 1 : depths,
    cross_attention_dim: shapes.size(context, 1),
    attention_head_dim: kind === 'sd1' ? 8 : heads,
    use_linear_projection: shapes.rank(`${unet}middle_block.1.proj_in.weight`) === 2,
    time_embedding_dim: fourfold(shapes.size(`${unet}time_embed.0.weight`, 0), first),
    ...(kind === 'sdxl' && {
      addition_embed_type: 'text_time',
      projection_class_embeddings_input_dim: shapes.size(added, 1),
      addition_time_embed_dim: (shapes.size(added, 1) - pooled) / 6,
    }),
  };
}

/** diffusers leaves the usual width of the time embedding, four times the first level's, unsaid. */
function fourfold(width: number, channels: number): number | null {
  return width === 4 * channels ? null : width;
}

/** vae/config.json. */
export function deriveVae(shapes: Shapes, kind: CheckpointKind): Record<string, unknown> {
  const vae = 'first_stage_model.';
  if (!shapes.hasPrefix(vae))
    throw new VerbatimError(
      `${shapes.path}: no VAE in this file (no ${vae}…); take a checkpoint with its VAE baked in.`,
    );
  const levels = shapes.count(`${vae}encoder.down.`);
  const channels = Array.from({ length: levels }, (_, level) =>
    shapes.size(`${vae}encoder.down.${level}.block.0.conv1.weight`, 0),
  );
  const quant = shapes.has(`${vae}quant_conv.weight`);
  return {
    in_channels: shapes.size(`${vae}encoder.conv_in.weight`, 1),
    out_channels: shapes.size(`${vae}decoder.conv_out.weight`, 0),
    block_out_channels: channels,
    down_block_types: channels.map(() => 'DownEncoderBlock2D'),
    up_block_types: channels.map(() => 'UpDecoderBlock2D'),
    layers_per_block: shapes.count(`${vae}encoder.down.0.block.`),
    latent_channels: shapes.size(`${vae}decoder.conv_in.weight`, 1),
    use_quant_conv: quant,
    use_post_quant_conv: shapes.has(`${vae}post_quant_conv.weight`),
    mid_block_add_attention: shapes.hasPrefix(`${vae}encoder.mid.attn_1.`),
    scaling_factor: kind === 'sdxl' ? 0.13025 : 0.18215,
  };
}

/** config.json of a text encoder in transformers' names (OpenAI's CLIP). */
export function deriveClip(shapes: Shapes, prefix: string): Record<string, unknown> {
  // Files that transformers 5 wrote, and some older ones, go without this part of the name.
  const model = shapes.hasPrefix(`${prefix}text_model.`) ? `${prefix}text_model.` : prefix;
  const tokens = `${model}embeddings.token_embedding.weight`;
  const width = shapes.size(tokens, 1);
  return {
    ...clipCommon(width),
    vocab_size: shapes.size(tokens, 0),
    max_position_embeddings: shapes.size(`${model}embeddings.position_embedding.weight`, 0),
    intermediate_size: shapes.size(`${model}encoder.layers.0.mlp.fc1.weight`, 0),
    num_hidden_layers: shapes.count(`${model}encoder.layers.`),
    projection_dim: width,
    hidden_act: 'quick_gelu',
  };
}

/** The layers that diffusers keeps of the 24 of Stable Diffusion 2: it goes on from the last but one. */
const layersInDiffusers = 23;

/**
 * config.json of a text encoder in OpenCLIP's names. Stable Diffusion 2 takes the state before the last layer, so its
 * encoder is one layer shorter than the file, unless the file was written from diffusers' shortened one.
 */
export function deriveOpenClip(
  shapes: Shapes,
  prefix: string,
  kind: CheckpointKind,
): Record<string, unknown> {
  const tokens = `${prefix}token_embedding.weight`;
  const width = shapes.size(tokens, 1);
  const layers = shapes.count(`${prefix}transformer.resblocks.`);
  const projection = `${prefix}text_projection`;
  return {
    ...clipCommon(width),
    vocab_size: shapes.size(tokens, 0),
    max_position_embeddings: shapes.size(`${prefix}positional_embedding`, 0),
    intermediate_size: shapes.size(`${prefix}transformer.resblocks.0.mlp.c_fc.weight`, 0),
    num_hidden_layers: kind === 'sd2' && layers !== layersInDiffusers ? layers - 1 : layers,
    projection_dim: kind === 'sdxl' ? shapes.size(projection, 1) : width,
    hidden_act: 'gelu',
  };
}

/** The end of text has the largest id of the vocabulary, which is what an eos_token_id of 2 means in old files. */
function clipCommon(width: number) {
  return {
    hidden_size: width,
    num_attention_heads: Math.max(1, Math.floor(width / headWidth)),
    eos_token_id: 2,
  };
}
