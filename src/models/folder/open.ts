import { stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { isFile, readJsonObject } from '../../tables/index.ts';
import {
  type ClipTextConfig,
  parseClipTextConfig,
  parseUnetConfig,
  parseVaeConfig,
  type UNetConfig,
  type VaeConfig,
} from '../config.ts';
import type { TensorPlaces } from '../store.ts';
import type { Padding } from '../tokenizer/index.ts';
import { pooledWidth } from '../unet.ts';
import { readConfig, readSettings, unfinished, weightFiles } from './read.ts';

/** Where one network of a folder is: weights for our own graph, or a finished ONNX file. */
export type PartSource =
  | {
      readonly kind: 'safetensors';
      readonly files: readonly string[];
      /** Where the files hold a tensor, when they do not use diffusers' names. */
      readonly places?: TensorPlaces;
    }
  | { readonly kind: 'onnx'; readonly path: string };

/** A text encoder and the tokenizer that it was trained with. */
export interface TextPart {
  readonly config: ClipTextConfig;
  readonly source: PartSource;
  readonly tokenizerFolder: string;
  /** What follows a caption, where the tokenizer's files are not the encoder's own: see `loadClipTokenizer`. */
  readonly padding?: Padding;
}

/** What a model folder holds, configs parsed, weights not yet read. */
export interface ModelFolder {
  readonly path: string;
  readonly format: 'diffusers' | 'onnx' | 'single-file';
  readonly unet: { readonly config: UNetConfig; readonly source: PartSource };
  readonly vae: { readonly config: VaeConfig; readonly encoder: PartSource; readonly decoder: PartSource };
  readonly textEncoder: TextPart;
  /** Stable Diffusion XL's second encoder, with a projection. */
  readonly textEncoder2?: TextPart;
  /** Stable Diffusion XL: the empty caption's condition is all zeros (`force_zeros_for_empty_prompt`). */
  readonly zerosForEmpty?: boolean;
  /** scheduler_config.json as it stands; the diffusion room reads it. */
  readonly scheduler: Readonly<Record<string, unknown>>;
  /** What messages about the scheduler's fields call their place. */
  readonly schedulerPath: string;
  /** verbatim.json, where present: what we store beside the model, such as its guidance scale. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Where they stand, or would stand. */
  readonly settingsPath: string;
}

const pipelines = ['StableDiffusionPipeline', 'OnnxStableDiffusionPipeline', 'ORTStableDiffusionPipeline'];
const xlPipelines = [
  'StableDiffusionXLPipeline',
  'OnnxStableDiffusionXLPipeline',
  'ORTStableDiffusionXLPipeline',
];

/**
 * Opens a folder that diffusers' `save_pretrained` of a StableDiffusionPipeline or StableDiffusionXLPipeline, or
 * optimum's ONNX export of one, wrote. Reads configs only. A VerbatimError names the file that is missing or the
 * field that is not supported.
 */
export async function openModelFolder(path: string): Promise<ModelFolder> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory())
    throw new VerbatimError(`${path}: there is no such ${await missing(path)}.`, { exitCode: 2 });
  const indexPath = join(path, 'model_index.json');
  const index = await readJsonObject(
    indexPath,
    'a diffusers folder holds it, with unet/, vae/, text_encoder/, …',
  );
  const pipeline = index['_class_name'];
  const xl = xlPipelines.includes(pipeline as string);
  if (pipeline !== undefined && !xl && !pipelines.includes(pipeline as string))
    throw new VerbatimError(
      `${indexPath}: the pipeline ${JSON.stringify(pipeline)} is not supported, only ${pipelines[0]}, ${xlPipelines[0]} and their ONNX exports, IFPipeline, DDPMPipeline, DDIMPipeline and LDMPipeline.`,
    );
  const settingsPath = join(path, 'verbatim.json');
  const settings = await readSettings(path);
  const schedulerPath = join(path, 'scheduler', 'scheduler_config.json');
  const scheduler = await readJsonObject(schedulerPath);
  const format = (await isFile(join(path, 'unet', 'model.onnx'))) ? 'onnx' : 'diffusers';

  const source = async (part: string, stem: string): Promise<PartSource> => {
    if (format === 'diffusers')
      return { kind: 'safetensors', files: await weightFiles(join(path, part), stem) };
    const file = join(path, part, 'model.onnx');
    if (!(await isFile(file)))
      throw new VerbatimError(
        `${file}: is missing; unet/model.onnx makes this an ONNX folder, in which each part has its own: ${await unfinished(join(path, part), 'model')}, or export it again.`,
      );
    return { kind: 'onnx', path: file };
  };
  const text = async (suffix: '' | '_2'): Promise<TextPart> => ({
    config: await readConfig(path, `text_encoder${suffix}`, (json, where) =>
      parseClipTextConfig(json, where, suffix === '' ? 'CLIPTextModel' : 'CLIPTextModelWithProjection'),
    ),
    source: await source(`text_encoder${suffix}`, 'model'),
    tokenizerFolder: join(path, `tokenizer${suffix}`),
  });
  const stem = 'diffusion_pytorch_model';
  const [encoder, decoder] = format === 'onnx' ? ['vae_encoder', 'vae_decoder'] : ['vae', 'vae'];
  const unet = {
    config: await readConfig(path, 'unet', parseUnetConfig),
    source: await source('unet', stem),
  };
  const vae = {
    config: await readConfig(path, decoder!, parseVaeConfig),
    encoder: await source(encoder!, stem),
    decoder: await source(decoder!, stem),
  };
  const textEncoder = await text('');
  const second = xl && {
    textEncoder2: await text('_2'),
    zerosForEmpty: index['force_zeros_for_empty_prompt'] !== false,
  };
  const beside = { scheduler, schedulerPath, settings, settingsPath };
  return checkParts({ path, format, unet, vae, textEncoder, ...second, ...beside });
}

/** What was meant by a path at which there is no folder, and what to do. */
async function missing(path: string): Promise<string> {
  if (/^\.(safetensors|ckpt|pth?|bin|pkl|onnx)$/i.test(extname(path))) return 'file';
  const expected =
    'folder; expected a diffusers model with model_index.json, unet/, vae/, text_encoder/, tokenizer/, scheduler/';
  // OWNER/NAME, and no OWNER here either: rather a name on a hub than a path that is misspelt.
  const full = resolve(path);
  const owner = dirname(full);
  const name = `${basename(owner)}/${basename(full)}`;
  const there = async (folder: string) => (await stat(folder).catch(() => undefined)) !== undefined;
  const isName =
    /^\w[\w.-]*\/\w[\w.-]*$/.test(name) && !(await there(owner)) && (await there(dirname(owner)));
  return isName
    ? `${expected}. If "${name}" is a model's name on a hub: nothing is downloaded from here; download it first (git with LFS, or the hub's own tool) and name the folder`
    : expected;
}

/** Whether the networks belong together; throws a VerbatimError that names the field. */
export function checkParts(
  folder: ModelFolder,
  where = join(folder.path, 'unet', 'config.json'),
): ModelFolder {
  const { unet, vae, textEncoder, textEncoder2 } = folder;
  const channels = vae.config.latent_channels;
  for (const field of ['in_channels', 'out_channels'] as const)
    if (unet.config[field] !== channels)
      throw new VerbatimError(
        `${where}: ${field} = ${unet.config[field]}, but the VAE's latent_channels is ${channels}; inpainting and depth models are not supported.`,
      );
  const width = textEncoder.config.hidden_size + (textEncoder2?.config.hidden_size ?? 0);
  const owner = textEncoder2 ? "the text encoders' hidden_size together" : "the text encoder's hidden_size";
  const field = unet.config.encoder_hid_dim === null ? 'cross_attention_dim' : 'encoder_hid_dim';
  for (const wanted of [unet.config[field]].flat())
    if (wanted !== width)
      throw new VerbatimError(`${where}: ${field} = ${wanted}, but ${owner} is ${width}.`);
  const pooled = pooledWidth(unet.config);
  if (textEncoder2 === undefined) {
    if (pooled > 0)
      throw new VerbatimError(
        `${where}: addition_embed_type = "text_time" needs the two text encoders of a StableDiffusionXLPipeline.`,
      );
    return folder;
  }
  if (pooled !== textEncoder2.config.projection_dim)
    throw new VerbatimError(
      `${where}: the added embedding takes a pooled text of ${pooled} numbers, but the second text encoder's projection_dim is ${textEncoder2.config.projection_dim}.`,
    );
  // diffusers' StableDiffusionXLPipeline knows no such field and would leave it out.
  if (vae.config.shift_factor !== null)
    throw new VerbatimError(
      `${join(folder.path, 'vae', 'config.json')}: shift_factor = ${vae.config.shift_factor} is not supported with Stable Diffusion XL, only null.`,
    );
  return folder;
}
