import { VerbatimError } from '../errors.ts';
import { type DecodeOptions, guardedDecode, plainJpegWithin } from './decode.ts';
import { decodePlainJpeg } from './jpeg/turbo.ts';
import type { Picture } from './picture.ts';
import { resizePart } from './resize.ts';

/** Plain JPEGs of up to so many pixels are shrunk on this thread: it bounds how long that takes, and its memory. */
const MOST_PIXELS_AT_ONCE = 2 ** 22;

/**
 * A picture decoded straight to `side` × `side` pixels, stretched where it is not square: JPEGs are shrunk while they are
 * decoded (by 2, 4 or 8, to no less than `side`), which takes half to a third of the time, and then resized by Lanczos. Refuses
 * what `decodePicture` refuses.
 *
 * The pixels are not those of `resize` alone: the decoder's shrinking is a box filter before the Lanczos one. They are nearly
 * those of Pillow's `draft` and `resize`. For looking at many pictures, not for values that are compared with those of other programs.
 */
export async function decodeThumbnail(
  bytes: Uint8Array,
  side: number,
  options: DecodeOptions,
): Promise<Picture> {
  requireSize(side);
  const header = plainJpegWithin(bytes, options, MOST_PIXELS_AT_ONCE);
  if (header !== undefined) {
    const { width, height } = header;
    const shrink = ([8, 4, 2] as const).find((by) => by * side <= Math.min(width, height)) ?? 1;
    const picture = decodePlainJpeg(bytes, header, shrink);
    // What was rounded up is not part of the picture.
    const part = { width: width / shrink, height: height / shrink };
    if (picture !== undefined) return resizePart(picture, part, side, side, 'lanczos');
  }
  return guardedDecode(bytes, options, (picture) =>
    picture.resize(side, side, { fit: 'fill', fastShrinkOnLoad: true }),
  );
}

function requireSize(side: number): void {
  if (!Number.isInteger(side) || side < 1)
    throw new VerbatimError(`a thumbnail's side must be a whole number from 1 on, not ${side}`, {
      exitCode: 2,
    });
}
