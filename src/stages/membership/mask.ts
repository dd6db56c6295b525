import { readFile } from 'node:fs/promises';
import { VerbatimError } from '../../errors.ts';
import {
  decodePicture,
  type Mask,
  maskShare,
  type Picture,
  pictureMask,
  resize,
} from '../../images/index.ts';
import { floatTensor, type Tensor } from '../../math/index.ts';
import { sha256 } from '../../tables/index.ts';

/** Regions by name, as shares of width and height: x, y, width, height. */
const named: Readonly<Record<string, readonly [number, number, number, number]>> = {
  'left-half': [0, 0, 0.5, 1],
  'right-half': [0.5, 0, 0.5, 1],
  'top-half': [0, 0, 1, 0.5],
  'bottom-half': [0, 0.5, 1, 0.5],
  centre: [0.25, 0.25, 0.5, 0.5],
};

/**
 * The region that is completed, set in a mask of the model's picture size: a name, shares of the picture `x,y,w,h`, or a PNG whose
 * white is completed, resized to fit.
 *
 * @throws VerbatimError (exit code 2) for what is none of these, and for a region that is empty or everything
 */
export async function readMask(
  text: string,
  [height, width]: readonly [number, number],
): Promise<{ readonly mask: Mask; readonly maskName: string }> {
  const byWords = Object.hasOwn(named, text) || /^[\d.\s,]+$/.test(text);
  const mask = Object.hasOwn(named, text)
    ? rectangle(named[text]!, width, height)
    : byWords
      ? rectangle(sharesOf(text), width, height)
      : await pictured(text, width, height);
  const share = maskShare(mask);
  if (share === 0 || share === 1)
    throw new VerbatimError(
      `--mask ${text}: covers ${share === 0 ? 'no pixel' : 'the whole picture'} at ${width}×${height}; mask a part of it`,
      { exitCode: 2 },
    );
  // A path says nothing of what it covers.
  return { mask, maskName: byWords ? text : `picture ${sha256(mask.data)}` };
}

function sharesOf(text: string): [number, number, number, number] {
  const shares = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  const [x, y, w, h] = shares as [number, number, number, number];
  const inside = shares.every((share) => share >= 0 && share <= 1) && x + w <= 1 + 1e-9 && y + h <= 1 + 1e-9;
  if (shares.length !== 4 || !inside)
    throw new VerbatimError(
      `--mask ${text}: expected x,y,w,h as shares of the picture from 0 to 1, as in 0,0,.5,1 (its left half)`,
      { exitCode: 2 },
    );
  return [x, y, w, h];
}

/** Pixels whose middle lies in the region. */
function rectangle(
  [x, y, w, h]: readonly [number, number, number, number],
  width: number,
  height: number,
): Mask {
  const inside = (at: number, from: number, length: number) => at >= from && at < from + length;
  return {
    width,
    height,
    data: Uint8Array.from({ length: width * height }, (_, i) => {
      const column = ((i % width) + 0.5) / width;
      const row = (Math.floor(i / width) + 0.5) / height;
      return inside(column, x, w) && inside(row, y, h) ? 1 : 0;
    }),
  };
}

async function pictured(path: string, width: number, height: number): Promise<Mask> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new VerbatimError(
      `--mask ${path}: neither a file nor one of ${Object.keys(named).join(', ')}, nor shares x,y,w,h`,
      { exitCode: 2, cause },
    );
  });
  return pictureMask(
    resize(await decodePicture(bytes, { where: `--mask ${path}` }), width, height, 'bicubic'),
  );
}

/** The picture with its masked region in the mean colour of the rest: what anybody could guess. */
export function filled({ width, height, data }: Picture, mask: Mask): Picture {
  const sums = [0, 0, 0];
  let known = 0;
  mask.data.forEach((set, pixel) => {
    if (set !== 0) return;
    known++;
    for (let c = 0; c < 3; c++) sums[c]! += data[3 * pixel + c]!;
  });
  const colour = sums.map((sum) => Math.round(sum / known));
  return {
    width,
    height,
    data: data.map((value, i) => (mask.data[Math.floor(i / 3)] === 0 ? value : colour[i % 3]!)),
  };
}

/**
 * The mask as samplers take it, [1, c, h, w] of 1 and 0. A cell of a latent is to be made where any pixel of it is masked, so that
 * nothing of the region is given away.
 */
export function maskTensor(
  { width, height, data }: Mask,
  [channels, rows, columns]: readonly [number, number, number],
): Tensor<'float32'> {
  const plane = new Float32Array(rows * columns);
  for (let pixel = 0; pixel < data.length; pixel++) {
    if (data[pixel] === 0) continue;
    const row = Math.floor((Math.floor(pixel / width) * rows) / height);
    const column = Math.floor(((pixel % width) * columns) / width);
    plane[row * columns + column] = 1;
  }
  const out = floatTensor([1, channels, rows, columns]);
  for (let c = 0; c < channels; c++) out.data.set(plane, c * plane.length);
  return out;
}
