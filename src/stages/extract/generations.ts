import type { Dataset } from '../../datasets/index.ts';
import { messageOf, VerbatimError } from '../../errors.ts';
import { isPicture } from '../../images/index.ts';
import { errorText, rethrowFatal, runStage } from '../stage.ts';
import { type ExtractGenerationRow, extractGenerationColumns } from './columns.ts';
import { picturesPath, pixelsOf, valuesOf, writePictures } from './pictures.ts';
import type { ExtractInput, GeneratedItem, PictureMaker } from './types.ts';

/** Stretches of generated pictures that are stored together. */
export function generationShards({ samples, shardSize }: ExtractInput['config']) {
  return Array.from({ length: Math.ceil(samples / shardSize) }, (_, i) => ({
    from: i * shardSize,
    to: Math.min(samples, (i + 1) * shardSize),
  }));
}

/**
 * Makes the pictures: tables/generations, and the pixels as they are compared in one NumPy file per shard: 3 KB for a
 * picture of 32×32, where a million PNG files would take a million inodes. A larger picture is kept at the size of the comparison;
 * its seed makes it again.
 *
 * @throws VerbatimError when a shard has nothing but failures: the model is at fault, not a picture
 */
export async function runExtractGenerations(input: ExtractInput): Promise<void> {
  const { maker, folder, size, config, signal, onProgress } = input;
  await runStage({
    folder,
    name: 'generations',
    columns: extractGenerationColumns,
    shards: generationShards(config),
    items: ({ from, to }) => to - from,
    meter: maker.meter,
    signal,
    onProgress,
    process: async ({ from, to }, { index, advance }) => {
      const rows: ExtractGenerationRow[] = [];
      const pictures: Uint8Array[] = [];
      for (let at = from; at < to; at += maker.batch) {
        signal?.throwIfAborted();
        const made = await maker.make(at, Math.min(to, at + maker.batch), signal);
        for (const [i, { picture, ...one }] of made.entries()) {
          const row = { generation: at + i, ...one };
          if (isPicture(picture)) {
            const { data, pixels } = pixelsOf(picture, size);
            rows.push({ ...row, row: pictures.length, pixels, error: null });
            pictures.push(data);
          } else rows.push({ ...row, row: null, pixels: null, error: errorText(picture) });
        }
        advance(made.length);
      }
      if (pictures.length === 0 && maker.count === undefined)
        throw new VerbatimError(
          `${maker.name} made none of ${rows.length} pictures (the first: ${rows[0]!.error})`,
        );
      await writePictures(picturesPath(folder, 'generated', index), pictures, valuesOf(size));
      return rows;
    },
  });
}

/**
 * A folder of generated pictures, or any dataset of them, in its order.
 *
 * @throws VerbatimError when it has no pictures, or the first ones cannot be read: their size is what is compared at
 */
export async function makerOfPictures(dataset: Dataset): Promise<PictureMaker> {
  if (dataset.size === 0)
    throw new VerbatimError(`--pictures: ${dataset.name} holds no pictures`, { exitCode: 2 });
  return {
    name: dataset.name,
    digest: dataset.digest,
    reproducible: false,
    count: dataset.size,
    size: await firstSize(dataset),
    batch: 64,
    meter: { evaluations: 0 },
    async make(from, to, signal) {
      const made: GeneratedItem[] = [];
      for await (const { index, key, error } of dataset.rows(from, to)) {
        signal?.throwIfAborted();
        const row = { seed: null, key, evaluations: 0 };
        const picture =
          error === undefined
            ? await dataset.picture(index).catch((caught: unknown) => {
                rethrowFatal(caught, signal);
                return new VerbatimError(errorText(caught));
              })
            : new VerbatimError(error);
        made.push({ ...row, picture });
      }
      return made;
    },
  };
}

async function firstSize(dataset: Dataset) {
  let first: unknown;
  for (let index = 0; index < dataset.size; index++)
    try {
      const { width, height } = await dataset.picture(index);
      return { width, height };
    } catch (error) {
      first ??= error;
    }
  throw new VerbatimError(
    `--pictures: none of the ${dataset.size} pictures of ${dataset.name} can be read (the first: ${messageOf(first)})`,
    { exitCode: 2 },
  );
}
