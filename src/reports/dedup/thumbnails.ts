import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { decodePicture, encodeJpeg, encodePng, type Picture, resize } from '../../images/index.ts';
import { errorText, type RunFolder } from '../../stages/index.ts';
import { contentPath, putFile } from '../../tables/index.ts';
import type { CopiedImage } from '../images.ts';
import type { DedupPageData, ReportedDataset } from './data.ts';

/** A small copy of a picture beside the page, or why there is none. */
export type Thumbnail =
  | {
      readonly image: CopiedImage;
      /** Of the picture itself. */
      readonly width: number;
      readonly height: number;
    }
  | { readonly error: string };

export interface Thumbnails {
  /** By position in the dataset. */
  readonly pictures: ReadonlyMap<number, Thumbnail>;
  /** Masks of families by digest; what cannot be read is absent. */
  readonly masks: ReadonlyMap<string, CopiedImage>;
}

/** The longer side of a thumbnail, pixels. */
const longestSide = 160;
/** Up to this side a picture stays as it is, without loss: JPEG spoils what is small. */
const losslessSide = 64;

/** Writes what the page shows into report/images, under names by content; one picture is in memory at a time. */
export async function writeThumbnails(
  folder: RunFolder,
  dataset: ReportedDataset,
  data: Pick<DedupPageData, 'groups' | 'wholes' | 'families'>,
  signal?: AbortSignal,
): Promise<Thumbnails> {
  const root = join(folder.report, 'images');
  const pictures = new Map<number, Thumbnail>();
  for (const index of dataset.hasPictures ? wantedPictures(data) : []) {
    signal?.throwIfAborted();
    let picture: Picture;
    try {
      picture = await dataset.picture(index);
    } catch (error) {
      signal?.throwIfAborted();
      pictures.set(index, { error: errorText(error) });
      continue;
    }
    const { width, height } = picture;
    pictures.set(index, { image: await putThumbnail(root, picture), width, height });
  }
  const masks = new Map<string, CopiedImage>();
  for (const { mask } of data.families) {
    if (masks.has(mask) || !/^[0-9a-f]{64}$/.test(mask)) continue;
    const name = contentPath(mask, 'png');
    const picture = await readFile(join(folder.images, name))
      .then((bytes) => decodePicture(bytes, { where: `images/${name}` }))
      .catch(ignoreUnreadable);
    if (picture !== undefined) masks.set(mask, await putThumbnail(root, picture, true));
  }
  return { pictures, masks };
}

/** Positions in the dataset, each once. */
function wantedPictures({ groups, wholes, families }: Pick<DedupPageData, 'groups' | 'wholes' | 'families'>) {
  const shown = [
    ...groups.flatMap((group) => group.shown),
    ...wholes.flatMap((whole) => [whole, ...whole.parts]),
    ...families.flatMap(({ variants }) => variants),
  ];
  return new Set(shown.map(({ dataset_index }) => dataset_index));
}

async function putThumbnail(root: string, picture: Picture, lossless = false): Promise<CopiedImage> {
  const small = shrunk(picture);
  const { width, height } = small;
  const png = lossless || Math.max(width, height) <= losslessSide;
  const bytes = png ? await encodePng(small) : await encodeJpeg(small, 82);
  const extension = png ? 'png' : 'jpg';
  const digest = await putFile(root, bytes, extension);
  return { path: `images/${contentPath(digest, extension)}`, width, height };
}

/** The picture itself, or one whose longer side has `longestSide` pixels. */
export function shrunk(picture: Picture): Picture {
  const scale = longestSide / Math.max(picture.width, picture.height);
  if (scale >= 1) return picture;
  const side = (length: number) => Math.max(1, Math.round(length * scale));
  return resize(picture, side(picture.width), side(picture.height), 'bicubic');
}

function ignoreUnreadable(error: NodeJS.ErrnoException): undefined {
  if (error instanceof VerbatimError || error.code === 'ENOENT') return undefined;
  throw error;
}

/** Removes thumbnails of an older page: what has left the dataset must not stay beside the report. */
export async function removeOldThumbnails(folder: RunFolder, { pictures, masks }: Thumbnails): Promise<void> {
  const used = new Set([
    ...[...pictures.values()].flatMap((one) => ('image' in one ? [one.image.path] : [])),
    ...[...masks.values()].map(({ path }) => path),
  ]);
  const root = join(folder.report, 'images');
  for (const part of await readdir(root).catch(() => [])) {
    if (!/^[0-9a-f]{2}$/.test(part)) continue;
    for (const name of await readdir(join(root, part)).catch(() => []))
      if (/^[0-9a-f]{64}\.(png|jpg)$/.test(name) && !used.has(`images/${part}/${name}`))
        await rm(join(root, part, name), { force: true });
  }
}
