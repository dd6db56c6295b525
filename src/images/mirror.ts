import type { Picture } from './picture.ts';

/** The picture seen in a mirror: left and right exchanged. */
export function mirror({ width, height, data }: Picture): Picture {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = 3 * (y * width + width - 1 - x);
      out.set(data.subarray(from, from + 3), 3 * (y * width + x));
    }
  return { width, height, data: out };
}
