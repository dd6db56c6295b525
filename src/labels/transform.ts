import type { Mask, Picture } from '../images/index.ts';
import type { Transform } from './types.ts';

/** Nothing is moved. */
export const identityTransform: Transform = { flip: false, scale: 1, x: 0, y: 0 };

/** Where a column or row of the result comes from: source positions and their weights. */
interface Taps {
  /** First source position of each target position. */
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** [target, tap], `width` per target. */
  readonly weights: Float32Array;
  readonly width: number;
  /** 1 where the source covers the target's centre. */
  readonly inside: Uint8Array;
}

/** Catmull and Rom's cubic, the filter of Pillow's bicubic resize (Keys 1981, a = −½). */
function cubic(x: number): number {
  const t = Math.abs(x);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  if (t < 2) return ((-0.5 * t + 2.5) * t - 4) * t + 2;
  return 0;
}

/** One axis of `size` target pixels over `from` source pixels; the filter is widened where the picture shrinks. */
function tapsOf(from: number, size: number, scale: number, move: number): Taps {
  const ratio = from / (size * scale);
  const stretch = Math.max(1, ratio);
  const width = Math.ceil(2 * stretch) * 2 + 1;
  const taps: Taps = {
    first: new Int32Array(size),
    count: new Int32Array(size),
    weights: new Float32Array(size * width),
    width,
    inside: new Uint8Array(size),
  };
  for (let target = 0; target < size; target++) {
    // q = ½ + scale·(p − ½) + move, solved for p, in source pixels.
    const centre = (((target + 0.5) / size - 0.5 - move) / scale + 0.5) * from;
    if (centre < -1e-6 || centre > from + 1e-6) {
      // The edge is repeated: the filter's few weights that are left there may sum to nearly nothing.
      taps.first[target] = centre < 0 ? 0 : from - 1;
      taps.count[target] = 1;
      taps.weights[target * width] = 1;
      continue;
    }
    taps.inside[target] = 1;
    const low = Math.min(from - 1, Math.max(0, Math.floor(centre - 2 * stretch + 0.5)));
    const high = Math.max(low + 1, Math.min(from, Math.floor(centre + 2 * stretch + 0.5)));
    let sum = 0;
    for (let i = low; i < high; i++) {
      const weight = cubic((i + 0.5 - centre) / stretch);
      taps.weights[target * width + i - low] = weight;
      sum += weight;
    }
    // What weighs nothing is skipped: where pixels meet pixels one tap is left of four.
    let begin = 0;
    let end = high - low;
    const nothing = (i: number) => Math.abs(taps.weights[target * width + i]!) < 1e-9;
    while (end > 1 && nothing(end - 1)) end--;
    while (begin < end - 1 && nothing(begin)) begin++;
    for (let i = begin; i < end; i++)
      taps.weights[target * width + i - begin] = taps.weights[target * width + i]! / sum;
    taps.first[target] = low + begin;
    taps.count[target] = end - begin;
  }
  return taps;
}

/** Values of a picture, channels last, in any unit. */
export interface Values {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array | Uint8Array;
}

/** Memory that `warp` writes to, for those who call it often and look at its result at once. */
export interface WarpBuffers {
  /** [source height, width, 3]. */
  readonly middle: Float32Array;
  /** [height, width, 3]. */
  readonly data: Float32Array;
  /** [height, width]. */
  readonly inside: Uint8Array;
}

/**
 * A picture laid over a canvas of `width` × `height` by a transform, sampled with the bicubic filter; `inside` is 1
 * where the picture covers the canvas. Outside, the nearest edge is repeated.
 *
 * @returns data [height, width, 3] in the unit of the source, not clamped
 */
export function warp(
  source: Values,
  transform: Transform,
  width: number,
  height: number,
  buffers?: WarpBuffers,
): { readonly data: Float32Array; readonly inside: Uint8Array } {
  const { flip, scale, x: moveX, y: moveY } = transform;
  const columns = tapsOf(source.width, width, scale, moveX);
  const rows = tapsOf(source.height, height, scale, moveY);
  const values = source.data;
  const middle = buffers?.middle ?? new Float32Array(source.height * width * 3);
  const last = (source.width - 1) * 3;
  for (let y = 0, out = 0; y < source.height; y++) {
    const row = y * source.width * 3;
    for (let x = 0; x < width; x++, out += 3) {
      const tap = x * columns.width;
      const first = columns.first[x]! * 3;
      // A mirrored picture is read from its right end.
      let at = flip ? row + last - first : row + first;
      const step = flip ? -3 : 3;
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let i = 0; i < columns.count[x]!; i++, at += step) {
        const weight = columns.weights[tap + i]!;
        red += weight * values[at]!;
        green += weight * values[at + 1]!;
        blue += weight * values[at + 2]!;
      }
      middle[out] = red;
      middle[out + 1] = green;
      middle[out + 2] = blue;
    }
  }
  const stride = width * 3;
  const data = buffers?.data.fill(0) ?? new Float32Array(height * stride);
  const inside = buffers?.inside.fill(0) ?? new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const out = y * stride;
    for (let i = 0; i < rows.count[y]!; i++) {
      const weight = rows.weights[y * rows.width + i]!;
      const from = (rows.first[y]! + i) * stride;
      for (let k = 0; k < stride; k++) data[out + k]! += weight * middle[from + k]!;
    }
    if (rows.inside[y] === 1) for (let x = 0; x < width; x++) inside[y * width + x] = columns.inside[x]!;
  }
  return { data, inside };
}

/**
 * A training picture as it lies over a generated one of `width` × `height` pixels, rounded to 8 bits, and where it
 * covers it: what an overlay or a difference map is made of.
 */
export function transformPicture(
  picture: Picture,
  transform: Transform,
  width: number,
  height: number,
): { readonly picture: Picture; readonly inside: Mask } {
  const { data, inside } = warp(picture, transform, width, height);
  return {
    picture: { width, height, data: Uint8Array.from(data, (v) => Math.round(Math.min(255, Math.max(0, v)))) },
    inside: { width, height, data: inside },
  };
}
