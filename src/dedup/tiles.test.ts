import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Picture } from '../images/index.ts';
import { createRandom } from '../math/index.ts';
import { type Tile, tilesOf } from './index.ts';

/** Noise: no line of it is plain. */
function noise(width: number, height: number, seed: number): Picture {
  const random = createRandom(seed);
  return {
    width,
    height,
    data: Uint8Array.from({ length: width * height * 3 }, () => 256 * random.uniform()),
  };
}

/** A picture of one colour with others laid into it. */
function collage(
  width: number,
  height: number,
  parts: readonly (readonly [Picture, number, number])[],
): Picture {
  const data = new Uint8Array(width * height * 3).fill(240);
  for (const [part, left, top] of parts)
    for (let y = 0; y < part.height; y++)
      data.set(
        part.data.subarray(y * part.width * 3, (y + 1) * part.width * 3),
        ((top + y) * width + left) * 3,
      );
  return { width, height, data };
}

const has = (tiles: readonly Tile[], wanted: Tile) =>
  tiles.some((tile) => JSON.stringify(tile) === JSON.stringify(wanted));

describe('tilesOf', () => {
  it('finds what a frame encloses, to the pixel', () => {
    fc.assert(
      fc.property(fc.nat(30), fc.nat(30), fc.nat(30), fc.nat(30), (left, top, right, bottom) => {
        fc.pre(left + top + right + bottom > 12);
        const part = noise(60, 50, left + 31 * top);
        const picture = collage(60 + left + right, 50 + top + bottom, [[part, left, top]]);
        const covers = (60 * 50) / (picture.width * picture.height);
        const wanted = { x: left, y: top, width: 60, height: 50 };
        // What nearly fills the picture is the picture.
        if (covers < 0.8) expect(has(tilesOf(picture), wanted)).toBe(true);
      }),
    );
  });

  it('finds the pictures of a collage with gutters, also nested and unequal', () => {
    const [a, b, c] = [noise(80, 120, 1), noise(60, 50, 2), noise(60, 60, 3)];
    const picture = collage(160, 140, [
      [a, 8, 10],
      [b, 94, 10],
      [c, 94, 70],
    ]);
    const tiles = tilesOf(picture);
    expect(has(tiles, { x: 8, y: 10, width: 80, height: 120 })).toBe(true);
    expect(has(tiles, { x: 94, y: 10, width: 60, height: 50 })).toBe(true);
    expect(has(tiles, { x: 94, y: 70, width: 60, height: 60 })).toBe(true);
  });

  it('finds the fields of a grid without gutters', () => {
    const tiles = tilesOf(noise(200, 120, 4));
    expect(has(tiles, { x: 100, y: 60, width: 100, height: 60 })).toBe(true);
    expect(has(tiles, { x: 67, y: 40, width: 66, height: 40 })).toBe(true);
    expect(has(tiles, { x: 0, y: 0, width: 200, height: 120 })).toBe(false);
  });

  it('gives tiles that lie inside, are no slivers and are not too many', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 90 }),
        fc.integer({ min: 1, max: 90 }),
        fc.nat(9),
        (w, h, seed) => {
          const tiles = tilesOf(noise(w, h, seed));
          expect(tiles.length).toBeLessThanOrEqual(64);
          for (const { x, y, width, height } of tiles) {
            expect(Math.min(x, y)).toBeGreaterThanOrEqual(0);
            expect(width * height).toBeGreaterThan(0);
            expect(x + width).toBeLessThanOrEqual(w);
            expect(y + height).toBeLessThanOrEqual(h);
          }
        },
      ),
      { numRuns: 50 },
    );
    expect(has(tilesOf(collage(50, 50, [])), { x: 0, y: 0, width: 50, height: 50 })).toBe(false);
  });
});
