import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunkKey, planChunks } from './chunks.ts';
import { distinctBits, type HammingOptions, hammingIndex, hammingPairs } from './index.ts';

/** In how many bits two of the strings differ, bit by bit. */
function distanceOf(rows: Uint8Array, bytes: number, a: number, b: number): number {
  let differ = 0;
  for (let i = 0; i < bytes; i++)
    for (let bit = 0; bit < 8; bit++)
      differ += ((rows[a * bytes + i]! >> bit) & 1) ^ ((rows[b * bytes + i]! >> bit) & 1);
  return differ;
}

/** What a loop over all pairs finds, as [a, b, distance]. */
function pairwise(rows: Uint8Array, bytes: number, radius: number, newFrom = 0): number[][] {
  const found: number[][] = [];
  for (let a = 0; a < rows.length / bytes; a++)
    for (let b = Math.max(a + 1, newFrom); b < rows.length / bytes; b++) {
      const distance = distanceOf(rows, bytes, a, b);
      if (distance <= radius) found.push([a, b, distance]);
    }
  return found;
}

function pairsOf(rows: Uint8Array, bytes: number, radius: number, options?: HammingOptions): number[][] {
  const found = [...hammingPairs(rows, bytes, radius, options)].flatMap(({ a, b, distance }) =>
    [...a].map((row, i) => [row, b[i]!, distance[i]!]),
  );
  return found.sort((x, y) => x[0]! - y[0]! || x[1]! - y[1]!);
}

/** Strings around a few centres, equal ones among them: where chunks agree often, and pairs are near in many of them. */
const collections = fc
  .record({
    bytes: fc.constantFrom(1, 2, 3, 8, 8, 8, 13, 32),
    count: fc.integer({ min: 0, max: 120 }),
    centres: fc.integer({ min: 1, max: 120 }),
    flips: fc.integer({ min: 0, max: 12 }),
    seed: fc.integer({ min: 0, max: 2 ** 31 }),
  })
  .map(({ bytes, count, centres, flips, seed }) => {
    const random = generator(seed);
    const middle = Uint8Array.from({ length: centres * bytes }, () => random(256));
    const rows = new Uint8Array(count * bytes);
    for (let row = 0; row < count; row++) {
      const centre = random(centres) * bytes;
      rows.set(middle.subarray(centre, centre + bytes), row * bytes);
      for (let i = random(flips + 1); i > 0; i--) rows[row * bytes + random(bytes)]! ^= 1 << random(8);
    }
    return { bytes, count, rows };
  });

/** Whole numbers below a limit: xorshift (Marsaglia 2003). */
function generator(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const radii = fc.integer({ min: 0, max: 16 });

describe('hammingPairs', () => {
  it('finds what comparing all pairs finds, each once, with its distance', () => {
    fc.assert(
      fc.property(collections, radii, ({ rows, bytes }, radius) => {
        expect(pairsOf(rows, bytes, radius)).toEqual(pairwise(rows, bytes, radius));
      }),
      { numRuns: 150 },
    );
  });

  it('finds only pairs with a new string where it is asked to', () => {
    fc.assert(
      fc.property(collections, radii, fc.nat(140), ({ rows, bytes }, radius, newFrom) => {
        expect(pairsOf(rows, bytes, radius, { newFrom })).toEqual(pairwise(rows, bytes, radius, newFrom));
      }),
      { numRuns: 100 },
    );
  });

  it('finds the same among thousands, where keys have many bits', () => {
    const random = generator(5);
    for (const [bytes, radius] of [
      [8, 2],
      [8, 7],
      [8, 12],
      [32, 16],
    ] as const) {
      const rows = Uint8Array.from({ length: 2000 * bytes }, () => random(256));
      // Every fourth string is the one before it with up to radius + 1 bits turned.
      for (let row = 3; row < 2000; row += 4) {
        rows.copyWithin(row * bytes, (row - 1) * bytes, row * bytes);
        for (let i = random(radius + 2); i > 0; i--) rows[row * bytes + random(bytes)]! ^= 1 << random(8);
      }
      expect(planChunks(8 * bytes, radius, 2000).length).toBeGreaterThan(1);
      const expected = pairwise(rows, bytes, radius);
      expect(expected.length).toBeGreaterThan(300);
      expect(pairsOf(rows, bytes, radius)).toEqual(expected);
      expect(pairsOf(rows, bytes, radius, { newFrom: 1500 })).toEqual(expected.filter(([, b]) => b! >= 1500));
    }
  }, 30_000);

  it('gives many pairs in batches, none lost between them', () => {
    // 600 strings of at most two bits each: all 179,700 pairs are within 4.
    const rows = new Uint8Array(600 * 8);
    let row = 0;
    for (let low = 0; low < 64 && row < 600; low++)
      for (let high = low + 1; high < 64 && row < 600; high++, row++) {
        rows[row * 8 + (low >> 3)]! |= 1 << (low & 7);
        rows[row * 8 + (high >> 3)]! |= 1 << (high & 7);
      }
    const batches = [...hammingPairs(rows, 8, 4)];
    expect(batches.length).toBeGreaterThan(2);
    const keys = new Set(batches.flatMap(({ a, b }) => [...a].map((first, i) => first * 600 + b[i]!)));
    expect(batches.reduce((sum, { a }) => sum + a.length, 0)).toBe(179_700);
    expect(keys.size).toBe(179_700);
    const shares = batches.map(({ share }) => share);
    expect(shares).toEqual([...shares].sort((x, y) => x - y));
    expect(shares.at(-1)).toBe(1);
  });

  it('stops at a batch when it is asked to', () => {
    const stop = new AbortController();
    const pairs = hammingPairs(new Uint8Array(600 * 8), 8, 4, { signal: stop.signal });
    expect(pairs.next().value?.a.length).toBeGreaterThan(0);
    stop.abort();
    expect(() => pairs.next()).toThrow(/abort/);
  });

  it('refuses what is no radius and no collection', () => {
    for (const radius of [-1, 0.5, 256, Number.NaN])
      expect(() => [...hammingPairs(new Uint8Array(8), 8, radius)]).toThrow(/0 to 255/);
    expect(() => [...hammingPairs(new Uint8Array(9), 8, 1)]).toThrow(/do not divide into strings of 8/);
    for (const bytes of [0, 1.5, 513])
      expect(() => [...hammingPairs(new Uint8Array(0), bytes, 1)]).toThrow(/1 to 512 bytes/);
  });
});

describe('planChunks', () => {
  it('cuts so that no pair within the radius is far in every chunk', () => {
    // The worst pair spends its bits on making each chunk just too far, the cheapest chunks first.
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 512 }),
        fc.nat(40),
        fc.nat(10_000_000),
        (bytes, radius, count) => {
          const chunks = planChunks(8 * bytes, radius, count);
          const taken = chunks.flatMap(({ bits }) => bits);
          expect(new Set(taken).size).toBe(taken.length);
          expect(taken.every((bit) => bit >= 0 && bit < 8 * bytes)).toBe(true);
          const needed = chunks.reduce((sum, chunk) => sum + chunk.radius + 1, 0);
          // A chunk that has no more bits than its radius is near for every pair.
          expect(needed > radius || chunks.some((chunk) => chunk.bits.length <= chunk.radius)).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('lists as flips all keys within the chunk’s radius, each once', () => {
    for (const { bits, radius, flips } of planChunks(64, 8, 100_000)) {
      expect(new Set(flips).size).toBe(flips.length);
      const near = Array.from({ length: 2 ** bits.length }, (_, key) => key).filter(
        (key) => key.toString(2).replaceAll('0', '').length <= radius,
      );
      expect([...flips].sort((a, b) => a - b)).toEqual(near);
    }
  });

  it('reads keys as the bits say', () => {
    const chunk = { bits: [63, 0, 9], radius: 0, flips: new Uint32Array(1) };
    const key = chunkKey(8, chunk);
    expect(key(Uint8Array.of(0, 0x80, 0, 0, 0, 0, 0, 0, 0), 1)).toBe(2);
    expect(key(Uint8Array.of(0x7f, 0x40, 0, 0, 0, 0, 0, 0x01), 0)).toBe(1 + 4);
  });
});

describe('hammingIndex', () => {
  it('finds for any query the rows that comparing with each finds, the nearest first', () => {
    fc.assert(
      fc.property(collections, radii, fc.nat(), ({ rows, bytes, count }, radius, seed) => {
        const index = hammingIndex(rows, bytes, radius);
        const random = generator(seed);
        for (let i = 0; i < 5; i++) {
          const near = count > 0 && i > 0 ? random(count) * bytes : -1;
          const query = near < 0 ? new Uint8Array(bytes) : rows.slice(near, near + bytes);
          for (let flips = random(6); flips > 0; flips--) query[random(bytes)]! ^= 1 << random(8);
          const all = new Uint8Array([...rows, ...query]);
          const expected = Array.from({ length: count }, (_, row) => ({
            row,
            distance: distanceOf(all, bytes, row, count),
          })).filter(({ distance }) => distance <= radius);
          expected.sort((a, b) => a.distance - b.distance || a.row - b.row);
          expect(index.within(query)).toEqual(expected);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('refuses a query of another length', () => {
    expect(() => hammingIndex(new Uint8Array(16), 8, 1).within(new Uint8Array(4))).toThrow(/rows of 8/);
  });
});

describe('distinctBits', () => {
  it('gives each row its string, and strings in order of first appearance', () => {
    fc.assert(
      fc.property(collections, ({ rows, bytes, count }) => {
        const text = (all: Uint8Array, at: number) => all.subarray(at * bytes, (at + 1) * bytes).join();
        const seen = [...new Set(Array.from({ length: count }, (_, row) => text(rows, row)))];
        const { first, of, distinct } = distinctBits(rows, bytes);
        expect(Array.from(first, (_, i) => text(distinct, i))).toEqual(seen);
        expect(distinct.length).toBe(seen.length * bytes);
        expect(Array.from(of, (i) => seen[i])).toEqual(Array.from(of, (_, row) => text(rows, row)));
        expect([...first].every((row, i) => of[row] === i && of.indexOf(i) === row)).toBe(true);
        expect(of.length).toBe(count);
      }),
    );
  });

  it('collapses a million equal strings to one, and grows for as many different ones', () => {
    expect(distinctBits(new Uint8Array(8e6).fill(7), 8).first.length).toBe(1);
    const counted = new Uint8Array(new Uint32Array(300_000).map((_, i) => i % 250_000).buffer);
    const { first, of } = distinctBits(counted, 4);
    expect(first.length).toBe(250_000);
    expect(of[299_999]).toBe(49_999);
  });
});
