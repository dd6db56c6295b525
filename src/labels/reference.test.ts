import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Picture } from '../images/index.ts';
import { referenceDistance, referenceTemplateDistance, referenceView } from './reference.ts';
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
// Written by bench/peers/make_templates_fixtures.py.
const templates = JSON.parse(readFileSync(new URL('fixtures/templates.json', import.meta.url), 'utf8')) as {
  cases: {
    template: Packed;
    picture: Packed;
    mask: { width: number; height: number; set: string };
    distance: number;
  }[];
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

describe('referenceTemplateDistance', () => {
  const maskOf = ({ width, height, set }: { width: number; height: number; set: string }) => ({
    width,
    height,
    data: Uint8Array.from(set, Number),
  });

  it.each(templates.cases.map((one, i) => [i, one] as const))(
    'equals Pillow and numpy on case %i',
    (_, one) => {
      const distance = referenceTemplateDistance(unpack(one.template), unpack(one.picture), maskOf(one.mask));
      expect(distance).toBeCloseTo(one.distance, 6);
    },
  );

  it('is the reference distance under a full mask, looks nowhere else, and is infinite under an empty one', () => {
    const a = noisePicture(1, 256);
    const full = { width: 256, height: 256, data: new Uint8Array(256 * 256).fill(1) };
    expect(referenceTemplateDistance(a, noisePicture(2, 256), full)).toBeCloseTo(
      referenceDistance(a, noisePicture(2, 256)),
      6,
    );
    // The lower half differs, the mask is the upper one.
    const half = { ...full, data: full.data.map((set, pixel) => (pixel < 128 * 256 ? set : 0)) };
    const other = { ...a, data: a.data.map((value, i) => (i < 128 * 256 * 3 ? value : 255 - value)) };
    expect(referenceTemplateDistance(a, other, half)).toBe(0);
    expect(referenceTemplateDistance(a, other, { ...full, data: new Uint8Array(256 * 256) })).toBe(
      Number.POSITIVE_INFINITY,
    );
    // A difference of 20 levels under half of the picture: 98,304 values, over a mean of one half.
    const shifted = { ...a, data: a.data.map((value) => (value < 128 ? value + 20 : value - 20)) };
    expect(referenceTemplateDistance(a, shifted, half)).toBeCloseTo(196_608 * (20 / 255) ** 2, 6);
  });
});
