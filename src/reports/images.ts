import { copyFile, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodePicture, type Mask, type Picture, pictureMask } from '../images/index.ts';
import type { RunFolder } from '../stages/index.ts';
import { atomically, contentPath } from '../tables/index.ts';
import type { Gallery } from './gallery.ts';

/** A picture beside the page. */
export interface CopiedImage {
  /** Relative to the page, forward slashes. */
  readonly path: string;
  readonly width: number;
  readonly height: number;
}

/** Pictures by SHA-256. What could not be copied is absent. */
export type CopiedImages = ReadonlyMap<string, CopiedImage>;

/** Digests of all pictures that the galleries show, each once. */
export function galleryImages(galleries: readonly Gallery[]): string[] {
  const wanted = new Set<string>();
  for (const { captions } of galleries)
    for (const { own, shown, oneStep, samples } of captions)
      for (const image of [
        own?.image,
        shown?.picture?.image,
        oneStep,
        ...samples.map((sample) => sample.image),
      ])
        if (typeof image === 'string') wanted.add(image);
  return [...wanted];
}

/** A digest that is not 64 hex digits is no file name of ours: undefined, as for a file that is missing or damaged. */
export async function readStored(
  folder: RunFolder,
  digest: string | null,
): Promise<{ readonly bytes: Uint8Array; readonly picture: Picture } | undefined> {
  if (digest === null || !isDigest(digest)) return undefined;
  const name = contentPath(digest, 'png');
  try {
    const bytes = await readFile(join(folder.images, name));
    return { bytes, picture: await decodePicture(bytes, { where: `images/${name}` }) };
  } catch {
    return undefined;
  }
}

/**
 * The masks of labels by digest, brought to the size of the generated picture, set where the stored one is white. What
 * cannot be read is absent.
 */
export async function readMasks(
  folder: RunFolder,
  labels: readonly { readonly image: string | null; readonly mask: string | null }[],
): Promise<ReadonlyMap<string, Mask>> {
  const masks = new Map<string, Mask>();
  for (const { image, mask: digest } of labels) {
    if (digest === null || masks.has(digest)) continue;
    const mask = await readStored(folder, digest);
    if (mask === undefined) continue;
    const { width, height } = (await readStored(folder, image))?.picture ?? mask.picture;
    masks.set(digest, resizedMask(pictureMask(mask.picture), width, height));
  }
  return masks;
}

/** A mask of another size: each pixel takes what lies at its middle. */
export function resizedMask(mask: Mask, width: number, height: number): Mask {
  if (mask.width === width && mask.height === height) return mask;
  const data = Uint8Array.from({ length: width * height }, (_, pixel) => {
    const x = Math.floor((((pixel % width) + 0.5) / width) * mask.width);
    const y = Math.floor(((Math.floor(pixel / width) + 0.5) / height) * mask.height);
    return mask.data[y * mask.width + x]!;
  });
  return { width, height, data };
}

function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/**
 * Copies pictures from the run's images/ to the report's own, under the same content-addressed names, so
 * that the report folder can be moved or sent alone. A digest that is not 64 hex digits is no file name of
 * ours and is left out, as is a file that is missing or no PNG.
 */
export async function copyImages(folder: RunFolder, digests: readonly string[]): Promise<CopiedImages> {
  const copied = new Map<string, CopiedImage>();
  for (const digest of digests) {
    if (!isDigest(digest)) continue;
    const name = contentPath(digest, 'png');
    const source = join(folder.images, name);
    const size = pngSize(await readFile(source).catch(() => undefined));
    if (size === undefined) continue;
    const target = join(folder.report, 'images', name);
    if (!(await stat(target).catch(() => undefined)))
      await atomically(target, (temporary) => copyFile(source, temporary));
    copied.set(digest, { path: `images/${name}`, ...size });
  }
  return copied;
}

/** Width and height from a PNG's header (its first chunk, IHDR); undefined when it is none. */
function pngSize(bytes: Buffer | undefined): { width: number; height: number } | undefined {
  if (bytes === undefined || bytes.length < 24) return undefined;
  if (bytes.readUInt32BE(0) !== 0x89504e47 || bytes.toString('latin1', 12, 16) !== 'IHDR') return undefined;
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}
