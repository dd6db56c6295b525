import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { explainWriteError, writeFileAtomic } from '../../tables/index.ts';
import type { ClipTextConfig, UNetConfig, VaeConfig } from '../config.ts';
import { type WritableTensor, writeSafetensors } from '../safetensors.ts';
import { type ClipTokenizerFiles, writeClipTokenizer } from '../tokenizer/index.ts';
import type { UNet2DConfig } from '../unet2d-config.ts';

/** A version whose `from_pretrained` reads these files without a word; no program version of ours is stored. */
export const diffusersVersion = '0.30.0';

export interface NetworkPart<C, T = WritableTensor> {
  readonly config: C;
  /** Tensors by diffusers' and transformers' names. */
  readonly tensors: Readonly<Record<string, T>>;
}

/** A whole model: its tensors in memory, or each made when it is written. */
export interface ModelParts<T = WritableTensor> {
  readonly unet: NetworkPart<UNetConfig, T>;
  readonly vae: NetworkPart<VaeConfig, T>;
  readonly textEncoder: NetworkPart<ClipTextConfig, T>;
  readonly tokenizer: ClipTokenizerFiles;
  /** scheduler_config.json with its `_class_name`; `stableDiffusionScheduler` makes one. */
  readonly scheduler: Readonly<Record<string, unknown>>;
  /** Goes to verbatim.json: guidance scale and the like. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface WriteFolderOptions {
  /** Element type of the stored weights. Default 'float32'. */
  readonly dtype?: 'float32' | 'float16';
  /** Replaces what stands at the path. Default: refuse. */
  readonly replace?: boolean;
}

/** Fields that transformers 5 wants with a decimal point, which JSON.stringify leaves off whole numbers. */
const wholeFloats =
  /^( {2}"(?:initializer_factor|layer_norm_eps|mid_block_scale_factor|dropout|scaling_factor|shift_factor)": -?\d+)(,?)$/gm;

/** JSON with sorted keys, as diffusers writes it. */
function sortedJson(value: Readonly<Record<string, unknown>>): string {
  const sorted = Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  return `${JSON.stringify(sorted, null, 2).replace(wholeFloats, '$1.0$2')}\n`;
}

export async function writeJson(path: string, value: Readonly<Record<string, unknown>>): Promise<void> {
  await writeFileAtomic(path, sortedJson(value));
}

export interface SchedulerOptions {
  readonly predictionType: 'epsilon' | 'v_prediction' | 'sample';
  readonly betaStart?: number;
  readonly betaEnd?: number;
  readonly betaSchedule?: 'scaled_linear' | 'linear' | 'squaredcos_cap_v2';
  readonly trainTimesteps?: number;
}

/** A DDIM scheduler's config with Stable Diffusion's noise schedule unless told otherwise. */
export function stableDiffusionScheduler(options: SchedulerOptions): Record<string, unknown> {
  return {
    _class_name: 'DDIMScheduler',
    _diffusers_version: diffusersVersion,
    beta_end: options.betaEnd ?? 0.012,
    beta_schedule: options.betaSchedule ?? 'scaled_linear',
    beta_start: options.betaStart ?? 0.00085,
    clip_sample: false,
    num_train_timesteps: options.trainTimesteps ?? 1000,
    prediction_type: options.predictionType,
    set_alpha_to_one: false,
    steps_offset: 1,
    timestep_spacing: 'leading',
    trained_betas: null,
  };
}

/** A DDPM scheduler's config with the schedule of Ho et al. 2020: linear β from 1e-4 to .02, samples clipped to [−1, 1]. */
export function ddpmScheduler(predictionType: SchedulerOptions['predictionType']): Record<string, unknown> {
  return {
    _class_name: 'DDPMScheduler',
    _diffusers_version: diffusersVersion,
    beta_end: 0.02,
    beta_schedule: 'linear',
    beta_start: 0.0001,
    clip_sample: true,
    clip_sample_range: 1,
    num_train_timesteps: 1000,
    prediction_type: predictionType,
    timestep_spacing: 'leading',
    variance_type: 'fixed_small',
  };
}

/**
 * Makes a folder whole or not at all: `fill` works in a temporary one beside it, which is renamed when
 * it is done. Throws a VerbatimError when something stands there already, unless told to replace it.
 */
export async function writeFolder(
  path: string,
  replace: boolean,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  const target = resolve(path);
  const exists = (await stat(target).catch(() => undefined)) !== undefined;
  if (exists && !replace)
    throw new VerbatimError(`${path}: stands there already; name another folder, or remove it first.`);
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await mkdir(dirname(target), { recursive: true });
    await mkdir(temporary);
    await fill(temporary);
    if (exists) {
      // Two renames: at no moment is the old model half deleted under its name.
      await rename(target, `${temporary}.old`);
      await rename(temporary, target);
      await rm(`${temporary}.old`, { recursive: true });
    } else await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw explainWriteError(error, path);
  }
}

export function unetJson(config: UNetConfig): Record<string, unknown> {
  return { _class_name: 'UNet2DConditionModel', _diffusers_version: diffusersVersion, ...config };
}

export function vaeJson(config: VaeConfig): Record<string, unknown> {
  return { _class_name: 'AutoencoderKL', _diffusers_version: diffusersVersion, ...config };
}

export function textJson(config: ClipTextConfig): Record<string, unknown> {
  return {
    architectures: ['CLIPTextModel'],
    model_type: 'clip_text_model',
    torch_dtype: 'float32',
    ...config,
  };
}

/** Writes `NAME/config.json` and the weights beside it into a model folder. */
async function writeNetwork(
  folder: string,
  name: string,
  file: string,
  json: Record<string, unknown>,
  tensors: NetworkPart<unknown>['tensors'],
  dtype: NonNullable<WriteFolderOptions['dtype']>,
): Promise<void> {
  await mkdir(join(folder, name));
  await writeJson(join(folder, name, 'config.json'), json);
  await writeSafetensors(join(folder, name, file), tensors, { dtype });
}

const weightsFile = 'diffusion_pytorch_model.safetensors';

async function writeScheduler(folder: string, scheduler: Readonly<Record<string, unknown>>): Promise<void> {
  await mkdir(join(folder, 'scheduler'));
  await writeJson(join(folder, 'scheduler', 'scheduler_config.json'), scheduler);
}

/** An unconditional model: its network works on pictures. */
export interface DdpmParts {
  readonly unet: NetworkPart<UNet2DConfig>;
  /** The scheduler's config with its `_class_name`. */
  readonly scheduler: Readonly<Record<string, unknown>>;
}

/**
 * Writes a diffusers folder that Python's `DDPMPipeline.from_pretrained` opens, and `openUnet2dFolder` too. Equal parts
 * give equal bytes. The folder appears whole or not at all.
 */
export async function writeDdpmFolder(
  path: string,
  { unet, scheduler }: DdpmParts,
  { dtype = 'float32', replace = false }: WriteFolderOptions = {},
): Promise<void> {
  await writeFolder(path, replace, async (folder) => {
    const json = { _class_name: 'UNet2DModel', _diffusers_version: diffusersVersion, ...unet.config };
    await writeNetwork(folder, 'unet', weightsFile, json, unet.tensors, dtype);
    await writeScheduler(folder, scheduler);
    await writeJson(join(folder, 'model_index.json'), {
      _class_name: 'DDPMPipeline',
      _diffusers_version: diffusersVersion,
      scheduler: ['diffusers', scheduler['_class_name']],
      unet: ['diffusers', 'UNet2DModel'],
    });
  });
}

/**
 * Writes a diffusers folder that Python's `StableDiffusionPipeline.from_pretrained` opens without a word,
 * and `openModelFolder` too. Equal parts give equal bytes. The folder appears whole or not at all.
 */
export async function writeModelFolder(
  path: string,
  parts: ModelParts,
  options: WriteFolderOptions = {},
): Promise<void> {
  const dtype = options.dtype ?? 'float32';
  await writeFolder(path, options.replace ?? false, async (folder) => {
    await writeNetwork(folder, 'unet', weightsFile, unetJson(parts.unet.config), parts.unet.tensors, dtype);
    await writeNetwork(folder, 'vae', weightsFile, vaeJson(parts.vae.config), parts.vae.tensors, dtype);
    const { config, tensors } = parts.textEncoder;
    await writeNetwork(folder, 'text_encoder', 'model.safetensors', textJson(config), tensors, dtype);
    await writeClipTokenizer(join(folder, 'tokenizer'), parts.tokenizer);
    await writeScheduler(folder, parts.scheduler);
    if (parts.settings) await writeJson(join(folder, 'verbatim.json'), parts.settings);
    await writeJson(join(folder, 'model_index.json'), {
      _class_name: 'StableDiffusionPipeline',
      _diffusers_version: diffusersVersion,
      feature_extractor: [null, null],
      image_encoder: [null, null],
      requires_safety_checker: false,
      safety_checker: [null, null],
      scheduler: ['diffusers', parts.scheduler['_class_name']],
      text_encoder: ['transformers', 'CLIPTextModel'],
      tokenizer: ['transformers', 'CLIPTokenizer'],
      unet: ['diffusers', 'UNet2DConditionModel'],
      vae: ['diffusers', 'AutoencoderKL'],
    });
  });
}
