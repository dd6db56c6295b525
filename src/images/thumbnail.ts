import { type DecodeOptions, guardedDecode } from './decode.ts';
import type { Picture } from './picture.ts';

/**
 * A picture decoded straight to `side` × `side` pixels, stretched where it is not square: large JPEGs are shrunk while
 * they are decoded (by 2, 4 or 8): from 1,024 pixels on in half the time. Small ones cost about a millisecond whatever is
 * done with them. Refuses what `decodePicture` refuses.
 *
 * The pixels are not those of `resize`, nor Pillow's: the decoder's shrinking is a box filter before the Lanczos one.
 * For looking at many pictures, not for values that are compared with those of other programs.
 */
export async function decodeThumbnail(
  bytes: Uint8Array,
  side: number,
  options: DecodeOptions,
): Promise<Picture> {
  return guardedDecode(bytes, options, (picture) =>
    picture.resize(side, side, { fit: 'fill', fastShrinkOnLoad: true }),
  );
}
