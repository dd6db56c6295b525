import { narrowByVectors } from './narrow.ts';
import type { Picture } from './picture.ts';
import { PRECISION_BITS, type ResizeFilter, ROUNDING, type Weights, weightsFor } from './resize.ts';

/** Rows that are reduced together: a weight is read once for all of them. */
const together = 4;

/**
 * `image.convert('L').resize((width, height), filter)` as Pillow gives it, [height, width] levels: the same values as
 * `resize` of the grey picture, in a third of the work, and without a grey picture of full size in between.
 */
export function resizeGrey(
  picture: Picture,
  width: number,
  height: number,
  filter: Exclude<ResizeFilter, 'nearest'>,
): Uint8Array {
  const across = width === picture.width ? undefined : weightsFor(filter, picture.width, width);
  const rows =
    (across && narrowByVectors(picture.data, picture.width, picture.height, across)) ??
    narrowRows(picture, width, across);
  if (height === picture.height) return rows;
  return shortenColumns(rows, width, weightsFor(filter, picture.height, height));
}

/** The grey rows at their target width, [picture.height, width], for processors without vectors: five times slower. */
export function narrowRows(picture: Picture, width: number, across: Weights | undefined): Uint8Array {
  const { height } = picture;
  const levels = new Uint8Array(together * picture.width);
  const out = new Uint8ClampedArray(width * Math.ceil(height / together) * together);
  for (let y = 0; y < height; y += together) {
    const rows = Math.min(together, height - y);
    greyLevels(picture.data, y * picture.width, rows * picture.width, levels);
    if (across) reduceFour(levels, picture.width, across, out, y * width);
    else out.set(levels, y * width);
  }
  return new Uint8Array(out.buffer, 0, width * height);
}

/** Pillow's `convert('L')` of `count` pixels: ITU-R 601 luma in 16 bits of fraction, rounded (Pillow's Convert.c). */
function greyLevels(data: Uint8Array, first: number, count: number, levels: Uint8Array): void {
  for (let i = 0, at = 3 * first; i < count; i++, at += 3)
    levels[i] = (data[at]! * 19595 + data[at + 1]! * 38470 + data[at + 2]! * 7471 + 0x8000) >> 16;
}

/** Four rows of `stride` levels to four of `across.size`; see `resize` for the arithmetic. */
function reduceFour(
  levels: Uint8Array,
  stride: number,
  across: Weights,
  out: Uint8ClampedArray,
  start: number,
): void {
  const { size, first, count, values, taps } = across;
  for (let x = 0; x < size; x++) {
    let [a, b, c, d] = [ROUNDING, ROUNDING, ROUNDING, ROUNDING];
    let at = first[x]!;
    const end = x * taps + count[x]!;
    for (let tap = x * taps; tap < end; tap++, at++) {
      const weight = values[tap]!;
      a = (a + Math.imul(levels[at]!, weight)) | 0;
      b = (b + Math.imul(levels[at + stride]!, weight)) | 0;
      c = (c + Math.imul(levels[at + 2 * stride]!, weight)) | 0;
      d = (d + Math.imul(levels[at + 3 * stride]!, weight)) | 0;
    }
    out[start + x] = a >> PRECISION_BITS;
    out[start + size + x] = b >> PRECISION_BITS;
    out[start + 2 * size + x] = c >> PRECISION_BITS;
    out[start + 3 * size + x] = d >> PRECISION_BITS;
  }
}

function shortenColumns(rows: Uint8Array, width: number, down: Weights): Uint8Array {
  const { size, first, count, values, taps } = down;
  const out = new Uint8ClampedArray(width * size);
  const sums = new Int32Array(width);
  for (let y = 0; y < size; y++) {
    sums.fill(ROUNDING);
    for (let tap = 0; tap < count[y]!; tap++) {
      const weight = values[y * taps + tap]!;
      const row = (first[y]! + tap) * width;
      for (let x = 0; x < width; x++) sums[x] = sums[x]! + Math.imul(rows[row + x]!, weight);
    }
    for (let x = 0; x < width; x++) out[y * width + x] = sums[x]! >> PRECISION_BITS;
  }
  return new Uint8Array(out.buffer);
}
