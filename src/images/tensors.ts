import { VerbatimError } from '../errors.ts';
import { floatTensor, type Tensor } from '../math/index.ts';
import type { Picture } from './picture.ts';

/** 2·(x/255) − 1 in float32 steps, as diffusers' VaeImageProcessor takes them. */
const NORMALIZED = Float32Array.from({ length: 256 }, (_, x) => 2 * Math.fround(x / 255) - 1);

/**
 * Pictures of one size → [n, 3, height, width], float32 in [−1, 1]: what an autoencoder takes.
 * Throws RangeError when there are none or their sizes differ.
 */
export function picturesToTensor(pictures: readonly Picture[]): Tensor<'float32'> {
  const first = pictures[0];
  if (!first) throw new RangeError('picturesToTensor: there is no picture.');
  const { width, height } = first;
  const plane = width * height;
  const out = floatTensor([pictures.length, 3, height, width]);
  for (const [n, picture] of pictures.entries()) {
    if (picture.width !== width || picture.height !== height)
      throw new RangeError(
        `picturesToTensor: picture ${n} is ${picture.width} × ${picture.height}, the first ${width} × ${height}.`,
      );
    for (let c = 0; c < 3; c++) {
      const base = (n * 3 + c) * plane;
      for (let i = 0; i < plane; i++) out.data[base + i] = NORMALIZED[picture.data[i * 3 + c]!]!;
    }
  }
  return out;
}

/** One picture → [1, 3, height, width]; see `picturesToTensor`. */
export function pictureToTensor(picture: Picture): Tensor<'float32'> {
  return picturesToTensor([picture]);
}

/** What a model made of one item: a picture, or why it is none. */
export type PictureOrError = Picture | VerbatimError;

/** Whether there is a picture. */
export function isPicture(item: PictureOrError): item is Picture {
  return !(item instanceof VerbatimError);
}

/** All of the pictures, for work that is worth nothing when one is missing. @throws VerbatimError the first error. */
export function allPictures(items: readonly PictureOrError[]): Picture[] {
  return items.map((item) => {
    if (isPicture(item)) return item;
    throw item;
  });
}

/**
 * [n, 3, height, width] → n pictures: clamp(x/2 + .5, 0, 1)·255 in float32, rounded half to even, as
 * diffusers and numpy do. Where a value is not a number an error stands in the picture's place: a model that
 * overflowed must not pass as black, and the other pictures of its batch are as good as ever.
 */
export function tensorToPictures(tensor: Tensor<'float32'>): PictureOrError[] {
  const [count, channels, height, width, ...rest] = tensor.shape;
  if (count === undefined || channels !== 3 || height === undefined || width === undefined || rest.length > 0)
    throw new RangeError(
      `tensorToPictures: expected [n, 3, height, width], got [${tensor.shape.join(', ')}].`,
    );
  const values = 3 * height * width;
  return Array.from({ length: count }, (_, n) =>
    planesToPicture(tensor.data.subarray(n * values, (n + 1) * values), width, height),
  );
}

/** [3, height, width] → a picture. The error names no position in a batch: tables must not depend on batches. */
function planesToPicture(planes: Float32Array, width: number, height: number): PictureOrError {
  const plane = width * height;
  const data = new Uint8Array(plane * 3);
  for (let c = 0; c < 3; c++)
    for (let i = 0; i < plane; i++) {
      const value = planes[c * plane + i]!;
      if (Number.isNaN(value))
        return new VerbatimError(
          `the model's output is not a number at channel ${c}, row ${Math.floor(i / width)}; it has overflowed or its weights are damaged`,
        );
      const unit = Math.min(1, Math.max(0, Math.fround(Math.fround(value / 2) + 0.5)));
      data[i * 3 + c] = roundHalfToEven(Math.fround(unit * 255));
    }
  return { width, height, data };
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
