import { VerbatimError } from '../errors.ts';
import { type Picture, resize } from '../images/index.ts';
import type { VectorDescriptor } from './types.ts';

/**
 * The picture itself, small: `side` × `side` pixels (averaged, Pillow's box filter), the mean of all values
 * taken away, scaled to length 1. The dot product of two is their correlation: blind to brightness and
 * contrast, sharp for copies, blind to everything that moves more than a pixel of the thumbnail.
 */
export function pixelDescriptor(side = 16): VectorDescriptor {
  if (!Number.isInteger(side) || side < 2 || side > 256)
    throw new VerbatimError(`pixels: side must be a whole number from 2 to 256, not ${side}`, {
      exitCode: 2,
    });
  const dimension = 3 * side * side;
  return {
    id: `pixels-${side}`,
    kind: 'vector',
    dimension,
    chunks: 1,
    async describe(pictures) {
      const rows = new Float32Array(pictures.length * dimension);
      pictures.forEach((picture, i) => {
        rows.set(thumbnail(picture, side), i * dimension);
      });
      return rows;
    },
    close: async () => {},
  };
}

function thumbnail(picture: Picture, side: number): Float32Array {
  const { data } = resize(picture, side, side, 'box');
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  const centred = Float64Array.from(data, (value) => value - mean);
  const length = Math.sqrt(centred.reduce((sum, value) => sum + value * value, 0));
  // The mean of equal levels is exact: a picture of one colour is exactly 0.
  return Float32Array.from(centred, (value) => (length === 0 ? 0 : value / length));
}
