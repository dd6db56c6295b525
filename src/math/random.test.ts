import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom, exactLog, hashSeed, mix32, murmurHash3, xoshiro128StarStar } from './random.ts';

describe('xoshiro128**', () => {
  it('gives the words of the authors’ C program for the state 1, 2, 3, 4', () => {
    const random = xoshiro128StarStar([1, 2, 3, 4]);
    const expected = [
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ];
    expect(expected.map(() => random.uint32())).toEqual(expected);
    expect(() => xoshiro128StarStar([0, 0, 0, 0])).toThrow(/zero/);
  });

  it('a seed names one stream, for all time', () => {
    const random = createRandom(42);
    const first = [random.uint32(), random.uint32(), random.integer(1000), random.normal(), random.normal()];
    const again = createRandom(42);
    expect([again.uint32(), again.uint32(), again.integer(1000), again.normal(), again.normal()]).toEqual(
      first,
    );
    for (const other of [0, 41, 43, 42 + 2 ** 32]) expect(createRandom(other).uint32()).not.toBe(first[0]);
    expect(() => createRandom(-1)).toThrow(/-1/);
    expect(() => createRandom(0.5)).toThrow();
  });

  it('uniform, integer and normal have their distributions', () => {
    const random = createRandom(1);
    const n = 40_000;
    const counts = new Array<number>(7).fill(0);
    let sum = 0;
    let squares = 0;
    let fourths = 0;
    let uniforms = 0;
    for (let i = 0; i < n; i++) {
      counts[random.integer(7)]!++;
      const u = random.uniform();
      if (!(u >= 0 && u < 1)) expect.fail(`uniform gave ${u}`);
      uniforms += u;
      const z = random.normal();
      sum += z;
      squares += z * z;
      fourths += z ** 4;
    }
    const chiSquared = counts.reduce((total, count) => total + (count - n / 7) ** 2 / (n / 7), 0);
    expect(chiSquared).toBeLessThan(22.46); // the 99.9% point for 6 degrees of freedom
    // Each within five standard errors.
    expect(Math.abs(uniforms / n - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(sum / n)).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(squares / n - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(Math.abs(fourths / n - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
  });

  it('shuffles into a permutation, each element everywhere alike', () => {
    const random = createRandom(9);
    const landings = new Array<number>(5).fill(0);
    for (let i = 0; i < 5000; i++) {
      const shuffled = random.shuffle([0, 1, 2, 3, 4]);
      expect(shuffled.toSorted()).toEqual([0, 1, 2, 3, 4]);
      landings[shuffled.indexOf(0)]!++;
    }
    for (const count of landings) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(800));
  });

  it('integer covers ranges up to 2^32 and refuses others', () => {
    const random = createRandom(2);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 32 }), (n) => {
        const value = random.integer(n);
        expect(Number.isInteger(value) && value >= 0 && value < n).toBe(true);
      }),
    );
    expect(() => random.integer(0)).toThrow(/got 0/);
  });
});

describe('hashSeed', () => {
  it('MurmurHash3 gives its published test vectors', () => {
    const hash = (bytes: number[], seed: number) => murmurHash3(Uint8Array.from(bytes), seed);
    expect(hash([], 0)).toBe(0);
    expect(hash([], 1)).toBe(0x514e28b7);
    expect(hash([], 0xffffffff)).toBe(0x81f16f39);
    expect(hash([0xff, 0xff, 0xff, 0xff], 0)).toBe(0x76293b50);
    expect(hash([0x21, 0x43, 0x65, 0x87], 0)).toBe(0xf55b516b);
    expect(hash([0x21, 0x43, 0x65, 0x87], 0x5082edee)).toBe(0x2362f9de);
    expect(hash([0x21, 0x43, 0x65], 0)).toBe(0x7e4a8634);
  });

  it('keeps parts apart and gives safe integers that do not collide', () => {
    expect(hashSeed('a', 'b')).not.toBe(hashSeed('ab'));
    expect(hashSeed(1)).not.toBe(hashSeed('1'));
    const seeds = new Set(Array.from({ length: 20_000 }, (_, i) => hashSeed('scene', i)));
    expect(seeds.size).toBe(20_000);
    expect([...seeds].every((seed) => Number.isSafeInteger(seed) && seed >= 0)).toBe(true);
  });

  it('neighbouring streams are not correlated', () => {
    const n = 4000;
    let product = 0;
    for (let i = 0; i < n; i++)
      product += createRandom(hashSeed('s', i)).normal() * createRandom(hashSeed('s', i + 1)).normal();
    expect(Math.abs(product / n)).toBeLessThan(5 / Math.sqrt(n));
  });
});

it('mix32 is one-to-one', () => {
  const images = new Set(Array.from({ length: 50_000 }, (_, i) => mix32(i * 85_899)));
  expect(images.size).toBe(50_000);
});

it('exactLog is the logarithm', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-300, max: 1e300, noNaN: true }), (x) => {
      expect(Math.abs(exactLog(x) - Math.log(x))).toBeLessThan(4e-16 * Math.max(1, Math.abs(Math.log(x))));
    }),
  );
});
