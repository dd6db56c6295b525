import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { VerbatimError } from '../errors.ts';
import { decodePicture, decodeThumbnail, encodeJpeg, encodePng, resize, rms } from './index.ts';
import { bytesFrom, type Golden, pictureFrom } from './testing/golden.ts';

const golden = JSON.parse(readFileSync(new URL('fixtures/golden.json', import.meta.url), 'utf8')) as Golden;
const source = pictureFrom(golden.source);

async function failure(bytes: Uint8Array, maxPixels?: number): Promise<VerbatimError> {
  try {
    await decodePicture(bytes, { where: 'set.csv row 7', ...(maxPixels === undefined ? {} : { maxPixels }) });
  } catch (error) {
    expect(error).toBeInstanceOf(VerbatimError);
    const message = (error as VerbatimError).message;
    expect(message).toMatch(/^set\.csv row 7: /);
    expect(message).not.toContain('\n');
    return error as VerbatimError;
  }
  return expect.fail('the picture was accepted');
}

/** A PNG that is nothing but a header. */
function pngHeader(width: number, height: number): Uint8Array {
  const chunk = Buffer.alloc(25);
  chunk.writeUInt32BE(13, 0);
  chunk.write('IHDR', 4, 'latin1');
  chunk.writeUInt32BE(width, 8);
  chunk.writeUInt32BE(height, 12);
  chunk.set([8, 2, 0, 0, 0], 16);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 21)), 21);
  const emptyData = Buffer.from('00000000494441540000000049454e44ae426082', 'hex');
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk, emptyData]);
}

describe('decodePicture', () => {
  it.each(golden.files)('$name gives Pillow’s pixels', async (file) => {
    const expected = pictureFrom(file);
    const actual = await decodePicture(bytesFrom(file.bytes), { where: file.name });
    expect([actual.width, actual.height]).toEqual([expected.width, expected.height]);
    // Lossless files exactly. Lossy ones, blends and 16 bits are rounded elsewhere: one level at most.
    const worst = Math.max(...actual.data.map((value, i) => Math.abs(value - expected.data[i]!)));
    expect(worst).toBeLessThanOrEqual(file.exact ? 0 : 1);
  });

  it('refuses a claim of 50,000 × 50,000 pixels from the header alone', async () => {
    const before = process.memoryUsage().rss;
    const error = await failure(pngHeader(50_000, 50_000));
    expect(error.message).toContain('50000 × 50000 pixels exceed the limit of 100000000');
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
  });

  it('the limit is the caller’s', async () => {
    const png = await encodePng(source);
    expect((await failure(png, 53 * 43 - 1)).message).toContain('limit of 2278');
    expect(await decodePicture(png, { where: 'x', maxPixels: 53 * 43 })).toEqual(source);
  });

  const names = ['rgb.png', 'plain.jpg', 'lossless.webp', 'still.gif', 'plain.tiff'];
  it.each(names)('%s cut short is an error at any length', async (name) => {
    const bytes = bytesFrom(golden.files.find((file) => file.name === name)!.bytes);
    for (const share of [0.02, 0.3, 0.6, 0.9])
      await failure(bytes.slice(0, Math.floor(bytes.length * share)));
  });

  it('damage inside a PNG is an error', async () => {
    const bytes = await encodePng(source);
    const damaged = Uint8Array.from(bytes);
    damaged[Math.floor(bytes.length / 2)]! ^= 0x55;
    await failure(damaged);
  });

  it('what is no picture is refused by name', async () => {
    expect((await failure(new Uint8Array(0))).message).toContain('0 bytes');
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';
    for (const text of [svg, '<html>404</html>', '%PDF-1.7', 'x'])
      expect((await failure(new TextEncoder().encode(text))).message).toContain('JPEG, PNG');
  });
});

describe('encoding', () => {
  it('PNG is lossless and the same bytes every time', async () => {
    const first = await encodePng(source);
    expect(await decodePicture(first, { where: 'png' })).toEqual(source);
    expect(await encodePng({ ...source, data: Uint8Array.from(source.data) })).toEqual(first);
  });

  it('JPEG loses less at higher quality', async () => {
    const soft = pictureFrom(golden.sobel.soft);
    const loss = async (quality: number) =>
      rms(soft, await decodePicture(await encodeJpeg(soft, quality), { where: 'jpeg' }));
    const fine = await loss(95);
    expect(fine).toBeLessThan(0.03);
    expect(await loss(20)).toBeGreaterThan(fine);
  });

  it('a picture whose data do not fit is a defect of the caller', async () => {
    await expect(encodePng({ width: 2, height: 2, data: new Uint8Array(11) })).rejects.toThrow(
      /12 values, not 11/,
    );
  });
});

describe('decodeThumbnail', () => {
  it('is the picture in small, whatever its shape, near to what decoding and resizing give', async () => {
    const large = resize(source, 424, 344, 'bicubic');
    for (const bytes of [await encodeJpeg(large), await encodePng(large)]) {
      const small = await decodeThumbnail(bytes, 32, { where: 'x' });
      expect([small.width, small.height]).toEqual([32, 32]);
      const slow = resize(await decodePicture(bytes, { where: 'x' }), 32, 32, 'lanczos');
      expect(rms(small, slow)).toBeLessThan(0.02);
    }
  });

  it('refuses what decodePicture refuses', async () => {
    const small = (bytes: Uint8Array) => decodeThumbnail(bytes, 32, { where: 'set.csv row 7' });
    await expect(small(pngHeader(50_000, 50_000))).rejects.toThrow('set.csv row 7: 50000 × 50000 pixels');
    await expect(small(Buffer.from('hello'))).rejects.toThrow('set.csv row 7: not a picture');
    const jpeg = await encodeJpeg(source);
    await expect(small(jpeg.subarray(0, jpeg.length / 2))).rejects.toThrow(
      'set.csv row 7: the picture is damaged',
    );
  });
});
