import { describe, expect, it } from 'vitest';
import { parseClipTextConfig, parseUnetConfig, parseVaeConfig } from './config.ts';

describe('configs', () => {
  it('take the defaults of their classes', () => {
    expect(parseUnetConfig({})).toMatchObject({
      block_out_channels: [320, 640, 1280, 1280],
      cross_attention_dim: 1280,
      attention_head_dim: 8,
      norm_num_groups: 32,
      mid_block_type: 'UNetMidBlock2DCrossAttn',
      sample_size: null,
    });
    expect(parseVaeConfig({ norm_num_groups: 32 })).toMatchObject({
      scaling_factor: 0.18215,
      use_quant_conv: true,
      layers_per_block: 1,
    });
    expect(parseClipTextConfig({})).toMatchObject({
      hidden_act: 'quick_gelu',
      eos_token_id: 49407,
      vocab_size: 49408,
    });
  });

  it.each([
    [{ class_embed_type: 'timestep' }, 'class_embed_type = "timestep" is not supported, only null'],
    [{ addition_embed_type: 'text_time' }, 'addition_embed_type = "text_time" needs addition_time_embed_dim'],
    [{ addition_embed_type: 'image' }, 'addition_embed_type = "image" is not supported'],
    [
      { addition_time_embed_dim: 8 },
      'addition_time_embed_dim and projection_class_embeddings_input_dim need addition_embed_type',
    ],
    [{ num_attention_heads: 8 }, 'num_attention_heads = 8 is not supported'],
    [
      { only_cross_attention: [true, false, false, false] },
      'only_cross_attention = [true,false,false,false] is not supported',
    ],
    [{ num_attention_heads: 8 }, 'num_attention_heads = 8 is not supported, only null'],
    [{ down_block_types: ['KDownBlock2D'] }, 'down_block_types.0 = "KDownBlock2D" is not supported'],
    [{ act_fn: 'mish' }, 'act_fn = "mish" is not supported'],
    [
      { block_out_channel: [32] },
      'unknown field "block_out_channel" of UNet2DConditionModel; did you mean "block_out_channels"?',
    ],
    [
      { _class_name: 'UNet3DConditionModel' },
      'the class "UNet3DConditionModel" is not supported, only UNet2DConditionModel',
    ],
    [{ attention_head_dim: [5, 10] }, 'attention_head_dim has 2 entries but block_out_channels has 4'],
    [{ norm_num_groups: 24 }, 'block_out_channels has 320, which norm_num_groups = 24 does not divide'],
    [{ block_out_channels: [] }, 'block_out_channels = [] is not supported'],
    ['text', 'expected a JSON object'],
  ])('refuses %j by name', (json, message) => {
    expect(() => parseUnetConfig(json, 'here.json')).toThrow(`here.json: ${message}`);
  });

  it('lets through what says the same as the default', () => {
    const same = {
      only_cross_attention: [false, false],
      class_embed_type: null,
      addition_embed_type_num_heads: 64,
      _name_or_path: 'x',
    };
    expect(parseUnetConfig(same)).toEqual(parseUnetConfig({}));
    // transformers writes dozens of fields about generation.
    expect(parseClipTextConfig({ top_k: 50, architectures: ['CLIPTextModel'] })).toEqual(
      parseClipTextConfig({}),
    );
  });

  it('refuses other VAEs and text models', () => {
    expect(() => parseVaeConfig({ down_block_types: ['AttnDownEncoderBlock2D'] })).toThrow(
      /AttnDownEncoderBlock2D/,
    );
    expect(() => parseVaeConfig({ latents_mean: [0, 0] })).toThrow(/latents_mean/);
    expect(() => parseClipTextConfig({ architectures: ['T5EncoderModel'] })).toThrow(/T5EncoderModel/);
    expect(() => parseClipTextConfig({ hidden_act: 'relu' })).toThrow(/hidden_act = "relu"/);
    expect(() => parseClipTextConfig({ hidden_size: 100, num_attention_heads: 3 })).toThrow(
      /hidden_size = 100 is no multiple/,
    );
  });
});
