import { basename, resolve } from 'node:path';
import { z } from 'zod';
import { VerbatimError } from '../errors.ts';
import { floatTensor, mapTensor, sampleLength, type Tensor } from '../math/index.ts';
import {
  type DenoiserNetworkOptions,
  isIfFolder,
  isUnet2dFolder,
  modelDigest,
  openModel,
  openTextEncoder,
  openUnet,
  openVae,
  type TextNetwork,
  type UNetNetwork,
  type VaeNetwork,
} from '../models/index.ts';
import type { Meter } from '../runtime/index.ts';
import { parseBy } from '../tables/index.ts';
import { requireDenoiser } from './generator-graph.ts';
import { type Codec, joinPipeline } from './join-pipeline.ts';
import type { Pipeline } from './pipeline.types.ts';
import { openIfPipeline } from './pipeline-if.ts';
import { openUnet2dPipeline } from './pipeline-unet2d.ts';
import { type NoiseSchedule, scheduleFromConfig } from './schedule.ts';
import { refuseLimits } from './scheduler-fields.ts';

export interface PipelineOptions extends DenoiserNetworkOptions {
  /** Largest number of samples in one call of the denoiser. Default 16. */
  readonly batch?: number;
  /** Counts every evaluation of the denoiser. */
  readonly meter?: Meter;
  /** A folder with CLIP's vocabulary, for single-file checkpoints, which hold none. */
  readonly tokenizer?: string;
}

/** The networks of a latent diffusion model and what they were trained with. */
export interface PipelineParts {
  readonly name: string;
  /** Of the files, whatever the precision. */
  readonly digest: string;
  readonly guidance: number;
  readonly schedule: NoiseSchedule;
  readonly text: Pick<TextNetwork, 'encode' | 'close'>;
  readonly unet: Pick<UNetNetwork, 'sampleShape' | 'integerTimesteps' | 'predict' | 'close'>;
  readonly vae: Pick<
    VaeNetwork,
    'pictureSize' | 'scalingFactor' | 'shiftFactor' | 'encodeMoments' | 'decode' | 'close'
  >;
}

/** `(x + add)·factor` for every element. */
function affine(tensor: Tensor<'float32'>, add: number, factor: number): Tensor<'float32'> {
  return mapTensor(tensor, (value) => (value + add) * factor);
}

/** Latents are the means of the VAE's posterior, shifted and scaled. */
function latentCodec(vae: PipelineParts['vae']): Codec {
  return {
    pictureSize: vae.pictureSize,
    async encode(pictures) {
      const moments = await vae.encodeMoments(pictures);
      // Moments are [n, 2c, h, w], the means in the first c channels: the first half of every sample.
      const [count, channels, ...sides] = moments.shape as [number, number, number, number];
      const half = sampleLength(moments) / 2;
      const means = new Float32Array(count * half);
      for (let n = 0; n < count; n++)
        means.set(moments.data.subarray(2 * n * half, (2 * n + 1) * half), n * half);
      const shape = [count, channels / 2, ...sides];
      return affine(floatTensor(shape, means), -vae.shiftFactor, vae.scalingFactor);
    },
    decode: (latents) => vae.decode(affine(affine(latents, 0, 1 / vae.scalingFactor), vae.shiftFactor, 1)),
    close: () => vae.close(),
  };
}

/** Joins networks to a pipeline: adds the schedule, the latents' scale and the conversion of pictures. */
export function createPipeline(parts: PipelineParts, options: PipelineOptions = {}): Pipeline {
  const { name, digest, guidance, schedule, text, unet, vae } = parts;
  const codec = latentCodec(vae);
  const close = async () => {
    await Promise.all([text.close(), unet.close(), codec.close()]);
  };
  const encodeText: Pipeline['encodeText'] = (captions) => text.encode(captions);
  const rest = { conditions: 'captions', codec, limit: undefined, encodeText, close } as const;
  return joinPipeline({ name, digest, guidance, schedule, unet, ...rest }, options);
}

/**
 * Refuses half precision where nothing gains by it.
 *
 * @throws VerbatimError (exit code 2)
 */
function checkPrecision({ precision, provider = 'cpu' }: PipelineOptions): void {
  if (precision === 'float16' && (provider === 'cpu' || provider === 'auto'))
    throw new VerbatimError(
      `precision float16 is for graphics cards, not for provider ${provider}: give provider webgpu or cuda, or leave precision out`,
      { exitCode: 2 },
    );
}

const settingsSchema = z.looseObject({ guidance: z.number().min(0).max(100).default(7.5) });

/**
 * Opens a diffusers folder, optimum's ONNX export of one, or a single-file checkpoint as a pipeline; see `openUnet2dPipeline` for
 * models without captions, and `openIfPipeline`. The guidance scale is
 * `guidance` in the folder's verbatim.json, 7.5 where that is absent. Throws a VerbatimError that names the
 * file and the key when something is missing or not supported; nothing stays open then.
 */
export async function openPipeline(folder: string, options: PipelineOptions = {}): Promise<Pipeline> {
  requireDenoiser(folder);
  checkPrecision(options);
  if (await isUnet2dFolder(folder)) return openUnet2dPipeline(folder, options);
  if (await isIfFolder(folder)) return openIfPipeline(folder, options);
  const { batch: _, meter: __, tokenizer, ...session } = options;
  const model = await openModel(folder, tokenizer === undefined ? {} : { tokenizer });
  const { guidance } = parseBy(settingsSchema, model.settings, model.settingsPath);
  const schedule = scheduleFromConfig(model.scheduler, model.schedulerPath);
  refuseLimits(model.scheduler, model.schedulerPath);

  const opened: { close(): Promise<void> }[] = [];
  try {
    const text = await openTextEncoder(model, session);
    opened.push(text);
    const unet = await openUnet(model, session);
    opened.push(unet);
    const vae = openVae(model, session);
    opened.push(vae);
    // Last, since it reads every byte: a damaged file is refused from its header.
    const digest = await modelDigest(model);
    const name = basename(resolve(folder), '.safetensors');
    return createPipeline({ name, digest, guidance, schedule, text, unet, vae }, options);
  } catch (error) {
    await Promise.allSettled(opened.map((network) => network.close()));
    throw error;
  }
}
