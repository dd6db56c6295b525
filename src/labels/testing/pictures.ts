import type { Picture } from '../../images/index.ts';
import type { PictureCollection } from '../types.ts';

/** Repeatable random numbers in [0, 1) for tests (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A picture of random 8-bit values. */
export function noisePicture(seed: number, width = 8, height = width): Picture {
  const next = randomNumbers(seed);
  return {
    width,
    height,
    data: Uint8Array.from({ length: width * height * 3 }, () => Math.floor(next() * 256)),
  };
}

/** The picture with each value moved by at most `amount`. */
export function disturbed(picture: Picture, amount: number, seed: number): Picture {
  const next = randomNumbers(seed);
  const data = picture.data.map((v) => Math.min(255, Math.max(0, v + Math.round((next() * 2 - 1) * amount))));
  return { ...picture, data };
}

/** Pictures in memory as a training set; `unreadable` positions throw. */
export function collectionOf(
  pictures: readonly Picture[],
  unreadable: readonly number[] = [],
): PictureCollection {
  return {
    size: pictures.length,
    picture: async (index) => {
      if (unreadable.includes(index)) throw new Error(`row ${index}: the picture is cut short`);
      return pictures[index]!;
    },
  };
}
