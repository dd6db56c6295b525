import { dilate, erode, type Mask, type Picture } from '../images/index.ts';
import type { Region } from '../labels/index.ts';
import { resizedMask } from './images.ts';

/** A difference from this one on, values in [0, 1], has the brightest colour of a difference map. */
export const fullDifference = 0.25;

/**
 * The colours of a difference map from 0 to `fullDifference`: light grows with the difference, so that the map reads
 * without its hue, in print and by the colour-blind. No colour of it is the outline's.
 */
export const differenceColours = [
  [10, 8, 20],
  [84, 18, 96],
  [186, 44, 74],
  [244, 124, 32],
  [255, 238, 170],
] as const;

/** Where a training picture does not reach there is no difference. */
export const uncoveredColour = [112, 116, 122] as const;
export const outlineColour = [0, 229, 255] as const;

/** Tiles of a checkerboard along each side. */
const tiles = 8;

/**
 * Two pictures of one size in the tiles of a checkerboard, the first one's upper left: where the second is out of
 * place, edges break at the border of a tile, which a blend of both would only blur.
 */
export function checkerboard(first: Picture, second: Picture): Picture {
  const { width, height } = first;
  const data = Uint8Array.from(first.data);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      if ((Math.floor((x * tiles) / width) + Math.floor((y * tiles) / height)) % 2 === 0) continue;
      const at = (y * width + x) * 3;
      data.set(second.data.subarray(at, at + 3), at);
    }
  return { width, height, data };
}

/** Root mean square of the difference at each pixel over its channels, values in [0, 1]; [height, width]. */
export function differenceOf(a: Picture, b: Picture): Float64Array {
  return Float64Array.from({ length: a.width * a.height }, (_, pixel) => {
    let sum = 0;
    for (let i = pixel * 3; i < pixel * 3 + 3; i++) sum += (a.data[i]! - b.data[i]!) ** 2;
    return Math.sqrt(sum / 3) / 255;
  });
}

/** Differences as colours; what `covered` leaves out is grey. */
export function differenceMap(differences: Float64Array, covered: Mask): Picture {
  const data = new Uint8Array(differences.length * 3);
  differences.forEach((difference, pixel) => {
    data.set(covered.data[pixel] === 1 ? colourOf(difference) : uncoveredColour, pixel * 3);
  });
  return { width: covered.width, height: covered.height, data };
}

function colourOf(difference: number): number[] {
  const steps = differenceColours.length - 1;
  const place = Math.min(1, difference / fullDifference) * steps;
  const low = Math.min(steps - 1, Math.floor(place));
  const [from, to] = [differenceColours[low]!, differenceColours[low + 1]!];
  return [0, 1, 2].map((c) => Math.round(from[c]! + (to[c]! - from[c]!) * (place - low)));
}

/**
 * The edge of a mask drawn into a picture, on the inner side; wide enough to be seen where a page shrinks it.
 *
 * @param framed also along the picture's own border: a box is a box with four sides only
 */
export function outlined(picture: Picture, mask: Mask, framed = false): Picture {
  const { width, height } = picture;
  const inside = resizedMask(mask, width, height);
  const size = 2 * Math.max(1, Math.round(Math.max(width, height) / 128)) + 1;
  // Outside of a picture nothing is set, for either: eroding takes the border away, dilating does not reach it.
  const kept = framed
    ? erode(inside, size).data
    : dilate({ ...inside, data: inside.data.map((set) => 1 - set) }, size).data.map((near) => 1 - near);
  const data = Uint8Array.from(picture.data);
  inside.data.forEach((set, pixel) => {
    if (set === 1 && kept[pixel] === 0) data.set(outlineColour, pixel * 3);
  });
  return { width, height, data };
}

/** The box of a region as a mask. */
export function boxMask({ box: [x, y, w, h] }: Region, width: number, height: number): Mask {
  const data = Uint8Array.from({ length: width * height }, (_, pixel) => {
    const across = ((pixel % width) + 0.5) / width;
    const down = (Math.floor(pixel / width) + 0.5) / height;
    return across >= x && across < x + w && down >= y && down < y + h ? 1 : 0;
  });
  return { width, height, data };
}
