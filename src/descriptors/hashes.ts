import { VerbatimError } from '../errors.ts';
import type { Picture } from '../images/index.ts';
import { quantile } from '../math/index.ts';
import { greyThumbnail } from './grey.ts';
import type { BitDescriptor } from './types.ts';

/**
 * Python's `imagehash.phash`: a grey thumbnail four times as wide as the hash, its two-dimensional DCT, and
 * for each of the lowest `side`² frequencies whether it exceeds their median. Bits row by row, first bit highest.
 *
 * What has no structure has no hash: in a picture of one colour all frequencies but the first are rounding
 * noise, and other implementations round otherwise.
 */
export function phash(picture: Picture, side = 8): Uint8Array {
  checkSide(side);
  const wide = 4 * side;
  const pixels = greyThumbnail(picture, wide, wide);
  const cosines = cosineTable(side, wide);
  // Down the columns first, then along the rows, as scipy's nested calls do.
  const columns = new Float64Array(side * wide);
  for (let k = 0; k < side; k++)
    for (let x = 0; x < wide; x++) {
      let sum = 0;
      for (let y = 0; y < wide; y++) sum += pixels[y * wide + x]! * cosines[k * wide + y]!;
      columns[k * wide + x] = sum;
    }
  const frequencies = new Float64Array(side * side);
  for (let k = 0; k < side; k++)
    for (let l = 0; l < side; l++) {
      let sum = 0;
      for (let x = 0; x < wide; x++) sum += columns[k * wide + x]! * cosines[l * wide + x]!;
      frequencies[k * side + l] = sum;
    }
  const median = quantile([...frequencies], 0.5);
  return packBits(side * side, (i) => frequencies[i]! > median);
}

/** Python's `imagehash.dhash`: whether each level of a grey thumbnail exceeds its left neighbour. */
export function dhash(picture: Picture, side = 8): Uint8Array {
  checkSide(side);
  const pixels = greyThumbnail(picture, side + 1, side);
  return packBits(side * side, (i) => {
    const at = Math.floor(i / side) * (side + 1) + (i % side);
    return pixels[at + 1]! > pixels[at]!;
  });
}

/** `phash` as a descriptor of side² bits. */
export const phashDescriptor = (side = 8) => hashDescriptor('phash', phash, side);

/** `dhash` as a descriptor of side² bits. */
export const dhashDescriptor = (side = 8) => hashDescriptor('dhash', dhash, side);

function hashDescriptor(
  name: string,
  hash: (picture: Picture, side: number) => Uint8Array,
  side: number,
): BitDescriptor {
  checkSide(side);
  const bytes = (side * side) / 8;
  return {
    id: `${name}-${side}`,
    kind: 'bits',
    dimension: side * side,
    async describe(pictures) {
      const rows = new Uint8Array(pictures.length * bytes);
      pictures.forEach((picture, i) => {
        rows.set(hash(picture, side), i * bytes);
      });
      return rows;
    },
    close: async () => {},
  };
}

function checkSide(side: number): void {
  if (!Number.isInteger(side) || side < 4 || side > 64 || side % 4 !== 0)
    throw new VerbatimError(`a hash's side must be a multiple of 4 from 4 to 64, not ${side}`, {
      exitCode: 2,
    });
}

/** DCT-II without normalisation: 2·cos(π·k·(2n + 1) / 2N), [frequencies, n]. */
function cosineTable(frequencies: number, n: number): Float64Array {
  return Float64Array.from(
    { length: frequencies * n },
    (_, i) => 2 * Math.cos((Math.PI * Math.floor(i / n) * (2 * (i % n) + 1)) / (2 * n)),
  );
}

function packBits(count: number, bit: (index: number) => boolean): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(count / 8));
  for (let i = 0; i < count; i++) if (bit(i)) bytes[i >> 3]! |= 0x80 >> (i & 7);
  return bytes;
}
