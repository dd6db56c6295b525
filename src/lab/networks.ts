import type { LabConfig } from './config.ts';

/** Side of the latents: each level of the VAE but the last halves the picture. */
export function latentSide(config: LabConfig, pictureSize: number): number {
  return pictureSize / 2 ** (config.vae.blockOutChannels.length - 1);
}

/** `vae/config.json` of a miniature, as diffusers' AutoencoderKL reads it. */
export function vaeConfig(config: LabConfig, pictureSize: number, scalingFactor: number) {
  const { blockOutChannels, layersPerBlock, latentChannels, normGroups } = config.vae;
  return {
    _class_name: 'AutoencoderKL',
    act_fn: 'silu',
    block_out_channels: blockOutChannels,
    down_block_types: blockOutChannels.map(() => 'DownEncoderBlock2D'),
    up_block_types: blockOutChannels.map(() => 'UpDecoderBlock2D'),
    in_channels: 3,
    out_channels: 3,
    latent_channels: latentChannels,
    layers_per_block: layersPerBlock,
    norm_num_groups: normGroups,
    sample_size: pictureSize,
    scaling_factor: scalingFactor,
  };
}

/** `text_encoder/config.json`: a CLIPTextModel with the lab's own vocabulary, end-of-text last. */
export function textConfig(config: LabConfig, vocabularySize: number) {
  const { hiddenSize, layers, heads } = config.textEncoder;
  return {
    architectures: ['CLIPTextModel'],
    model_type: 'clip_text_model',
    hidden_act: 'quick_gelu',
    hidden_size: hiddenSize,
    intermediate_size: 4 * hiddenSize,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    max_position_embeddings: config.tokenizer.maxLength,
    vocab_size: vocabularySize,
    projection_dim: hiddenSize,
    layer_norm_eps: 1e-5,
    bos_token_id: vocabularySize - 2,
    eos_token_id: vocabularySize - 1,
    pad_token_id: vocabularySize - 1,
    torch_dtype: 'float32',
  };
}

/** `unet/config.json`: a UNet2DConditionModel on the VAE's latents. */
export function unetConfig(config: LabConfig, side: number) {
  const { blockOutChannels, layersPerBlock, headDim, normGroups } = config.unet;
  const attention = config.unet.attention ?? blockOutChannels.map(() => true);
  return {
    _class_name: 'UNet2DConditionModel',
    act_fn: 'silu',
    // diffusers' historical misnomer: this field holds the number of heads (per level).
    attention_head_dim: blockOutChannels.map((channels) => Math.max(1, channels / headDim)),
    block_out_channels: blockOutChannels,
    center_input_sample: false,
    cross_attention_dim: config.textEncoder.hiddenSize,
    down_block_types: attention.map((on) => (on ? 'CrossAttnDownBlock2D' : 'DownBlock2D')),
    mid_block_type: 'UNetMidBlock2DCrossAttn',
    up_block_types: [...attention].reverse().map((on) => (on ? 'CrossAttnUpBlock2D' : 'UpBlock2D')),
    downsample_padding: 1,
    flip_sin_to_cos: true,
    freq_shift: 0,
    in_channels: config.vae.latentChannels,
    out_channels: config.vae.latentChannels,
    layers_per_block: layersPerBlock,
    mid_block_scale_factor: 1,
    norm_eps: 1e-5,
    norm_num_groups: normGroups,
    sample_size: side,
    use_linear_projection: true,
  };
}
