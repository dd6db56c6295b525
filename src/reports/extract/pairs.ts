import { join } from 'node:path';
import { encodePng, type Picture } from '../../images/index.ts';
import type { ExtractedRow, RunFolder } from '../../stages/index.ts';
import { contentPath, putFile } from '../../tables/index.ts';
import { type CopiedImage, copyImages, readStored } from '../images.ts';

/** Extracted images that the page shows; all stand in the table of the folder. */
export const mostShown = 200;
/** Differences are drawn so many times as large as they are: what is alike would be black. */
export const amplified = 4;

/** What is shown of a row; what cannot be read is absent. */
export interface Pair {
  readonly generated: CopiedImage | undefined;
  readonly training: CopiedImage | undefined;
  readonly difference: CopiedImage | undefined;
}

/** Copies the pictures of the rows beside the page, and draws their differences. By rank. */
export async function writePairs(
  folder: RunFolder,
  rows: readonly ExtractedRow[],
): Promise<ReadonlyMap<number, Pair>> {
  const copied = await copyImages(
    folder,
    rows.flatMap(({ image, training_image }) => [image, training_image]),
  );
  const pairs = new Map<number, Pair>();
  for (const { rank, image, training_image } of rows) {
    const [a, b] = [await readStored(folder, image), await readStored(folder, training_image)];
    pairs.set(rank, {
      generated: copied.get(image),
      training: copied.get(training_image),
      difference: a && b && (await writeDifference(folder, a.picture, b.picture)),
    });
  }
  return pairs;
}

async function writeDifference(folder: RunFolder, a: Picture, b: Picture): Promise<CopiedImage | undefined> {
  const { width, height } = a;
  if (b.width !== width || b.height !== height) return undefined;
  const data = a.data.map((value, i) => Math.min(255, amplified * Math.abs(value - b.data[i]!)));
  const digest = await putFile(
    join(folder.report, 'images'),
    await encodePng({ width, height, data }),
    'png',
  );
  return { path: `images/${contentPath(digest, 'png')}`, width, height };
}
