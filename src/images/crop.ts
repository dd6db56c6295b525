import { VerbatimError } from '../errors.ts';
import type { Picture } from './picture.ts';
import { type ResizeFilter, resize } from './resize.ts';

/** A copy of the rectangle that starts at (x, y), in pixels; it must lie inside the picture. */
export function crop(picture: Picture, x: number, y: number, width: number, height: number): Picture {
  const inside =
    [x, y, width, height].every(Number.isInteger) &&
    x >= 0 &&
    y >= 0 &&
    width > 0 &&
    height > 0 &&
    x + width <= picture.width &&
    y + height <= picture.height;
  if (!inside)
    throw new VerbatimError(
      `crop: ${width} × ${height} at (${x}, ${y}) does not lie inside a picture of ${picture.width} × ${picture.height}.`,
    );
  const data = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const start = ((y + row) * picture.width + x) * 3;
    data.set(picture.data.subarray(start, start + width * 3), row * width * 3);
  }
  return { width, height, data };
}

/** The middle of the picture; where the margins are odd, the smaller one is left and above. */
export function centreCrop(picture: Picture, width: number, height: number): Picture {
  const x = Math.floor((picture.width - width) / 2);
  const y = Math.floor((picture.height - height) / 2);
  return crop(picture, x, y, width, height);
}

/**
 * A picture of the size that is asked for: resized until it just covers it (the side that sticks out rounded
 * down, as torchvision does), then the middle cut out.
 */
export function coverThumbnail(
  picture: Picture,
  width: number,
  height: number,
  filter: ResizeFilter = 'bicubic',
): Picture {
  const resized =
    width * picture.height > height * picture.width
      ? resize(picture, width, Math.floor((width * picture.height) / picture.width), filter)
      : resize(picture, Math.floor((height * picture.width) / picture.height), height, filter);
  return centreCrop(resized, width, height);
}

/** A square of `size` pixels: the shorter side resized to `size`, then the middle cut out. */
export function squareThumbnail(picture: Picture, size: number, filter: ResizeFilter = 'bicubic'): Picture {
  return coverThumbnail(picture, size, size, filter);
}
