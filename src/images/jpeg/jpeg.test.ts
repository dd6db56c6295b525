import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { messageOf, VerbatimError } from '../../errors.ts';
import { guardedDecode } from '../decode.ts';
import { decodePicture, decodeThumbnail, type Picture, resize, rms } from '../index.ts';
import { readPlainJpeg } from './header.ts';
import { decodePlainJpeg } from './turbo.ts';

/** fixtures/jpegs.json, made by bench/peers/make_jpeg_fixtures.py. */
interface File {
  readonly name: string;
  readonly plain: boolean;
  readonly width: number;
  readonly height: number;
  readonly bytes: string;
  /** Of Pillow's pixels. */
  readonly sha256?: string;
}

const fixtures = new URL('../fixtures/jpegs.json', import.meta.url);
const files = (JSON.parse(readFileSync(fixtures, 'utf8')) as File[]).map((file) => ({
  ...file,
  bytes: Uint8Array.from(Buffer.from(file.bytes, 'base64')),
}));
const plainFiles = files.filter(({ plain }) => plain);
const where = 'a.jpg';

const plainly = (bytes: Uint8Array): Picture | undefined => {
  const header = readPlainJpeg(bytes);
  return header && decodePlainJpeg(bytes, header);
};
const bySharp = (bytes: Uint8Array, maxPixels = 100_000) =>
  guardedDecode(bytes, { where, maxPixels }, (picture) => picture);
/** The picture, or what the error says. */
const outcome = (decoded: Promise<Picture>) =>
  decoded.catch((error: unknown) => {
    expect(error).toBeInstanceOf(VerbatimError);
    return messageOf(error);
  });

describe('plain JPEGs', () => {
  it.each(plainFiles)('$name: Pillow’s pixels, and sharp’s', async ({ bytes, sha256, width, height }) => {
    const picture = plainly(bytes)!;
    expect([picture.width, picture.height]).toEqual([width, height]);
    expect(createHash('sha256').update(picture.data).digest('hex')).toBe(sha256);
    expect(await bySharp(bytes)).toEqual(picture);
    expect(await decodePicture(bytes, { where })).toEqual(picture);
  });

  it.each(files.filter(({ plain }) => !plain))('$name is none', async ({ bytes }) => {
    expect(readPlainJpeg(bytes)).toBeUndefined();
    expect(await decodePicture(bytes, { where })).toEqual(await bySharp(bytes));
  });

  it('of any size, quality and kind have sharp’s pixels', async () => {
    const kinds = fc.record({
      width: fc.integer({ min: 1, max: 90 }),
      height: fc.integer({ min: 1, max: 90 }),
      quality: fc.integer({ min: 1, max: 100 }),
      progressive: fc.boolean(),
      chromaSubsampling: fc.constantFrom('4:4:4', '4:2:0'),
      optimiseScans: fc.boolean(),
      grey: fc.boolean(),
      noise: fc.integer({ min: 0, max: 255 }),
      seed: fc.nat(),
    });
    await fc.assert(
      fc.asyncProperty(kinds, async ({ width, height, grey, noise, seed, ...options }) => {
        const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
          const random = Math.imul(i + seed, 2654435761) >>> 24;
          return 128 + 90 * Math.sin(i / 31 + seed) + (noise * (random - 128)) / 256;
        });
        const drawn = sharp(data, { raw: { width, height, channels: 3 } });
        const bytes = await (grey ? drawn.greyscale() : drawn).jpeg(options).toBuffer();
        expect(plainly(bytes)).toEqual(await bySharp(bytes));
      }),
      { numRuns: 60 },
    );
  });

  it('are not decoded when they are larger than may be', async () => {
    const { bytes, width, height } = plainFiles[0]!;
    await expect(decodePicture(bytes, { where, maxPixels: width * height - 1 })).rejects.toThrow(
      `${where}: ${width} × ${height} pixels exceed the limit`,
    );
    await expect(decodeThumbnail(bytes, 8, { where, maxPixels: width * height - 1 })).rejects.toThrow(
      'limit',
    );
  });
});

describe('JPEGs that are cut short', () => {
  const names = ['4:2:0 quality 85', '4:2:0 progressive', '4:4:4 restarts', 'grey', 'upright'];
  it.each(names)('%s: no plain one at any length', (name) => {
    const { bytes } = files.find((file) => file.name === name)!;
    for (let length = 0; length < bytes.length; length++)
      expect(readPlainJpeg(bytes.subarray(0, length))).toBeUndefined();
  });

  it.each(names)('%s: what sharp says, also with an end marker behind', async (name) => {
    const { bytes } = files.find((file) => file.name === name)!;
    for (let length = 3; length < bytes.length; length += Math.ceil(bytes.length / 25)) {
      const short = Uint8Array.from([...bytes.subarray(0, length), 0xff, 0xd9]);
      for (const cut of [bytes.subarray(0, length), short])
        expect(await outcome(decodePicture(cut, { where }))).toEqual(await outcome(bySharp(cut)));
    }
  });
});

describe('damaged JPEGs', () => {
  // Where nobody notices the damage, coefficients may be out of all bounds, and then each build of libjpeg has other pixels:
  // so only the size of such pictures is compared.
  it('are refused or decoded as by sharp, whatever was decoded before', async () => {
    const damage = fc.record({
      file: fc.constantFrom(...plainFiles),
      changes: fc.array(fc.tuple(fc.noBias(fc.nat(99_999)), fc.nat(255)), {
        minLength: 1,
        maxLength: 3,
      }),
    });
    let [plain, refused] = [0, 0];
    await fc.assert(
      fc.asyncProperty(damage, async ({ file, changes }) => {
        const bytes = Uint8Array.from(file.bytes);
        for (const [place, value] of changes) bytes[Math.floor((place / 100_000) * bytes.length)] = value;
        // Damage makes huge sizes of small ones.
        const maxPixels = 10_000;
        const ours = await outcome(decodePicture(bytes, { where, maxPixels }));
        const sharps = await outcome(bySharp(bytes, maxPixels));
        const header = readPlainJpeg(bytes);
        const claimed = header ? header.width * header.height : 0;
        if (claimed > maxPixels || plainly(bytes) === undefined) {
          refused++;
          expect(ours).toEqual(sharps);
        } else {
          plain++;
          expect(sharps).toMatchObject({ width: (ours as Picture).width, height: (ours as Picture).height });
        }
        // A decoder that gave up leaves nothing behind.
        const next = plainFiles[(plain + refused) % plainFiles.length]!;
        expect(createHash('sha256').update(plainly(next.bytes)!.data).digest('hex')).toBe(next.sha256);
      }),
      { numRuns: 200 },
    );
    expect(Math.min(plain, refused)).toBeGreaterThan(20);
  });

  it('without their tables are not decoded by those of the file before', async () => {
    const { bytes } = plainFiles.find(({ name }) => name === '4:2:0 quality 85')!;
    const at = Buffer.from(bytes).indexOf(Buffer.from([0xff, 0xdb]));
    const length = bytes[at + 2]! * 256 + bytes[at + 3]!;
    const without = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 2 + length)]);
    expect(plainly(bytes)).toBeDefined();
    expect(readPlainJpeg(without)).toBeDefined();
    expect(plainly(without)).toBeUndefined();
    await expect(decodePicture(without, { where })).rejects.toThrow(`${where}: the picture is damaged`);
  });
});

describe('decodeThumbnail', () => {
  it.each([1, 2, 4, 8])('of a plain JPEG %i times as large is near to decoding and resizing', async (by) => {
    const [width, height] = [32 * by + 5, 32 * by + 17];
    const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
      const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
      return 128 + 60 * Math.sin(x / (4 * by) + (i % 3)) + 60 * Math.cos(y / (3 * by));
    });
    const bytes = await sharp(data, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 95 })
      .toBuffer();
    const small = await decodeThumbnail(bytes, 32, { where });
    const slow = resize(await bySharp(bytes), 32, 32, 'lanczos');
    if (by > 1) expect(small).not.toEqual(slow);
    expect(rms(small, slow)).toBeLessThan(0.02);
  });
});
