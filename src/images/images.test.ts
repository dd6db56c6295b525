import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VerbatimError } from '../errors.ts';
import { floatTensor } from '../math/index.ts';
import { narrowRows } from './grey.ts';
import {
  allPictures,
  centreCrop,
  coverThumbnail,
  crop,
  dilate,
  edgeMap,
  erode,
  type Mask,
  maskedRms,
  maskedSumSquaredDifference,
  maskShare,
  type Picture,
  picturesToTensor,
  pictureToTensor,
  type ResizeFilter,
  resize,
  resizeGrey,
  rms,
  sobelMagnitude,
  squareThumbnail,
  sumSquaredDifference,
  tensorToPictures,
} from './index.ts';
import { narrowByVectors } from './narrow.ts';
import { weightsFor } from './resize.ts';
import { bytesFrom, type Golden, pictureFrom } from './testing/golden.ts';

const golden = JSON.parse(readFileSync(new URL('fixtures/golden.json', import.meta.url), 'utf8')) as Golden;
const source = pictureFrom(golden.source);
const large = pictureFrom(golden.large);

function flat(width: number, height: number, [r, g, b]: [number, number, number]): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i += 3) data.set([r, g, b], i);
  return { width, height, data };
}

const pictures = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }))
  .chain(([width, height]) =>
    fc
      .uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
      .map((data): Picture => ({ width, height, data })),
  );

describe('resizeGrey', () => {
  /** Pillow's convert('L'), all channels alike. */
  const grey = ({ width, height, data }: Picture): Picture => ({
    width,
    height,
    data: data.map((_, i) => {
      const [r, g, b] = data.subarray(i - (i % 3), i - (i % 3) + 3);
      return (r! * 19595 + g! * 38470 + b! * 7471 + 0x8000) >> 16;
    }),
  });

  it('has the levels of the resized grey picture', () => {
    const side = fc.integer({ min: 1, max: 24 });
    const filter = fc.constantFrom('box', 'bilinear', 'hamming', 'bicubic', 'lanczos');
    fc.assert(
      fc.property(pictures, side, side, filter, (picture, width, height, by) => {
        const expected = resize(grey(picture), width, height, by).data.filter((_, i) => i % 3 === 0);
        expect(resizeGrey(picture, width, height, by)).toEqual(expected);
      }),
    );
    for (const picture of [source, large])
      expect(resizeGrey(picture, 32, 32, 'lanczos')).toEqual(
        resize(grey(picture), 32, 32, 'lanczos').data.filter((_, i) => i % 3 === 0),
      );
  });

  it('has the same levels with vectors and without, in extreme pictures and over many bands', () => {
    const noise = (width: number, height: number, extreme: boolean): Picture => ({
      width,
      height,
      data: Uint8Array.from({ length: width * height * 3 }, (_, i) => {
        const value = Math.imul(i + 1, 0x9e3779b1) >>> 24;
        return extreme ? (value > 127 ? 255 : 0) : value;
      }),
    });
    for (const [width, height, to] of [
      [1, 1, 3],
      [7, 5, 32],
      [33, 9, 32],
      [640, 150, 32],
      [9001, 9, 16],
      [50, 40, 700],
    ] as const)
      for (const extreme of [false, true])
        for (const filter of ['box', 'lanczos'] as const) {
          const picture = noise(width, height, extreme);
          const across = weightsFor(filter, width, to);
          expect(narrowByVectors(picture.data, width, height, across)).toEqual(
            narrowRows(picture, to, across),
          );
        }
  });
});

describe('resize', () => {
  it.each(golden.resize)('$filter to $width × $height is Pillow’s, to the last level', (wanted) => {
    const expected = pictureFrom(wanted);
    const actual = resize(wanted.large ? large : source, wanted.width, wanted.height, wanted.filter);
    expect(actual).toEqual(expected);
  });

  const filters: ResizeFilter[] = ['nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos'];
  it.each(filters)('%s keeps a flat picture flat, and does not share memory', (filter) => {
    const side = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(side, side, side, side, (w, h, toW, toH) => {
        expect(resize(flat(w, h, [0, 255, 77]), toW, toH, filter)).toEqual(flat(toW, toH, [0, 255, 77]));
      }),
      { numRuns: 40 },
    );
    const same = resize(source, source.width, source.height, filter);
    expect(same).toEqual(source);
    expect(same.data).not.toBe(source.data);
  });

  it('refuses sizes that are none', () => {
    for (const side of [0, -1, 1.5, Number.NaN])
      expect(() => resize(source, side, 3, 'box')).toThrow(VerbatimError);
  });
});

describe('Sobel', () => {
  it('has scipy’s magnitudes', () => {
    const expected = new Float32Array(bytesFrom(golden.sobel.magnitude).buffer);
    const actual = sobelMagnitude(source);
    expect(actual.length).toBe(expected.length);
    for (let i = 0; i < expected.length; i++)
      if (!(Math.abs(actual[i]! - expected[i]!) <= 1e-6 * Math.max(1, expected[i]!)))
        expect.fail(`value ${i}: ${actual[i]}, scipy ${expected[i]}`);
    const thin = sobelMagnitude(pictureFrom(golden.sobel.thin));
    const thinExpected = new Float32Array(bytesFrom(golden.sobel.thinMagnitude).buffer);
    expect(thin.length).toBe(thinExpected.length);
    for (let i = 0; i < thin.length; i++) expect(thin[i]).toBeCloseTo(thinExpected[i]!, 5);
  });

  it('has scipy’s edges', () => {
    for (const [threshold, edges] of Object.entries(golden.sobel.edges))
      expect(edgeMap(source, Number(threshold)).data).toEqual(bytesFrom(edges));
    const soft = edgeMap(pictureFrom(golden.sobel.soft));
    expect(soft.data).toEqual(bytesFrom(golden.sobel.softEdges));
    expect(maskShare(soft)).toBeGreaterThan(0.1);
    expect(maskShare(soft)).toBeLessThan(0.9);
  });

  it('a grey step of one unit counts 16 in each channel', () => {
    const data = new Uint8Array(4 * 3 * 3);
    for (let y = 0; y < 3; y++) data.fill(255, (y * 4 + 2) * 3, (y * 4 + 4) * 3);
    const row = sobelMagnitude({ width: 4, height: 3, data }).slice(12, 24);
    expect([...row]).toEqual([0, 0, 0, 16, 16, 16, 16, 16, 16, 0, 0, 0]);
  });
});

describe('masks', () => {
  const { width, height, data, erode: eroded, dilate: dilated, reference } = golden.morphology;
  const mask: Mask = { width, height, data: bytesFrom(data) };

  it('erodes and dilates as scipy does, even sizes too', () => {
    for (const [size, expected] of Object.entries(eroded))
      expect(erode(mask, Number(size)).data, `erode ${size}`).toEqual(bytesFrom(expected));
    for (const [size, expected] of Object.entries(dilated))
      expect(dilate(mask, Number(size)).data, `dilate ${size}`).toEqual(bytesFrom(expected));
  });

  it('erode 3, dilate 6 is the reference’s template mask, which it makes on three channels', () => {
    expect(dilate(erode(mask, 3), 6).data).toEqual(bytesFrom(reference));
  });

  it('an erosion lies inside, a dilation around', () => {
    for (const size of [1, 2, 5, 30]) {
      const inner = erode(mask, size).data;
      const outer = dilate(mask, size).data;
      for (let i = 0; i < data.length && i < inner.length; i++) {
        expect(inner[i]! <= mask.data[i]!).toBe(true);
        expect(outer[i]! >= mask.data[i]!).toBe(true);
      }
    }
    expect(() => erode(mask, 0)).toThrow(RangeError);
  });
});

describe('distances', () => {
  it('black and white are one apart in every value', () => {
    const black = flat(4, 5, [0, 0, 0]);
    const white = flat(4, 5, [255, 255, 255]);
    expect(sumSquaredDifference(black, white)).toBe(60);
    expect(rms(black, white)).toBe(1);
    const mask: Mask = { width: 4, height: 5, data: new Uint8Array(20).fill(1, 0, 7) };
    expect(maskedSumSquaredDifference(black, white, mask)).toBe(21);
    expect(maskedRms(black, white, mask)).toBe(1);
    expect(maskShare(mask)).toBe(0.35);
    expect(() => rms(black, flat(5, 4, [0, 0, 0]))).toThrow(/4 × 5 and 5 × 4/);
  });

  it('are the textbook sums, symmetric, zero only for equal pictures', () => {
    fc.assert(
      fc.property(pictures, fc.infiniteStream(fc.nat(255)), (a, stream) => {
        const b: Picture = { ...a, data: Uint8Array.from(a.data, () => stream.next().value!) };
        let sum = 0;
        for (let i = 0; i < a.data.length; i++) sum += (a.data[i]! / 255 - b.data[i]! / 255) ** 2;
        expect(sumSquaredDifference(a, b)).toBeCloseTo(sum, 9);
        expect(sumSquaredDifference(b, a)).toBe(sumSquaredDifference(a, b));
        expect(rms(a, b)).toBeCloseTo(Math.sqrt(sum / a.data.length), 9);
        expect(rms(a, a)).toBe(0);
        const whole: Mask = { ...a, data: new Uint8Array(a.width * a.height).fill(1) };
        expect(maskedSumSquaredDifference(a, b, whole)).toBe(sumSquaredDifference(a, b));
      }),
    );
  });
});

describe('tensors', () => {
  it('round as diffusers does', () => {
    const { values, rounded, normalized } = golden.tensors;
    const tensor = floatTensor([1, 3, 1, values.length / 3], Float32Array.from(values));
    const [picture] = allPictures(tensorToPictures(tensor));
    const planar = Array.from(values, (_, i) => {
      const plane = values.length / 3;
      return picture!.data[(i % plane) * 3 + Math.floor(i / plane)];
    });
    expect(planar).toEqual(rounded);
    const ramp = Uint8Array.from({ length: 256 * 3 }, (_, i) => Math.floor(i / 3));
    const back = pictureToTensor({ width: 256, height: 1, data: ramp });
    expect(back.shape).toEqual([1, 3, 1, 256]);
    expect([...back.data.slice(256, 512)]).toEqual(normalized);
  });

  it('a picture survives the way there and back', () => {
    fc.assert(
      fc.property(pictures, (picture) => {
        const other = { ...picture, data: picture.data.toReversed() };
        expect(tensorToPictures(picturesToTensor([picture, other]))).toEqual([picture, other]);
      }),
    );
  });

  it('a value that is not a number is an error, not a black pixel', () => {
    const tensor = floatTensor([3, 3, 2, 2]);
    const [, sound] = tensorToPictures(tensor);
    tensor.data[7] = Number.NaN;
    const [broken, ...others] = tensorToPictures(tensor);
    expect(broken).toBeInstanceOf(VerbatimError);
    expect((broken as VerbatimError).message).toMatch(/not a number at channel 1, row 1/);
    // Its neighbours in the batch are as if nothing had happened.
    expect(others).toEqual([sound, sound]);
    expect(() => allPictures([...others, broken!])).toThrow(/channel 1, row 1/);
    tensor.data[7] = Number.POSITIVE_INFINITY;
    expect(allPictures(tensorToPictures(tensor))[0]!.data[3 * 3 + 1]).toBe(255);
    expect(() => tensorToPictures(floatTensor([1, 4, 2, 2]))).toThrow(/1, 4, 2, 2/);
    expect(() => picturesToTensor([source, large])).toThrow(/picture 1 is/);
  });
});

describe('crops', () => {
  it('takes the rectangle that it is asked for', () => {
    const piece = crop(source, 7, 11, 5, 3);
    for (let y = 0; y < 3; y++)
      for (let x = 0; x < 5; x++)
        for (let c = 0; c < 3; c++)
          expect(piece.data[(y * 5 + x) * 3 + c]).toBe(source.data[((11 + y) * 53 + 7 + x) * 3 + c]);
    expect(centreCrop(source, 10, 10)).toEqual(crop(source, 21, 16, 10, 10));
    expect(() => crop(source, 52, 0, 2, 2)).toThrow(/53 × 43/);
  });

  it('a thumbnail is square, cut from the middle', () => {
    const thumbnail = squareThumbnail(source, 20, 'bicubic');
    expect(thumbnail).toEqual(crop(resize(source, 24, 20, 'bicubic'), 2, 0, 20, 20));
    const tall: Picture = { width: 1, height: 6, data: new Uint8Array(18) };
    expect(squareThumbnail(tall, 4)).toMatchObject({ width: 4, height: 4 });
  });

  it('a thumbnail of any shape covers it, cut from the middle', () => {
    // 53 × 43 on 30 × 10: 30 / 53 is the larger scale, and 43 · 30 / 53 is 24.3.
    expect(coverThumbnail(source, 30, 10)).toEqual(crop(resize(source, 30, 24, 'bicubic'), 0, 7, 30, 10));
    expect(coverThumbnail(source, 10, 30)).toEqual(crop(resize(source, 36, 30, 'bicubic'), 13, 0, 10, 30));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }), (width, height) => {
        expect(coverThumbnail(source, width, height)).toMatchObject({ width, height });
      }),
      { numRuns: 30 },
    );
  });
});
