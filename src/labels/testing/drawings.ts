import type { Picture } from '../../images/index.ts';
import type { PictureCollection, Transform } from '../types.ts';
import { randomNumbers } from './pictures.ts';

type Colour = readonly [red: number, green: number, blue: number];
/** Colour at a place, shares of width and height; it goes on beyond the picture's border. 0 to 255. */
export type Drawing = (u: number, v: number) => Colour;

/** A box: left, top, width, height, shares of the picture. */
export type Box = readonly [left: number, top: number, width: number, height: number];

const randomColour = (next: () => number): Colour => [255 * next(), 255 * next(), 255 * next()];

/** A drawing full of structure: bent bars, discs and chequered boxes over a colour that changes from side to side. */
export function randomDrawing(seed: number): Drawing {
  const next = randomNumbers(seed * 7919 + 17);
  const from = randomColour(next);
  const to = randomColour(next);
  const angle = next() * Math.PI;
  const shapes = Array.from({ length: 18 }, () => {
    const turn = next() * Math.PI;
    return {
      kind: Math.floor(next() * 3),
      x: 1.6 * next() - 0.3,
      y: 1.6 * next() - 0.3,
      wide: 0.06 + 0.22 * next(),
      high: 0.05 + 0.12 * next(),
      cos: Math.cos(turn),
      sin: Math.sin(turn),
      colour: randomColour(next),
      second: randomColour(next),
    };
  });
  return (u, v) => {
    const t = Math.min(1, Math.max(0, 0.5 + (u - 0.5) * Math.cos(angle) + (v - 0.5) * Math.sin(angle)));
    let colour: Colour = mix(from, to, t);
    for (const { kind, x, y, wide, high, cos, sin, colour: first, second } of shapes) {
      const a = ((u - x) * cos + (v - y) * sin) / wide;
      const b = ((v - y) * cos - (u - x) * sin) / high;
      if (kind === 0 ? a * a + b * b > 1 : Math.abs(a) > 1 || Math.abs(b) > 1) continue;
      const chequer = (Math.floor(a * 2) + Math.floor(b * 2)) % 2 === 0;
      colour = kind === 2 && chequer ? second : first;
    }
    return colour;
  };
}

function mix(a: Colour, b: Colour, t: number): Colour {
  return [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])];
}

/**
 * A drawing as it lies over a picture by a transform: drawn anew there, so that no code under test takes part. Each
 * pixel is the mean of 3 × 3 samples.
 */
export function render(drawing: Drawing, side = 64, transform?: Transform): Picture {
  const { flip, scale, x, y } = transform ?? { flip: false, scale: 1, x: 0, y: 0 };
  const data = new Uint8Array(side * side * 3);
  for (let row = 0, out = 0; row < side; row++)
    for (let column = 0; column < side; column++) {
      const sum = [0, 0, 0];
      for (let sample = 0; sample < 9; sample++) {
        const p = (column + ((sample % 3) + 0.5) / 3) / side;
        const q = (row + (Math.floor(sample / 3) + 0.5) / 3) / side;
        // p = ½ + scale·(u − ½) + x, u being mirrored before where `flip`.
        const u = (p - x - 0.5) / scale + 0.5;
        const v = (q - y - 0.5) / scale + 0.5;
        drawing(flip ? 1 - u : u, v).forEach((value, channel) => {
          sum[channel]! += value / 9;
        });
      }
      for (const value of sum) data[out++] = Math.round(value);
    }
  return { width: side, height: side, data };
}

/** One drawing with another inside a box. */
export function inset(outside: Drawing, inside: Drawing, [left, top, width, height]: Box): Drawing {
  return (u, v) =>
    u >= left && u < left + width && v >= top && v < top + height ? inside(u, v) : outside(u, v);
}

/** A plain colour, or with `second` a pattern of stripes. */
export function plainDrawing(colour: Colour, second?: Colour, stripes = 8): Drawing {
  return (u, v) => (second !== undefined && Math.floor((u + v) * stripes) % 2 === 0 ? second : colour);
}

/** Pictures of random drawings, from seed `first` on. */
export function randomPictures(count: number, first: number, side = 64): Picture[] {
  return Array.from({ length: count }, (_, i) => render(randomDrawing(first + i), side));
}

/** A collection that counts how often its pictures are read. */
export function countedCollection(pictures: readonly Picture[]): PictureCollection & { reads: number } {
  const collection = {
    size: pictures.length,
    reads: 0,
    picture: async (index: number) => {
      collection.reads++;
      return pictures[index]!;
    },
  };
  return collection;
}
