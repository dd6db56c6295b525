import { VerbatimError } from '../errors.ts';
import type { Picture } from './picture.ts';

export type ResizeFilter = 'nearest' | 'box' | 'bilinear' | 'hamming' | 'bicubic' | 'lanczos';

/** The filter's half width in source pixels at scale 1, and its value at x. */
interface Kernel {
  readonly support: number;
  value(x: number): number;
}

const KERNELS: Record<Exclude<ResizeFilter, 'nearest'>, Kernel> = {
  box: { support: 0.5, value: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, value: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    value: (x) => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x))),
  },
  bicubic: { support: 2, value: (x) => cubic(Math.abs(x), -0.5) },
  lanczos: { support: 3, value: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** Keys' cubic convolution (1981) with parameter a. */
function cubic(x: number, a: number): number {
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/**
 * Resizes as Pillow's `Image.resize(size, filter)` does, with the same 8-bit results: the filter is
 * widened by the scale when shrinking (antialiasing), weights are integers of 22 fraction bits, and the picture
 * is rounded to 8 bits between the passes. Source of the arithmetic: Pillow's Resample.c. The horizontal pass
 * is always first, as in every Pillow before 13, the reference's among them; Pillow 13 goes down first where
 * the height shrinks much more than the width, which moves some values by a level.
 *
 * Width and height are positive integers. The result never shares memory with the input.
 */
export function resize(picture: Picture, width: number, height: number, filter: ResizeFilter): Picture {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0))
    throw new VerbatimError(
      `resize: ${width} × ${height} is not a size; both sides must be positive integers.`,
    );
  if (width === picture.width && height === picture.height)
    return { width, height, data: Uint8Array.from(picture.data) };
  if (filter === 'nearest') return resizeNearest(picture, width, height);
  return resizePart(picture, picture, width, height, filter);
}

/**
 * The same of a part, from the upper left corner: its sides are above those of the picture less 1, and need not be whole, as
 * where a picture was shrunk before and its last column stands for less than the others. Pillow's `box`.
 */
export function resizePart(
  picture: Picture,
  part: { readonly width: number; readonly height: number },
  width: number,
  height: number,
  filter: Exclude<ResizeFilter, 'nearest'>,
): Picture {
  let current = picture;
  if (width !== part.width) current = horizontalPass(current, weightsFor(filter, part.width, width));
  if (height !== part.height) current = verticalPass(current, weightsFor(filter, part.height, height));
  return current;
}

/** Fraction bits of a weight: 32 less 8 for the pixel and 2 for overshoot. */
export const PRECISION_BITS = 32 - 8 - 2;
/** Half a level: what rounds a sum of weighted levels. */
export const ROUNDING = 1 << (PRECISION_BITS - 1);

/** For each target position: its first source position, how many, and their weights. */
export interface Weights {
  readonly size: number;
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** [target, tap], `taps` per target. */
  readonly values: Int32Array;
  readonly taps: number;
}

/** Thousands of pictures share a few sizes. An entry takes about 24 bytes for each source position. */
const cache = new Map<string, Weights>();
const CACHE_ENTRIES = 256;

/** From `from` source positions, the last of which may be a part of one, to `to`. */
export function weightsFor(filter: Exclude<ResizeFilter, 'nearest'>, from: number, to: number): Weights {
  const key = `${filter} ${from} ${to}`;
  let weights = cache.get(key);
  if (!weights) {
    weights = makeWeights(KERNELS[filter], from, to);
    if (cache.size >= CACHE_ENTRIES) cache.delete(cache.keys().next().value!);
    cache.set(key, weights);
  }
  return weights;
}

function makeWeights(kernel: Kernel, from: number, to: number): Weights {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  const support = kernel.support * stretch;
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const values = new Int32Array(to * taps);
  const exact = new Float64Array(taps);
  for (let target = 0; target < to; target++) {
    const centre = (target + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - support + 0.5));
    const high = Math.min(Math.ceil(from), Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let i = 0; i < high - low; i++) {
      const weight = kernel.value((i + low - centre + 0.5) * (1 / stretch));
      exact[i] = weight;
      sum += weight;
    }
    first[target] = low;
    count[target] = high - low;
    for (let i = 0; i < high - low; i++) {
      const weight = (sum === 0 ? exact[i]! : exact[i]! / sum) * (1 << PRECISION_BITS);
      values[target * taps + i] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
  }
  return { size: to, first, count, values, taps };
}

function horizontalPass(picture: Picture, weights: Weights): Picture {
  const { height, data: source } = picture;
  const { size: width, first, count, values, taps } = weights;
  const data = new Uint8ClampedArray(width * height * 3);
  let out = 0;
  for (let y = 0; y < height; y++) {
    const row = y * picture.width;
    for (let x = 0; x < width; x++) {
      let at = (row + first[x]!) * 3;
      let red = ROUNDING;
      let green = ROUNDING;
      let blue = ROUNDING;
      const end = x * taps + count[x]!;
      for (let tap = x * taps; tap < end; tap++, at += 3) {
        const weight = values[tap]!;
        red += Math.imul(source[at]!, weight);
        green += Math.imul(source[at + 1]!, weight);
        blue += Math.imul(source[at + 2]!, weight);
      }
      data[out++] = red >> PRECISION_BITS;
      data[out++] = green >> PRECISION_BITS;
      data[out++] = blue >> PRECISION_BITS;
    }
  }
  return { width, height, data: new Uint8Array(data.buffer) };
}

function verticalPass(picture: Picture, weights: Weights): Picture {
  const { width, data: source } = picture;
  const { size: height, first, count, values, taps } = weights;
  const stride = width * 3;
  const data = new Uint8ClampedArray(stride * height);
  const sums = new Int32Array(stride);
  for (let y = 0; y < height; y++) {
    sums.fill(ROUNDING);
    const taps0 = y * taps;
    // Three rows at a time: sums are read and written a third as often, which is what takes long.
    for (let tap = 0; tap < count[y]!; tap += 3) {
      const [a, b, c] = [0, 1, 2].map((k) => Math.min(tap + k, count[y]! - 1));
      const rowA = (first[y]! + a!) * stride;
      const rowB = (first[y]! + b!) * stride;
      const rowC = (first[y]! + c!) * stride;
      const weightA = values[taps0 + tap]!;
      const weightB = tap + 1 < count[y]! ? values[taps0 + tap + 1]! : 0;
      const weightC = tap + 2 < count[y]! ? values[taps0 + tap + 2]! : 0;
      for (let i = 0; i < stride; i++)
        sums[i] =
          sums[i]! +
          Math.imul(source[rowA + i]!, weightA) +
          Math.imul(source[rowB + i]!, weightB) +
          Math.imul(source[rowC + i]!, weightC);
    }
    const out = y * stride;
    for (let i = 0; i < stride; i++) data[out + i] = sums[i]! >> PRECISION_BITS;
  }
  return { width, height, data: new Uint8Array(data.buffer) };
}

/** The source pixel under each target pixel's centre; positions are accumulated as Pillow does. */
function resizeNearest(picture: Picture, width: number, height: number): Picture {
  const columns = nearestPositions(picture.width, width);
  const rows = nearestPositions(picture.height, height);
  const data = new Uint8Array(width * height * 3);
  let out = 0;
  for (const row of rows)
    for (const column of columns) {
      const at = (row * picture.width + column) * 3;
      data[out++] = picture.data[at]!;
      data[out++] = picture.data[at + 1]!;
      data[out++] = picture.data[at + 2]!;
    }
  return { width, height, data };
}

function nearestPositions(from: number, to: number): Int32Array {
  const step = from / to;
  const positions = new Int32Array(to);
  let position = step * 0.5;
  for (let i = 0; i < to; i++, position += step) positions[i] = Math.min(from - 1, Math.trunc(position));
  return positions;
}
