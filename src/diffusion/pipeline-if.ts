import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { modelDigest, openIfFolder, openIfText, openIfUnet, refuseTokenizer } from '../models/index.ts';
import { parseBy } from '../tables/index.ts';
import { checkVariance, joinPipeline, pictureCodec } from './join-pipeline.ts';
import { limitFromConfig } from './limit.ts';
import type { PipelineOptions } from './pipeline.ts';
import type { Pipeline } from './pipeline.types.ts';
import { scheduleFromConfig } from './schedule.ts';

/** IFPipeline's own scale where verbatim.json gives none. */
const settingsSchema = z.looseObject({ guidance: z.number().min(0).max(100).default(7) });

/**
 * Opens a folder of diffusers' IFPipeline, DeepFloyd IF's first stage, which works on pictures of 64×64 pixels. The empty
 * caption is the unconditional one. Of a learned variance nothing is used. Throws a VerbatimError that names the file and the
 * key when something is missing or not supported; nothing stays open then.
 */
export async function openIfPipeline(path: string, options: PipelineOptions = {}): Promise<Pipeline> {
  const { batch: _, meter: __, tokenizer, ...session } = options;
  refuseTokenizer(path, tokenizer);
  const folder = await openIfFolder(path);
  const { guidance } = parseBy(settingsSchema, folder.settings, join(path, 'verbatim.json'));
  const where = join(path, 'scheduler', 'scheduler_config.json');
  const schedule = scheduleFromConfig(folder.scheduler, where);
  const limit = limitFromConfig(folder.scheduler, where);
  checkVariance(folder.unet.config, folder.scheduler, where);

  const opened: { close(): Promise<void> }[] = [];
  const close = async () => {
    await Promise.all(opened.map((network) => network.close()));
  };
  try {
    const text = await openIfText(folder, session);
    opened.push(text);
    const unet = await openIfUnet(folder, session);
    opened.push(unet);
    return joinPipeline(
      {
        name: basename(resolve(path)),
        // Last, since it reads every byte: a damaged file is refused from its header.
        digest: await modelDigest(path),
        guidance,
        conditions: 'captions',
        codec: pictureCodec(unet.sampleShape),
        unet,
        schedule,
        limit,
        encodeText: text.encode,
        close,
      },
      options,
    );
  } catch (error) {
    await Promise.allSettled(opened.map((network) => network.close()));
    throw error;
  }
}
