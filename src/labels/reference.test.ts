import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Picture } from '../images/index.ts';
import { referenceDistance, referenceView } from './reference.ts';
import { noisePicture } from './testing/pictures.ts';

interface Packed {
  width: number;
  height: number;
  rgb: string;
}
// Written by bench/peers/make_labels_fixtures.py with Pillow and numpy.
const golden = JSON.parse(readFileSync(new URL('fixtures/reference.json', import.meta.url), 'utf8')) as {
  pairs: { a: Packed; b: Packed; sum: number }[];
};
const unpack = ({ width, height, rgb }: Packed): Picture => ({
  width,
  height,
  data: new Uint8Array(Buffer.from(rgb, 'base64')),
});

describe('referenceDistance', () => {
  it.each(golden.pairs.map((pair, i) => [i, pair] as const))(
    'equals Pillow and numpy on pair %i',
    (_, pair) => {
      expect(referenceDistance(unpack(pair.a), unpack(pair.b))).toBeCloseTo(pair.sum, 6);
    },
  );

  it('is 0 for equal pictures, symmetric, and at most 196,608', () => {
    const a = noisePicture(1, 20);
    const b = noisePicture(2, 20);
    const black = { width: 4, height: 4, data: new Uint8Array(48) };
    const white = { width: 4, height: 4, data: new Uint8Array(48).fill(255) };
    expect(referenceDistance(a, a)).toBe(0);
    expect(referenceDistance(a, b)).toBe(referenceDistance(b, a));
    expect(referenceDistance(black, white)).toBe(196_608);
  });

  it('leaves a picture of 256×256 as it is', () => {
    const picture = noisePicture(3, 256);
    expect(referenceView(picture)).toBe(picture);
  });
});
