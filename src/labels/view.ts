import { coverThumbnail, type Picture } from '../images/index.ts';

/** Pixels. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/**
 * A picture as a model of this picture size is taught it: the shorter side (against the size's) resized with
 * Pillow's bicubic filter, then the middle cut out. Held-out pictures, training pictures and a caption's own
 * all go through here before the calibrated rule compares them, so that its threshold and its distances mean
 * the same. A picture of this size is returned as it is.
 */
export function pictureView(picture: Picture, { width, height }: PictureSize): Picture {
  if (picture.width === width && picture.height === height) return picture;
  return coverThumbnail(picture, width, height, 'bicubic');
}
