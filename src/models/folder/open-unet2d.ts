import { join } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { readJsonObject } from '../../tables/index.ts';
import { parseUnet2dConfig, parseVqConfig, type UNet2DConfig, type VqConfig } from '../unet2d-config.ts';
import { vqChannels } from '../vq.ts';
import type { PartSource } from './open.ts';
import { checkSamples, pipelineClass, readPart, readSettings } from './read.ts';

/** A folder of an unconditional or class-conditional model, configs parsed, weights not yet read. */
export interface Unet2dFolder {
  readonly path: string;
  readonly unet: { readonly config: UNet2DConfig; readonly source: PartSource };
  /** The autoencoder of an LDMPipeline; without one the network works on pictures. */
  readonly vq: { readonly config: VqConfig; readonly source: PartSource } | undefined;
  /** scheduler_config.json as it stands; the diffusion room reads it. */
  readonly scheduler: Readonly<Record<string, unknown>>;
  /** verbatim.json, where present. */
  readonly settings: Readonly<Record<string, unknown>>;
}

const pipelines = ['DDPMPipeline', 'DDIMPipeline', 'LDMPipeline'];

/** Whether the folder's model_index.json names a pipeline that `openUnet2dFolder` opens. */
export async function isUnet2dFolder(path: string): Promise<boolean> {
  return pipelines.includes((await pipelineClass(path)) as string);
}

/**
 * Opens a folder that `save_pretrained` of diffusers' DDPMPipeline, DDIMPipeline or LDMPipeline wrote. Reads
 * configs only. A VerbatimError names the file that is missing or the field that is not supported.
 */
export async function openUnet2dFolder(path: string): Promise<Unet2dFolder> {
  const latent = (await pipelineClass(path)) === 'LDMPipeline';
  const settings = await readSettings(path);
  const scheduler = await readJsonObject(join(path, 'scheduler', 'scheduler_config.json'));
  const stem = 'diffusion_pytorch_model';
  const unet = await readPart(path, 'unet', stem, parseUnet2dConfig);
  const vq = latent ? await readPart(path, 'vqvae', stem, parseVqConfig) : undefined;
  checkFit(join(path, 'unet', 'config.json'), unet.config, vq?.config);
  return { path, unet, vq, scheduler, settings };
}

/** Whether the network's channels are those of its latents or pictures. */
function checkFit(where: string, unet: UNet2DConfig, vq: VqConfig | undefined): void {
  const found = unet.in_channels;
  if (vq !== undefined && found !== vqChannels(vq))
    throw new VerbatimError(
      `${where}: in_channels = ${found}, but the codebook of vqvae has ${vqChannels(vq)} channels.`,
    );
  if (vq !== undefined && vq.out_channels !== 3)
    throw new VerbatimError(`${where}: vqvae's out_channels = ${vq.out_channels}; pictures have 3 channels.`);
  if (vq === undefined && found !== 3 && found !== 1)
    throw new VerbatimError(`${where}: in_channels = ${found}; pictures have 3 channels, or 1 for grey.`);
  checkSamples(where, unet);
}
