import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crop, type Picture, resize } from '../images/index.ts';
import { randomDrawing, render } from './testing/drawings.ts';
import { noisePicture } from './testing/pictures.ts';
import { identityTransform, transformPicture } from './transform.ts';

const rgb = ({ width, data }: Picture, x: number, y: number) => [
  ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];

/** Largest difference of two pictures' values, `margin` pixels away from the borders. */
function largestDifference(a: Picture, b: Picture, margin: number): number {
  let largest = 0;
  for (let y = margin; y < a.height - margin; y++)
    for (let x = margin; x < a.width - margin; x++)
      rgb(a, x, y).forEach((value, i) => {
        largest = Math.max(largest, Math.abs(value - rgb(b, x, y)[i]!));
      });
  return largest;
}

/** Half the contrast: values from 64 to 192. */
const faint = (picture: Picture): Picture => ({ ...picture, data: picture.data.map((v) => 64 + v / 2) });

const transforms = fc.record({
  flip: fc.boolean(),
  scale: fc.double({ min: 0.4, max: 2.5, noNaN: true }),
  x: fc.double({ min: -1.2, max: 1.2, noNaN: true }),
  y: fc.double({ min: -1.2, max: 1.2, noNaN: true }),
});

describe('transformPicture', () => {
  it('leaves a picture as it is where nothing moves', () => {
    const picture = noisePicture(1, 13, 9);
    const { picture: same, inside } = transformPicture(picture, identityTransform, 13, 9);
    expect(same).toEqual(picture);
    expect(inside.data.every((set) => set === 1)).toBe(true);
  });

  it('mirrors left to right, and twice gives the picture back', () => {
    const picture = noisePicture(2, 11, 6);
    const flip = { ...identityTransform, flip: true };
    const mirrored = transformPicture(picture, flip, 11, 6).picture;
    for (let y = 0; y < 6; y++)
      for (let x = 0; x < 11; x++) expect(rgb(mirrored, x, y)).toEqual(rgb(picture, 10 - x, y));
    expect(transformPicture(mirrored, flip, 11, 6).picture).toEqual(picture);
  });

  it('moves by whole pixels exactly, to the right and down, and says where nothing is left', () => {
    const picture = noisePicture(3, 16);
    for (const flip of [false, true]) {
      const transform = { flip, scale: 1, x: 3 / 16, y: -2 / 16 };
      const { picture: shifted, inside } = transformPicture(picture, transform, 16, 16);
      for (let y = 0; y < 16; y++)
        for (let x = 0; x < 16; x++) {
          const covered = x >= 3 && y < 14;
          expect(inside.data[y * 16 + x]).toBe(covered ? 1 : 0);
          const from = flip ? 15 - (x - 3) : x - 3;
          if (covered) expect(rgb(shifted, x, y)).toEqual(rgb(picture, from, y + 2));
        }
    }
  });

  it('mirrors first, then scales about the middle, then moves', () => {
    // A white dot left of the middle of a black picture, in an area of 2 × 2 pixels about (.25, .5).
    const picture: Picture = { width: 64, height: 64, data: new Uint8Array(64 * 64 * 3) };
    for (const y of [31, 32])
      for (const x of [15, 16]) picture.data.fill(255, (y * 64 + x) * 3, (y * 64 + x) * 3 + 3);
    const transform = { flip: true, scale: 0.5, x: 0.125, y: -0.25 };
    const { picture: moved } = transformPicture(picture, transform, 64, 64);
    // ½ + .5·((1 − .25) − ½) + .125 = .75; ½ + .5·(.5 − .5) − .25 = .25: between the pixels 47 and 48, 15 and 16.
    const brightest = Math.max(...moved.data);
    for (const y of [15, 16]) for (const x of [47, 48]) expect(rgb(moved, x, y)[0]).toBe(brightest);
    expect(brightest).toBeGreaterThan(40);
  });

  // Both apply Keys' cubic with a = −½. Pillow's way rounds to 8 bits between the two passes, half a level that the second
  // pass makes at most .63 (its weights' absolute values sum to at most 1.25), and again at the end: two levels in all. It
  // clips between them too, so contrast is low here: nothing overshoots. Borders are left out: a crop's filter does not see
  // beyond it, a transform's does.
  it.each([
    [64, 64],
    [64, 48],
    [40, 40],
  ])('equals the bicubic resize of the middle four fifths of %i pixels to %i', (from, to) => {
    const picture = faint(render(randomDrawing(5), from));
    const margin = Math.round(from * 0.1);
    const side = from - 2 * margin;
    const cropped = resize(crop(picture, margin, margin, side, side), to, to, 'bicubic');
    const transform = { ...identityTransform, scale: from / side };
    const { picture: warped, inside } = transformPicture(picture, transform, to, to);
    expect(inside.data.every((set) => set === 1)).toBe(true);
    expect(largestDifference(cropped, warped, 4)).toBeLessThanOrEqual(2);
  });

  it.each([
    [96, 64],
    [64, 32],
    [32, 48],
  ])('resizes %i pixels to %i as the bicubic resize does', (from, to) => {
    const picture = faint(render(randomDrawing(6), from));
    const { picture: warped } = transformPicture(picture, identityTransform, to, to);
    expect(largestDifference(resize(picture, to, to, 'bicubic'), warped, 0)).toBeLessThanOrEqual(2);
  });

  it('says inside exactly where a pixel’s centre lies on the picture', () => {
    fc.assert(
      fc.property(transforms, ({ flip, scale, x, y }) => {
        const { inside } = transformPicture(noisePicture(4, 9, 7), { flip, scale, x, y }, 12, 10);
        for (let row = 0; row < 10; row++)
          for (let column = 0; column < 12; column++) {
            const u = ((column + 0.5) / 12 - 0.5 - x) / scale + 0.5;
            const v = ((row + 0.5) / 10 - 0.5 - y) / scale + 0.5;
            // Centres on the border itself may fall either way by rounding.
            if (Math.min(...[u, v, 1 - u, 1 - v].map(Math.abs)) < 1e-5) continue;
            const covered = u > 0 && u < 1 && v > 0 && v < 1;
            expect(inside.data[row * 12 + column]).toBe(covered ? 1 : 0);
          }
      }),
    );
  });

  it('makes nothing up: a plain picture stays plain wherever it goes', () => {
    fc.assert(
      fc.property(transforms, fc.integer({ min: 0, max: 255 }), (transform, level) => {
        const plain: Picture = { width: 9, height: 7, data: new Uint8Array(9 * 7 * 3).fill(level) };
        const { picture } = transformPicture(plain, transform, 12, 10);
        expect(picture.data.every((value) => value === level)).toBe(true);
      }),
    );
  });

  it('repeats the nearest edge outside', () => {
    fc.assert(
      fc.property(transforms, fc.integer({ min: 0, max: 1000 }), (transform, seed) => {
        // Upright stripes: each row is the same.
        const row = noisePicture(seed, 8, 1);
        const stripes: Picture = {
          width: 8,
          height: 8,
          data: Uint8Array.from({ length: 192 }, (_, i) => row.data[i % 24]!),
        };
        const { picture } = transformPicture(stripes, transform, 16, 16);
        for (let column = 0; column < 16; column++) {
          const u = ((column + 0.5) / 16 - 0.5 - transform.x) / transform.scale + 0.5;
          if (Math.abs(u) < 1e-5 || Math.abs(u - 1) < 1e-5 || (u > 0 && u < 1)) continue;
          const edge = u < 0 !== transform.flip ? rgb(row, 0, 0) : rgb(row, 7, 0);
          for (let y = 0; y < 16; y++) expect(rgb(picture, column, y)).toEqual(edge);
        }
      }),
    );
  });

  it('cuts off what the filter overshoots, and does not let it wrap around', () => {
    // A white bar on black: bicubic interpolation overshoots on both sides of each edge.
    const bar: Picture = {
      width: 12,
      height: 12,
      data: Uint8Array.from({ length: 432 }, (_, i) => (Math.floor(i / 3) % 12 >= 6 ? 255 : 0)),
    };
    const { picture } = transformPicture(bar, { ...identityTransform, scale: 2 }, 24, 24);
    for (let x = 0; x < 24; x++) {
      const value = rgb(picture, x, 12)[0]!;
      if (x < 10) expect(value).toBeLessThanOrEqual(40);
      if (x >= 14) expect(value).toBeGreaterThanOrEqual(215);
    }
  });
});
