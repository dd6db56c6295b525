import { VerbatimError } from '../errors.ts';
import { type DecodeOptions, decodePicture, type Picture, resizeGrey } from '../images/index.ts';
import type { BitDescriptor } from './types.ts';

/**
 * Python's `imagehash.phash`: a grey thumbnail four times as wide as the hash, its two-dimensional DCT, and
 * for each of the lowest `side`² frequencies whether it exceeds their median. Bits row by row, first bit highest.
 *
 * What has no structure has no hash: in a picture of one colour all frequencies but the first are rounding
 * noise, and other implementations round otherwise. `phashOfEncoded` says where this is so.
 */
export function phash(picture: Picture, side = 8): Uint8Array {
  checkSide(side);
  return hashLevels(resizeGrey(picture, 4 * side, 4 * side, 'lanczos'), side);
}

/** A hash of a picture from its file. */
export interface EncodedHash {
  readonly hash: Uint8Array;
  /** Pixels, upright. */
  readonly width: number;
  readonly height: number;
  /**
   * Whether there is nothing to describe: the grey thumbnail's levels differ by at most `flatLevels`. Rounding then decides
   * the hash, and pictures of any plain colours may share it.
   */
  readonly flat: boolean;
}

/**
 * Largest difference of levels in a thumbnail that has nothing to describe. Rounding to 8 bits, in the file and twice in the
 * thumbnail, may move a level by one either way.
 */
const flatLevels = 2;

/**
 * The `phash` of a picture's file. Pictures are turned upright by their EXIF orientation and converted to sRGB by their colour
 * profile, which imagehash by itself does not: for all others it is the same hash.
 *
 * The whole picture is decoded. JPEGs can be decoded smaller in less time, but the thumbnail's values are rounded to 8 bits,
 * and that rounding, with nothing else changed, already turns a bit in one photograph of ten (docs/benchmarks.md).
 *
 * @throws VerbatimError as `decodePicture` does
 */
export async function phashOfEncoded(
  bytes: Uint8Array,
  { side = 8, ...options }: DecodeOptions & { readonly side?: number },
): Promise<EncodedHash> {
  checkSide(side);
  const picture = await decodePicture(bytes, options);
  const levels = resizeGrey(picture, 4 * side, 4 * side, 'lanczos');
  let [smallest, largest] = [255, 0];
  for (const level of levels) {
    if (level < smallest) smallest = level;
    if (level > largest) largest = level;
  }
  return {
    hash: hashLevels(levels, side),
    width: picture.width,
    height: picture.height,
    flat: largest - smallest <= flatLevels,
  };
}

/** The bits of a thumbnail of [4·side, 4·side] levels. */
function hashLevels(levels: Uint8Array, side: number): Uint8Array {
  const wide = 4 * side;
  const { cosines, columns, frequencies, sorted } = transformOf(side);
  // Down the columns first, then along the rows, as scipy's nested calls do.
  columns.fill(0);
  for (let k = 0; k < side; k++)
    for (let y = 0; y < wide; y++) {
      const cosine = cosines[k * wide + y]!;
      for (let x = 0; x < wide; x++)
        columns[k * wide + x] = columns[k * wide + x]! + levels[y * wide + x]! * cosine;
    }
  for (let k = 0; k < side; k++)
    for (let l = 0; l < side; l++) {
      let sum = 0;
      for (let x = 0; x < wide; x++) sum += columns[k * wide + x]! * cosines[l * wide + x]!;
      frequencies[k * side + l] = sum;
    }
  sorted.set(frequencies);
  sorted.sort();
  // There is an even number of them.
  const median = (sorted[sorted.length / 2 - 1]! + sorted[sorted.length / 2]!) / 2;
  return packBits(side * side, (i) => frequencies[i]! > median);
}

/** What the hash of one side needs each time: its cosines, and room for what lies between. */
interface Transform {
  readonly cosines: Float64Array;
  /** [side, 4·side] */
  readonly columns: Float64Array;
  /** [side, side] */
  readonly frequencies: Float64Array;
  readonly sorted: Float64Array;
}

const transforms = new Map<number, Transform>();

function transformOf(side: number): Transform {
  const known = transforms.get(side);
  if (known) return known;
  const made = {
    cosines: cosineTable(side, 4 * side),
    columns: new Float64Array(side * 4 * side),
    frequencies: new Float64Array(side * side),
    sorted: new Float64Array(side * side),
  };
  transforms.set(side, made);
  return made;
}

/** Python's `imagehash.dhash`: whether each level of a grey thumbnail exceeds its left neighbour. */
export function dhash(picture: Picture, side = 8): Uint8Array {
  checkSide(side);
  const pixels = resizeGrey(picture, side + 1, side, 'lanczos');
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
