import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { readJsonObject } from '../../tables/index.ts';
import { parseUnetConfig, textStatesWidth, type UNetConfig } from '../config.ts';
import { parseT5Config, type T5Config } from '../t5-config.ts';
import type { PartSource } from './open.ts';
import { checkSamples, pipelineClass, readPart, readSettings } from './read.ts';

/** A folder of DeepFloyd IF's first stage, configs parsed, weights not yet read. */
export interface IfFolder {
  readonly path: string;
  readonly unet: { readonly config: UNetConfig; readonly source: PartSource };
  readonly textEncoder: {
    readonly config: T5Config;
    readonly source: PartSource;
    readonly tokenizerFolder: string;
  };
  /** scheduler_config.json as it stands; the diffusion room reads it. */
  readonly scheduler: Readonly<Record<string, unknown>>;
  /** verbatim.json, where present. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Whether the folder's model_index.json names an IFPipeline, which `openIfFolder` opens. */
export async function isIfFolder(path: string): Promise<boolean> {
  return (await pipelineClass(path)) === 'IFPipeline';
}

/**
 * Opens a folder that `save_pretrained` of diffusers' IFPipeline wrote. Reads configs only. A VerbatimError names the file
 * that is missing or the field that is not supported. The safety checker and the watermark are left alone: audits see what
 * the network makes.
 */
export async function openIfFolder(path: string): Promise<IfFolder> {
  const settings = await readSettings(path);
  const scheduler = await readJsonObject(join(path, 'scheduler', 'scheduler_config.json'));
  const encoder = join(path, 'text_encoder');
  if (!(await stat(encoder).catch(() => undefined))?.isDirectory())
    throw new VerbatimError(
      `${encoder}: is missing; captions need it. All of IF's stages have the same one, so it can be copied from another folder of theirs.`,
    );
  const text = await readPart(path, 'text_encoder', 'model', parseT5Config);
  const unet = await readPart(path, 'unet', 'diffusion_pytorch_model', parseUnetConfig);
  checkFit(join(path, 'unet', 'config.json'), unet.config, text.config);
  const textEncoder = { ...text, tokenizerFolder: join(path, 'tokenizer') };
  return { path, unet, textEncoder, scheduler, settings };
}

/** Whether the network's channels are those of pictures, and its text states those of the encoder. */
function checkFit(where: string, unet: UNetConfig, text: T5Config): void {
  const channels = unet.in_channels;
  const refuse = (what: string) => new VerbatimError(`${where}: ${what}`);
  if (channels === 6)
    throw refuse(
      'in_channels = 6, as in the upscaling stages of IF, which are not supported; take the first.',
    );
  if (channels !== 3) throw refuse(`in_channels = ${channels}; pictures have 3 channels.`);
  checkSamples(where, unet);
  if (unet.addition_embed_type === 'text_time')
    throw refuse(
      'addition_embed_type = "text_time" needs the two text encoders of a StableDiffusionXLPipeline.',
    );
  const field = unet.encoder_hid_dim === null ? 'cross_attention_dim' : 'encoder_hid_dim';
  if (textStatesWidth(unet) !== text.d_model)
    throw refuse(`${field} = ${textStatesWidth(unet)}, but the text encoder's d_model is ${text.d_model}.`);
}
