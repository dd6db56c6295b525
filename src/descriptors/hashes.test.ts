import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePicture, type Picture } from '../images/index.ts';
import { dhash, dhashDescriptor, hammingDistance, phash, phashDescriptor } from './index.ts';

// Written by bench/peers/make_descriptors_fixtures.py with imagehash and Pillow.
const golden = JSON.parse(readFileSync(new URL('fixtures/hashes.json', import.meta.url), 'utf8')) as {
  cases: { png: string; phash: string; dhash: string; phash16: string; dhash16: string }[];
};
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const photograph = (png: string) => decodePicture(Buffer.from(png, 'base64'), { where: 'golden' });

describe('hashes', () => {
  it('equal imagehash on every photograph, in both sizes', async () => {
    for (const { png, ...expected } of golden.cases) {
      const picture = await photograph(png);
      expect({
        phash: hex(phash(picture)),
        dhash: hex(dhash(picture)),
        phash16: hex(phash(picture, 16)),
        dhash16: hex(dhash(picture, 16)),
      }).toEqual(expected);
    }
    expect(golden.cases.length).toBeGreaterThanOrEqual(32);
  });

  it('hardly change when a photograph gets a little noise, and do when it is another', async () => {
    const pictures = await Promise.all(golden.cases.slice(0, 12).map(({ png }) => photograph(png)));
    const noisy = (picture: Picture): Picture => ({
      ...picture,
      data: picture.data.map((value, i) => Math.min(255, Math.max(0, value + ((i * 7919) % 5) - 2))),
    });
    for (const [i, picture] of pictures.entries()) {
      expect(hammingDistance(phash(picture), phash(noisy(picture)))).toBeLessThanOrEqual(6);
      const other = pictures[(i + 1) % pictures.length]!;
      expect(hammingDistance(phash(picture), phash(other))).toBeGreaterThan(12);
    }
  });

  it('come as rows of packed bits, whatever sizes the pictures have', async () => {
    const pictures = await Promise.all(golden.cases.slice(0, 3).map(({ png }) => photograph(png)));
    for (const [make, one] of [
      [phashDescriptor, phash],
      [dhashDescriptor, dhash],
    ] as const) {
      const descriptor = make(16);
      expect(descriptor.dimension).toBe(256);
      const rows = await descriptor.describe(pictures);
      expect(rows).toHaveLength(3 * 32);
      expect(hex(rows.subarray(32, 64))).toBe(hex(one(pictures[1]!, 16)));
    }
    expect(phashDescriptor().id).not.toBe(phashDescriptor(16).id);
  });

  it('have sides that fill whole bytes', () => {
    for (const side of [0, 6, 3.5, 68]) expect(() => phashDescriptor(side)).toThrow(/multiple of 4/);
  });

  it('dhash sees one step to the right in a ramp, and none in a flat picture', () => {
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 60 }), fc.integer({ min: 0, max: 255 }), (side, level) => {
        const make = (value: (x: number) => number): Picture => ({
          width: side,
          height: side,
          data: Uint8Array.from({ length: side * side * 3 }, (_, i) => value(Math.floor(i / 3) % side)),
        });
        expect(hex(dhash(make((x) => Math.round((255 * x) / (side - 1)))))).toBe('ff'.repeat(8));
        expect(hex(dhash(make(() => level)))).toBe('00'.repeat(8));
      }),
      { numRuns: 20 },
    );
  });
});
