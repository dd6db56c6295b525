import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { readJsonObject } from '../../tables/index.ts';
import {
  type ClipTextConfig,
  parseClipTextConfig,
  parseUnetConfig,
  parseVaeConfig,
  type UNetConfig,
  type VaeConfig,
} from '../config.ts';
import { isFile, weightFiles } from './read.ts';

/** Where one network of a folder is: weights for our own graph, or a finished ONNX file. */
export type PartSource =
  | { readonly kind: 'safetensors'; readonly files: readonly string[] }
  | { readonly kind: 'onnx'; readonly path: string };

/** What a model folder holds, configs parsed, weights not yet read. */
export interface ModelFolder {
  readonly path: string;
  readonly format: 'diffusers' | 'onnx';
  readonly unet: { readonly config: UNetConfig; readonly source: PartSource };
  readonly vae: { readonly config: VaeConfig; readonly encoder: PartSource; readonly decoder: PartSource };
  readonly textEncoder: { readonly config: ClipTextConfig; readonly source: PartSource };
  /** scheduler_config.json as it stands; the diffusion room reads it. */
  readonly scheduler: Readonly<Record<string, unknown>>;
  readonly tokenizerFolder: string;
  /** verbatim.json, where present: what we store beside the model, such as its guidance scale. */
  readonly settings: Readonly<Record<string, unknown>>;
}

const pipelines = ['StableDiffusionPipeline', 'OnnxStableDiffusionPipeline', 'ORTStableDiffusionPipeline'];

/**
 * Opens a folder that diffusers' `StableDiffusionPipeline.save_pretrained` or optimum's ONNX export wrote.
 * Reads configs only. A VerbatimError names the file that is missing or the field that is not supported.
 */
export async function openModelFolder(path: string): Promise<ModelFolder> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory())
    throw new VerbatimError(
      `${path}: there is no such folder; expected a diffusers model with model_index.json, unet/, vae/, text_encoder/, tokenizer/, scheduler/.`,
      { exitCode: 2 },
    );
  const indexPath = join(path, 'model_index.json');
  const index = await readJsonObject(
    indexPath,
    'a diffusers folder holds it, with unet/, vae/, text_encoder/, …',
  );
  const pipeline = index['_class_name'];
  if (pipeline !== undefined && !pipelines.includes(pipeline as string))
    throw new VerbatimError(
      `${indexPath}: the pipeline ${JSON.stringify(pipeline)} is not supported, only ${pipelines[0]} and its ONNX exports.`,
    );
  const settingsPath = join(path, 'verbatim.json');
  const settings = (await isFile(settingsPath)) ? await readJsonObject(settingsPath) : {};
  const scheduler = await readJsonObject(join(path, 'scheduler', 'scheduler_config.json'));
  const tokenizerFolder = join(path, 'tokenizer');
  const shared = { path, scheduler, tokenizerFolder, settings };

  const config = async <C>(part: string, parse: (json: unknown, where: string) => C): Promise<C> => {
    const file = join(path, part, 'config.json');
    return parse(await readJsonObject(file), file);
  };
  const unetConfig = await config('unet', parseUnetConfig);
  const textConfig = await config('text_encoder', parseClipTextConfig);
  if (await isFile(join(path, 'unet', 'model.onnx'))) {
    const onnx = async (part: string): Promise<PartSource> => {
      const file = join(path, part, 'model.onnx');
      if (!(await isFile(file))) throw new VerbatimError(`${file}: is missing.`);
      return { kind: 'onnx', path: file };
    };
    return checked({
      ...shared,
      format: 'onnx',
      unet: { config: unetConfig, source: await onnx('unet') },
      vae: {
        config: await config('vae_decoder', parseVaeConfig),
        encoder: await onnx('vae_encoder'),
        decoder: await onnx('vae_decoder'),
      },
      textEncoder: { config: textConfig, source: await onnx('text_encoder') },
    });
  }
  const weights = async (part: string, stem: string): Promise<PartSource> => ({
    kind: 'safetensors',
    files: await weightFiles(join(path, part), stem),
  });
  const vae = await weights('vae', 'diffusion_pytorch_model');
  return checked({
    ...shared,
    format: 'diffusers',
    unet: { config: unetConfig, source: await weights('unet', 'diffusion_pytorch_model') },
    vae: { config: await config('vae', parseVaeConfig), encoder: vae, decoder: vae },
    textEncoder: { config: textConfig, source: await weights('text_encoder', 'model') },
  });
}

/** Whether the three networks belong together. */
function checked(folder: ModelFolder): ModelFolder {
  const { unet, vae, textEncoder, path } = folder;
  const where = join(path, 'unet', 'config.json');
  const channels = vae.config.latent_channels;
  for (const field of ['in_channels', 'out_channels'] as const)
    if (unet.config[field] !== channels)
      throw new VerbatimError(
        `${where}: ${field} = ${unet.config[field]}, but the VAE's latent_channels is ${channels}; inpainting and depth models are not supported.`,
      );
  const width = textEncoder.config.hidden_size;
  for (const wanted of [unet.config.cross_attention_dim].flat())
    if (wanted !== width)
      throw new VerbatimError(
        `${where}: cross_attention_dim = ${wanted}, but the text encoder's hidden_size is ${width}.`,
      );
  return folder;
}
