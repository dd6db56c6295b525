import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePicture, encodeJpeg, encodePng, type Picture } from '../images/index.ts';
import { dhash, dhashDescriptor, hammingDistance, phash, phashDescriptor, phashOfEncoded } from './index.ts';

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

  it('of a file is that of its picture, with its size', async () => {
    for (const { png, ...expected } of golden.cases.slice(0, 6)) {
      const bytes = Buffer.from(png, 'base64');
      const { width, height } = await photograph(png);
      const found = await phashOfEncoded(bytes, { where: 'golden' });
      expect({ ...found, hash: hex(found.hash) }).toEqual({
        hash: expected.phash,
        width,
        height,
        flat: false,
      });
      expect(hex((await phashOfEncoded(bytes, { where: 'golden', side: 16 })).hash)).toBe(expected.phash16);
    }
  });

  it('says of a picture of one colour, and of faint noise, that there is nothing to describe', async () => {
    const picture = (value: (i: number) => number): Picture => ({
      width: 60,
      height: 45,
      data: Uint8Array.from({ length: 60 * 45 * 3 }, (_, i) => value(i)),
    });
    const flat = async (bytes: Uint8Array) => (await phashOfEncoded(bytes, { where: 'flat' })).flat;
    for (const plain of [
      picture(() => 255),
      picture((i) => [200, 30, 90][i % 3]!),
      picture((i) => 120 + ((i * 7919) % 3)),
    ]) {
      expect(await flat(await encodePng(plain))).toBe(true);
      expect(await flat(await encodeJpeg(plain))).toBe(true);
    }
    // Four levels from left to right are little, but there is something to see.
    expect(await flat(await encodePng(picture((i) => 100 + Math.floor((Math.floor(i / 3) % 60) / 12))))).toBe(
      false,
    );
  });

  it('of a damaged file or one that is too large is an error that says where', async () => {
    const png = Buffer.from(golden.cases[0]!.png, 'base64');
    await expect(phashOfEncoded(png.subarray(0, 400), { where: 'a/b.png' })).rejects.toThrow(
      /^a\/b\.png: .*damaged/,
    );
    await expect(phashOfEncoded(png, { where: 'c.png', maxPixels: 10 })).rejects.toThrow(
      /^c\.png: .*exceed the limit of 10/,
    );
    await expect(phashOfEncoded(new Uint8Array(9), { where: 'd.png' })).rejects.toThrow(
      /^d\.png: not a picture/,
    );
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
