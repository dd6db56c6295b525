import sharp, { type Sharp } from 'sharp';
import { messageOf, VerbatimError } from '../errors.ts';
import { type PlainJpeg, readPlainJpeg } from './jpeg/header.ts';
import { decodePlainJpeg } from './jpeg/turbo.ts';
import type { Picture } from './picture.ts';

export interface DecodeOptions {
  /** Names the picture in errors: a file, or a dataset and its row. */
  readonly where: string;
  /** Pictures with more pixels are refused before anything is decoded. Default 100 million. */
  readonly maxPixels?: number;
}

export const DEFAULT_MAX_PIXELS = 100_000_000;

/**
 * A picture from the bytes of a JPEG, PNG, WebP, GIF (first frame), TIFF (first page) or AVIF file: to sRGB by
 * its colour profile, 8 bits, turned upright by its EXIF orientation, transparency laid over white. Vector
 * formats are refused. A file that is cut short or damaged throws a VerbatimError: it is never a
 * half-decoded picture.
 *
 * RGB and grey JPEGs have given Pillow's pixels exactly. Files with a colour profile and CMYK files differ from
 * Pillow's plain `convert('RGB')`, which ignores the profile.
 */
export async function decodePicture(bytes: Uint8Array, options: DecodeOptions): Promise<Picture> {
  const header = plainJpegWithin(bytes, options, MOST_PIXELS_AT_ONCE);
  const picture = header && decodePlainJpeg(bytes, header);
  return picture ?? guardedDecode(bytes, options, (picture) => picture);
}

/**
 * Plain JPEGs of up to so many pixels are decoded at once, on this thread: above it sharp takes no longer, and takes other
 * threads.
 */
const MOST_PIXELS_AT_ONCE = 2 ** 18;

/** The header of a plain JPEG that may be decoded and has no more than `most` pixels. All others are for sharp to judge. */
export function plainJpegWithin(
  bytes: Uint8Array,
  { maxPixels = DEFAULT_MAX_PIXELS }: DecodeOptions,
  most: number,
): PlainJpeg | undefined {
  const header = readPlainJpeg(bytes);
  return header && header.width * header.height <= Math.min(maxPixels, most) ? header : undefined;
}

/** What `decodePicture` does and refuses, with a step of sharp's while the picture is decoded. */
export async function guardedDecode(
  bytes: Uint8Array,
  options: DecodeOptions,
  step: (picture: Sharp) => Sharp,
): Promise<Picture> {
  const { where, maxPixels = DEFAULT_MAX_PIXELS } = options;
  if (bytes.length === 0) throw new VerbatimError(`${where}: the picture is empty (0 bytes).`);
  if (!isKnownRaster(bytes))
    throw new VerbatimError(
      `${where}: not a picture that can be read (JPEG, PNG, WebP, GIF, TIFF or AVIF); convert it or leave it out.`,
    );
  const { data, info } = await decoded(bytes, where, maxPixels, step);
  if (info.channels !== 3)
    throw new VerbatimError(`${where}: the picture decodes to ${info.channels} channels, not to RGB.`);
  return {
    width: info.width,
    height: info.height,
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

async function decoded(bytes: Uint8Array, where: string, maxPixels: number, step: (picture: Sharp) => Sharp) {
  try {
    // The claimed size is judged from the header, before a pixel is allocated.
    const opened = sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error', autoOrient: true });
    return await step(opened)
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
  } catch (cause) {
    throw (
      (await tooLarge(bytes, where, maxPixels)) ??
      new VerbatimError(
        `${where}: the picture is damaged (${messageOf(cause)}); replace it or leave it out.`,
        { cause },
      )
    );
  }
}

/**
 * The error for a picture that claims more pixels than may be. Reading a header takes about as long as decoding a small
 * picture, so it is read only when that has failed.
 */
async function tooLarge(
  bytes: Uint8Array,
  where: string,
  maxPixels: number,
): Promise<VerbatimError | undefined> {
  const header = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch(() => undefined);
  if (!header || header.width * header.height <= maxPixels) return undefined;
  return new VerbatimError(
    `${where}: ${header.width} × ${header.height} pixels exceed the limit of ${maxPixels}; shrink the picture or raise the limit.`,
  );
}

/** By signature, so that no other loader (SVG, PDF, raw …) ever sees bytes from outside. */
function isKnownRaster(bytes: Uint8Array): boolean {
  const head = String.fromCharCode(...bytes.subarray(0, 16));
  return (
    head.startsWith('\xff\xd8\xff') ||
    head.startsWith('\x89PNG\r\n\x1a\n') ||
    head.startsWith('GIF87a') ||
    head.startsWith('GIF89a') ||
    head.startsWith('II*\0') ||
    head.startsWith('MM\0*') ||
    (head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP') ||
    (head.slice(4, 8) === 'ftyp' && /^avi[fs]|^mif1/.test(head.slice(8, 12)))
  );
}
