import type { Mask } from '../images/index.ts';
import type { Region } from './types.ts';

/** The part of a picture that a mask sets: its share and the smallest box around it; null for none. */
export function maskRegion({ width, height, data }: Mask): Region | null {
  let left = width;
  let top = height;
  let right = 0;
  let bottom = 0;
  let count = 0;
  data.forEach((set, pixel) => {
    if (set === 0) return;
    const x = pixel % width;
    const y = (pixel - x) / width;
    count++;
    left = Math.min(left, x);
    right = Math.max(right, x + 1);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y + 1);
  });
  if (count === 0) return null;
  return {
    share: count / data.length,
    box: [left / width, top / height, (right - left) / width, (bottom - top) / height],
  };
}
