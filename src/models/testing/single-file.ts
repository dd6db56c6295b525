import { readFile, writeFile } from 'node:fs/promises';
import { type Tensor, TYPED_ARRAYS } from '../../math/index.ts';
import { openSafetensors, writeSafetensors } from '../safetensors.ts';
import { fixtures } from './goldens.ts';

export const singleFileVariants = ['sd1', 'sd2v', 'sdxl'] as const;
export type SingleFileVariant = (typeof singleFileVariants)[number];

/** What the shapes of the small models cannot say, and Stability's usual values would get wrong. */
export const singleFileSettings: Readonly<Record<SingleFileVariant, Record<string, unknown>>> = {
  sd1: {
    unet: { sample_size: 8, norm_num_groups: 8, attention_head_dim: 4 },
    vae: { norm_num_groups: 8, sample_size: 16 },
    text_encoder: { num_attention_heads: 4 },
  },
  sd2v: {
    unet: { sample_size: 8, norm_num_groups: 4, attention_head_dim: [2, 4] },
    vae: { norm_num_groups: 4, sample_size: 16 },
    text_encoder: { num_attention_heads: 4 },
  },
  sdxl: {
    unet: { sample_size: 8, norm_num_groups: 4, attention_head_dim: [2, 4] },
    vae: { norm_num_groups: 4, sample_size: 16 },
    text_encoder: { num_attention_heads: 4 },
    text_encoder_2: { num_attention_heads: 2 },
  },
};

/** Tensors stacked along dimension 0. */
function stack(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors as [Tensor];
  if (tensors.length === 1) return first;
  const length = first.data.length;
  const data = new TYPED_ARRAYS[first.dtype](length * tensors.length);
  for (const [i, tensor] of tensors.entries())
    (data as Uint16Array).set(tensor.data as Uint16Array, i * length);
  return { ...first, shape: [first.shape[0]! * tensors.length, ...first.shape.slice(1)], data };
}

function transposed(tensor: Tensor): Tensor {
  const [rows, columns] = tensor.shape as [number, number];
  const source = tensor.data as Uint16Array;
  const data = new Uint16Array(source.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) data[j * rows + i] = source[i * columns + j]!;
  return { dtype: tensor.dtype, shape: [columns, rows], data };
}

/**
 * The tensors of a fixture folder under the original names. Those come from single-file.json, which
 * bench/peers/make_single_file_fixtures.py wrote after diffusers' own converters had led every name back.
 */
export async function originalTensors(variant: SingleFileVariant): Promise<Record<string, Tensor>> {
  const folder = `${fixtures}${variant}/`;
  const names = JSON.parse(await readFile(`${folder}single-file.json`, 'utf8')) as Record<
    string,
    [part: string, names: string[]]
  >;
  const files = new Map<string, ReturnType<typeof openSafetensors>>();
  const open = (part: string) => {
    const stem = part.startsWith('text') ? 'model' : 'diffusion_pytorch_model';
    const file = files.get(part) ?? openSafetensors(`${folder}${part}/${stem}.safetensors`);
    files.set(part, file);
    return file;
  };
  const tensors: Record<string, Tensor> = {};
  for (const [key, [part, sources]] of Object.entries(names)) {
    const whole = stack(sources.map((name) => open(part).read(name)));
    tensors[key] = key.endsWith('.text_projection') ? transposed(whole) : whole;
  }
  for (const file of files.values()) file.close();
  return { ...tensors, ...unused(variant, tensors) };
}

/** What real files hold besides: a copy of averaged weights, and of Stable Diffusion 2's encoder a last layer. */
function unused(
  variant: SingleFileVariant,
  tensors: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  const found: Record<string, Tensor> = {
    'model_ema.decay': { dtype: 'float32', shape: [], data: Float32Array.of(0.9999) },
    alphas_cumprod: { dtype: 'float32', shape: [1000], data: new Float32Array(1000) },
  };
  if (variant !== 'sd2v') return found;
  for (const [name, tensor] of Object.entries(tensors))
    if (name.includes('.resblocks.2.'))
      found[name.replace('.resblocks.2.', '.resblocks.3.')] = {
        ...tensor,
        data: new Uint16Array(tensor.data.length),
      };
  const width = tensors['cond_stage_model.model.ln_final.weight']!.shape[0]!;
  const data = new Uint16Array(width * width);
  found['cond_stage_model.model.text_projection'] = { dtype: 'float16', shape: [width, width], data };
  return found;
}

/** Writes a checkpoint and its settings; `change` may spoil the tensors first. */
export async function writeCheckpoint(
  path: string,
  variant: SingleFileVariant,
  options: {
    settings?: Record<string, unknown>;
    metadata?: Record<string, string>;
    change?: (tensors: Record<string, Tensor>) => void;
  } = {},
): Promise<void> {
  const tensors = await originalTensors(variant);
  options.change?.(tensors);
  await writeSafetensors(path, tensors, options.metadata ? { metadata: options.metadata } : {});
  const settings = { ...singleFileSettings[variant], ...options.settings };
  await writeFile(path.replace('.safetensors', '.verbatim.json'), JSON.stringify(settings));
}
