import type { TensorPlace, TensorPlaces } from '../store.ts';

/**
 * Names of Stability's and CompVis' own checkpoints (their modules openaimodel.py, model.py and OpenCLIP's
 * transformer.py) for the names of diffusers and transformers. Each function takes a name that one of our networks asks
 * for and says where the file holds it; undefined where the original has no such tensor.
 */

/** Replaces the beginning of a name; the longest that fits wins, so `conv_in` does not catch `conv_in_2`. */
function replaceModule(name: string, modules: ReadonlyMap<string, string>): string | undefined {
  for (let end = name.lastIndexOf('.'); end > 0; end = name.lastIndexOf('.', end - 1)) {
    const found = modules.get(name.slice(0, end));
    if (found !== undefined) return found + name.slice(end);
  }
  return undefined;
}

const resnetNames = new Map([
  ['norm1', 'in_layers.0'],
  ['conv1', 'in_layers.2'],
  ['time_emb_proj', 'emb_layers.1'],
  ['norm2', 'out_layers.0'],
  ['conv2', 'out_layers.3'],
  ['conv_shortcut', 'skip_connection'],
]);

/** The UNet. `layers`: resnets per level on the way down; `attention`: whether the levels on the way up attend. */
export function unetPlaces(layers: readonly number[], attention: readonly boolean[]): TensorPlaces {
  const modules = new Map([
    ['conv_in', 'input_blocks.0.0'],
    ['time_embedding.linear_1', 'time_embed.0'],
    ['time_embedding.linear_2', 'time_embed.2'],
    ['add_embedding.linear_1', 'label_emb.0.0'],
    ['add_embedding.linear_2', 'label_emb.0.2'],
    ['mid_block.resnets.0', 'middle_block.0'],
    ['mid_block.attentions.0', 'middle_block.1'],
    ['mid_block.resnets.1', 'middle_block.2'],
    ['conv_norm_out', 'out.0'],
    ['conv_out', 'out.2'],
  ]);
  let index = 1;
  for (const [block, count] of layers.entries()) {
    for (let layer = 0; layer < count; layer++, index++) {
      modules.set(`down_blocks.${block}.resnets.${layer}`, `input_blocks.${index}.0`);
      modules.set(`down_blocks.${block}.attentions.${layer}`, `input_blocks.${index}.1`);
    }
    modules.set(`down_blocks.${block}.downsamplers.0.conv`, `input_blocks.${index}.0.op`);
    index++;
  }
  index = 0;
  for (const [up, count] of [...layers].reverse().entries()) {
    for (let layer = 0; layer <= count; layer++, index++) {
      modules.set(`up_blocks.${up}.resnets.${layer}`, `output_blocks.${index}.0`);
      modules.set(`up_blocks.${up}.attentions.${layer}`, `output_blocks.${index}.1`);
    }
    const slot = attention[up] ? 2 : 1;
    modules.set(`up_blocks.${up}.upsamplers.0.conv`, `output_blocks.${index - 1}.${slot}.conv`);
  }
  return (name) => {
    const resnet = /^(.*\.resnets\.\d+)\.(\w+)\.(\w+)$/.exec(name);
    const inner = resnet ? resnetNames.get(resnet[2]!) : undefined;
    const place = resnet
      ? inner && replaceModule(`${resnet[1]}.${inner}.${resnet[3]}`, modules)
      : replaceModule(name, modules);
    return place === undefined ? undefined : { name: `model.diffusion_model.${place}` };
  };
}

const vaeNames: readonly (readonly [string, string])[] = [
  ['.mid_block.resnets.0.', '.mid.block_1.'],
  ['.mid_block.resnets.1.', '.mid.block_2.'],
  ['.mid_block.attentions.0.', '.mid.attn_1.'],
  ['.group_norm.', '.norm.'],
  ['.to_q.', '.q.'],
  ['.to_k.', '.k.'],
  ['.to_v.', '.v.'],
  ['.to_out.0.', '.proj_out.'],
  ['.resnets.', '.block.'],
  ['.downsamplers.0.', '.downsample.'],
  ['.upsamplers.0.', '.upsample.'],
  ['.conv_shortcut.', '.nin_shortcut.'],
  ['.conv_norm_out.', '.norm_out.'],
];

/** The VAE, whose original counts the levels on the way up from the last one down. */
export function vaePlaces(levels: number): TensorPlaces {
  return (name) => {
    let place = name
      .replace(/\.down_blocks\.(\d+)\./, '.down.$1.')
      .replace(/\.up_blocks\.(\d+)\./, (_, up: string) => `.up.${levels - 1 - Number(up)}.`);
    for (const [from, to] of vaeNames) place = place.replace(from, to);
    return { name: `first_stage_model.${place}` };
  };
}

/** OpenAI's CLIP as transformers names it. */
export function clipPlaces(prefix: string): TensorPlaces {
  return (name) => ({ name: prefix + name });
}

const openClipNames: readonly (readonly [string, string])[] = [
  ['embeddings.token_embedding.weight', 'token_embedding.weight'],
  ['embeddings.position_embedding.weight', 'positional_embedding'],
  ['encoder.layers.', 'transformer.resblocks.'],
  ['.layer_norm1.', '.ln_1.'],
  ['.layer_norm2.', '.ln_2.'],
  ['final_layer_norm.', 'ln_final.'],
  ['.mlp.fc1.', '.mlp.c_fc.'],
  ['.mlp.fc2.', '.mlp.c_proj.'],
  ['.self_attn.out_proj.', '.attn.out_proj.'],
];
const fused = ['q_proj', 'k_proj', 'v_proj'];

/** OpenCLIP: q, k and v in one tensor, the projection transposed. */
export function openClipPlaces(prefix: string): TensorPlaces {
  return (asked): TensorPlace => {
    const name = asked.replace(/^text_model\./, '');
    if (name === 'text_projection.weight') return { name: `${prefix}text_projection`, transposed: true };
    const attention = /^encoder\.layers\.(\d+)\.self_attn\.([qkv]_proj)\.(weight|bias)$/.exec(name);
    if (attention) {
      const [, layer, which, kind] = attention;
      return {
        name: `${prefix}transformer.resblocks.${layer}.attn.in_proj_${kind}`,
        part: fused.indexOf(which!),
        parts: fused.length,
      };
    }
    let place = name;
    for (const [from, to] of openClipNames) place = place.replace(from, to);
    return { name: prefix + place };
  };
}
