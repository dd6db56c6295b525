import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { VerbatimError } from '../errors.ts';
import { mapTensor } from '../math/index.ts';
import {
  modelDigest,
  openUnet2d,
  openUnet2dFolder,
  openVq,
  refuseTokenizer,
  type Unet2dFolder,
} from '../models/index.ts';
import type { SessionOptions } from '../runtime/index.ts';
import { parseBy } from '../tables/index.ts';
import { classLabels, noCondition } from './class-labels.ts';
import { type Codec, checkVariance, joinPipeline, pictureCodec } from './join-pipeline.ts';
import { limitFromConfig } from './limit.ts';
import type { PipelineOptions } from './pipeline.ts';
import type { Pipeline } from './pipeline.types.ts';
import { scheduleFromConfig } from './schedule.ts';

const settingsSchema = z.looseObject({
  guidance: z.number().min(0).max(100).default(1),
  classes: z.array(z.string().min(1)).default([]),
  unconditionalClass: z.int().min(0).optional(),
});

/**
 * Opens a folder of diffusers' DDPMPipeline, DDIMPipeline (pictures) or LDMPipeline (latents of a VQModel):
 * unconditional, or with class labels as captions. verbatim.json may give `guidance` (1 without it), `classes`
 * (names by label) and `unconditionalClass`. Throws a VerbatimError that names the file and the key when
 * something is missing or not supported; nothing stays open then.
 */
export async function openUnet2dPipeline(path: string, options: PipelineOptions = {}): Promise<Pipeline> {
  const { batch: _, meter: __, tokenizer, ...session } = options;
  refuseTokenizer(path, tokenizer);
  const folder = await openUnet2dFolder(path);
  const name = basename(resolve(path));
  const where = join(path, 'scheduler', 'scheduler_config.json');
  const schedule = scheduleFromConfig(folder.scheduler, where);
  const limit = limitFromConfig(folder.scheduler, where);
  checkVariance(folder.unet.config, folder.scheduler, where);
  const { settings, encodeText, conditions } = readConditions(folder, name);

  const unet = await openUnet2d(folder, session);
  try {
    const codec = folder.vq
      ? latentCodec({ ...folder, vq: folder.vq }, session)
      : pictureCodec(unet.sampleShape);
    const close = async () => {
      await Promise.all([unet.close(), codec.close()]);
    };
    // Last, since it reads every byte: a damaged file is refused from its header.
    const digest = await modelDigest(path);
    const { guidance } = settings;
    return joinPipeline(
      { name, digest, guidance, conditions, codec, unet, schedule, limit, encodeText, close },
      options,
    );
  } catch (error) {
    // The codec opens nothing before it is used.
    await unet.close();
    throw error;
  }
}

/** What the model is conditioned on, of how many classes, and what verbatim.json says of it. */
export function readConditions(folder: Unet2dFolder, name: string) {
  const file = join(folder.path, 'verbatim.json');
  const settings = parseBy(settingsSchema, folder.settings, file);
  const { num_class_embeds: rows, class_embed_type: kind } = folder.unet.config;
  if (kind === null && rows === null) {
    if (settings.guidance !== 1)
      throw new VerbatimError(`${file}: "guidance" must be 1: the model is unconditional.`);
    const encodeText: Pipeline['encodeText'] = async (captions) => noCondition(name, captions);
    return { settings, count: 0, encodeText, conditions: 'none' as const };
  }
  const count = kind === null && rows !== null ? rows : undefined;
  const { classes: names, unconditionalClass: unconditional } = settings;
  if (count !== undefined && (unconditional ?? 0) >= count)
    throw new VerbatimError(
      `${file}: "unconditionalClass" is ${unconditional}; the last label is ${count - 1}.`,
    );
  if (count !== undefined && names.length > count)
    throw new VerbatimError(`${file}: "classes" has ${names.length} names for ${count} labels.`);
  if (settings.guidance !== 1 && unconditional === undefined)
    throw new VerbatimError(`${file}: "guidance" other than 1 needs an "unconditionalClass".`);
  const encodeText: Pipeline['encodeText'] = async (captions) =>
    classLabels({ name, count, names, unconditional }, captions);
  return { settings, count, encodeText, conditions: 'classes' as const };
}

function latentCodec(folder: Parameters<typeof openVq>[0], session: SessionOptions): Codec {
  const vq = openVq(folder, session);
  const scale = vq.config.scaling_factor;
  return {
    pictureSize: vq.pictureSize,
    encode: async (pictures) => mapTensor(await vq.encode(pictures), (value) => value * scale),
    decode: (latents) => vq.decode(mapTensor(latents, (value) => value / scale)),
    close: () => vq.close(),
  };
}
