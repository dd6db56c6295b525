import type { Picture } from './picture.ts';

/** Which pixels count: one byte for each, row-major, 1 or 0. */
export interface Mask {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A mask to look at, or to store: white where it is set, black elsewhere. */
export function maskPicture({ width, height, data: set }: Mask): Picture {
  const data = new Uint8Array(width * height * 3);
  set.forEach((value, pixel) => {
    if (value !== 0) data.fill(255, pixel * 3, pixel * 3 + 3);
  });
  return { width, height, data };
}

/** The mask that a picture of one shows: set where red is 128 or more. */
export function pictureMask({ width, height, data }: Picture): Mask {
  return {
    width,
    height,
    data: Uint8Array.from({ length: width * height }, (_, pixel) => (data[3 * pixel]! >= 128 ? 1 : 0)),
  };
}

/** The share of pixels that are set. */
export function maskShare(mask: Mask): number {
  let set = 0;
  for (const value of mask.data) set += value;
  return set / mask.data.length;
}

/**
 * Keeps a pixel where the whole size × size window around it is set. Outside the picture nothing is set, so
 * the border erodes. As scipy's `binary_erosion(mask, ones((size, size)))`: the window of an even size
 * reaches one pixel further to the left and above.
 */
export function erode(mask: Mask, size: number): Mask {
  checkSize(size);
  const before = Math.floor(size / 2);
  return morph(mask, before, size - 1 - before, size);
}

/**
 * Sets a pixel where any of the size × size window around it is set. As scipy's
 * `binary_dilation(mask, ones((size, size)))`: the window is mirrored, so an even size reaches one pixel
 * further to the right and below.
 */
export function dilate(mask: Mask, size: number): Mask {
  checkSize(size);
  const after = Math.floor(size / 2);
  return morph(mask, size - 1 - after, after, 1);
}

function checkSize(size: number): void {
  if (!Number.isInteger(size) || size < 1)
    throw new RangeError(`A window's size must be a positive integer; got ${size}.`);
}

/** Both axes one after the other: set where at least `needed` of [i − before, i + after] are set. */
function morph(mask: Mask, before: number, after: number, needed: number): Mask {
  const { width, height } = mask;
  const rows = new Uint8Array(mask.data.length);
  for (let y = 0; y < height; y++) slide(mask.data, rows, y * width, 1, width, before, after, needed);
  const data = new Uint8Array(mask.data.length);
  for (let x = 0; x < width; x++) slide(rows, data, x, width, height, before, after, needed);
  return { width, height, data };
}

/** One line of `length` values from `start` in steps of `stride`, with a running count. */
function slide(
  source: Uint8Array,
  target: Uint8Array,
  start: number,
  stride: number,
  length: number,
  before: number,
  after: number,
  needed: number,
): void {
  let count = 0;
  for (let i = 0; i < Math.min(after, length); i++) count += source[start + i * stride]!;
  for (let i = 0; i < length; i++) {
    if (i + after < length) count += source[start + (i + after) * stride]!;
    target[start + i * stride] = count >= needed ? 1 : 0;
    if (i - before >= 0) count -= source[start + (i - before) * stride]!;
  }
}
