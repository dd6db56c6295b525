import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Picture } from '../images/index.ts';
import { createRandom } from '../math/index.ts';
import { cosineSimilarity, hammingDistance, pixelDescriptor, splitProduct } from './index.ts';

const vector = (length: number) =>
  fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: length, maxLength: length });

describe('split-product', () => {
  it('is the largest product of parts, same position at most cross', () => {
    fc.assert(
      fc.property(vector(12), vector(12), fc.constantFrom(1, 2, 3, 4, 6), (x, y, chunks) => {
        const [a, b] = [Float32Array.from(x), Float32Array.from(y)];
        const length = 12 / chunks;
        const products = Array.from({ length: chunks }, (_, k) =>
          Array.from({ length: chunks }, (_, l) =>
            x
              .slice(k * length, (k + 1) * length)
              .reduce((sum, _, i) => sum + a[k * length + i]! * b[l * length + i]!, 0),
          ),
        );
        const same = Math.max(...products.map((row, k) => row[k]!));
        const cross = Math.max(...products.flat());
        expect(splitProduct(a, b, chunks)).toBeCloseTo(same, 10);
        expect(splitProduct(a, b, chunks, 'cross')).toBeCloseTo(cross, 10);
        expect(splitProduct(a, b, chunks, 'cross')).toBe(splitProduct(b, a, chunks, 'cross'));
      }),
    );
  });

  it('finds a part that moved, which the whole does not show', () => {
    const a = Float32Array.of(1, 0, 0, 0, 0, 0);
    const moved = Float32Array.of(0, 0, 0, 0, 1, 0);
    expect(cosineSimilarity(a, moved)).toBe(0);
    expect(splitProduct(a, moved, 3)).toBe(0);
    expect(splitProduct(a, moved, 3, 'cross')).toBe(1);
  });

  it('refuses parts that do not come out even, and rows of two lengths', () => {
    const a = new Float32Array(10);
    expect(() => splitProduct(a, a, 3)).toThrow('10 values cannot be cut into 3 equal parts');
    expect(() => cosineSimilarity(a, new Float32Array(9))).toThrow('descriptions of 10 and of 9 values');
  });
});

describe('Hamming distance', () => {
  it('counts the bits that differ', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        (a, b) => {
          const bits = (row: Uint8Array) =>
            [...row].map((byte) => byte.toString(2).padStart(8, '0')).join('');
          const expected = [...bits(a)].filter((bit, i) => bit !== bits(b)[i]).length;
          expect(hammingDistance(a, b)).toBe(expected);
        },
      ),
    );
  });
});

describe('pixels', () => {
  const random = createRandom(4);
  const noise = (width: number, height: number): Picture => ({
    width,
    height,
    data: Uint8Array.from({ length: width * height * 3 }, () => 40 + random.integer(120)),
  });

  it('do not see brightness or contrast, and tell other pictures apart', async () => {
    const picture = noise(32, 32);
    const brighter = { ...picture, data: picture.data.map((value) => value + 50) };
    const harder = { ...picture, data: picture.data.map((value) => Math.round(1.5 * value)) };
    const descriptor = pixelDescriptor(8);
    const rows = await descriptor.describe([picture, brighter, harder, noise(32, 32)]);
    const row = (i: number) => rows.subarray(i * 192, (i + 1) * 192);
    expect(descriptor.dimension).toBe(192);
    expect(cosineSimilarity(row(0), row(0))).toBeCloseTo(1, 5);
    expect(cosineSimilarity(row(0), row(1))).toBeGreaterThan(0.999);
    expect(cosineSimilarity(row(0), row(2))).toBeGreaterThan(0.98);
    expect(Math.abs(cosineSimilarity(row(0), row(3)))).toBeLessThan(0.5);
  });

  it('of one colour are nothing: no NaN, similar to nothing', async () => {
    const flat: Picture = { width: 9, height: 7, data: new Uint8Array(9 * 7 * 3).fill(93) };
    const rows = await pixelDescriptor(4).describe([flat]);
    expect([...rows]).toEqual(new Array(48).fill(0));
  });
});
