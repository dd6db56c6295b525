import { z } from 'zod';
import { openDataset } from '../datasets/index.ts';
import { VerbatimError } from '../errors.ts';
import { coverThumbnail } from '../images/index.ts';
import { createMeter } from '../runtime/index.ts';
import type { GeneratorSource } from './source.ts';
import { type MadePicture, notReproducible } from './types.ts';

const positive = z.int().positive();

const schema = z.strictObject({
  kind: z.literal('folder'),
  path: z.string().min(1).describe('The folder with the pictures.'),
  captionColumn: z
    .string()
    .optional()
    .describe('The column of the metadata file with the prompts. Default: text, caption or prompt.'),
  width: positive
    .max(8192)
    .default(512)
    .describe('Pixels; pictures are cut and scaled to it before they are compared.'),
  height: positive.max(8192).default(512),
});

/** '… seed 12', '…_s12', '…#12' or '… (2)' at the end of a prompt taken from a file's name. */
const numbered =
  /(?:[ ,]+seed[ =]*(\d{1,15})|[ ]+s(\d{1,15})|#(\d{1,15})|[ ]+\((\d{1,15})\)|[ ]+(\d{1,15}))$/i;

/**
 * Pictures that were made by hand, in a service without an interface for programs: an image folder whose metadata file
 * (metadata.csv, .jsonl or .parquet with file_name and prompt) or file names say what was asked for. The sample of a caption
 * is its picture number j, by seed where names give one, else in the order of the folder.
 */
export const folder: GeneratorSource<typeof schema> = {
  kind: 'folder',
  schema,
  async open({ kind, path, captionColumn, width, height }) {
    const dataset = await openDataset({
      format: 'image-folder',
      path,
      ...(captionColumn !== undefined && { captionColumn }),
    });
    const byCaption = new Map<string, { readonly index: number; readonly seed: number }[]>();
    const add = (caption: string, index: number, seed: number) => {
      const key = wordsOf(caption);
      const own = byCaption.get(key);
      if (own === undefined) byCaption.set(key, [{ index, seed }]);
      else own.push({ index, seed });
    };
    for await (const { index, caption } of dataset.rows()) {
      const match = numbered.exec(caption);
      const seed = match?.slice(1).find((text) => text !== undefined);
      add(caption, index, index);
      // A prompt may end in a number of its own, so both readings stand.
      if (match !== null && seed !== undefined) add(caption.slice(0, match.index), index, Number(seed));
    }
    for (const own of byCaption.values()) own.sort((a, b) => a.seed - b.seed || a.index - b.index);
    const meter = createMeter();
    return {
      kind,
      name: dataset.name,
      digest: dataset.digest,
      capabilities: {
        seeds: false,
        steps: false,
        guidance: false,
        sampler: false,
        oneStep: false,
        batch: 1,
      },
      guidance: 1,
      pictureSize: [height, width],
      noise: notReproducible,
      together: undefined,
      has: (caption) => byCaption.has(wordsOf(caption)),
      meter,
      async pictures(tasks, { firstSeed }, signal) {
        const made: MadePicture[] = [];
        for (const { caption, seed } of tasks) {
          signal?.throwIfAborted();
          const found = byCaption.get(wordsOf(caption)) ?? [];
          const one = found[seed - firstSeed];
          const error = new VerbatimError(
            found.length === 0
              ? 'the folder has no picture of this caption'
              : `the folder has only ${found.length} pictures of this caption`,
          );
          made.push({
            picture: one === undefined ? error : await read(one.index).catch(asError),
            evaluations: 0,
          });
        }
        return made;
      },
      close: () => dataset.close(),
    };

    async function read(index: number) {
      const picture = await dataset.picture(index);
      return picture.width === width && picture.height === height
        ? picture
        : coverThumbnail(picture, width, height);
    }
  },
};

function asError(error: unknown): VerbatimError {
  if (error instanceof VerbatimError) return error;
  throw error;
}

/** File names keep no punctuation, no case and no line ends: prompts are compared by their letters and digits. */
function wordsOf(caption: string): string {
  return caption
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}
