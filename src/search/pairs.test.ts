import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dot, toFloat16, toFloat32 } from '../math/index.ts';
import { writeNpy } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { memoryRows, openNpyRows, openPairSearch, type PairOptions, type VectorRows } from './index.ts';
import { pairsOf, pairsOneByOne, rowsWithCopies } from './testing/vectors.ts';

const folder = temporaryFolder('pairs');
const dimension = 24;
const rows = rowsWithCopies(900, dimension, 1);

async function find(collection: VectorRows, options: PairOptions, order?: (units: number) => number[]) {
  const search = await openPairSearch(collection, { threads: 1, ...options });
  try {
    return await pairsOf(search, order?.(search.units));
  } finally {
    await search.close();
  }
}

describe('exhaustive pairs', () => {
  it('are those that comparing one by one finds, whatever blocks and threads', async () => {
    const expected = pairsOneByOne(rows, dimension, 0.9);
    expect(expected.length).toBeGreaterThan(100);
    for (const [blockRows, threads] of [
      [1, 1],
      [130, 2],
      [5000, 1],
    ] as const)
      expect(await find(memoryRows(rows, dimension, blockRows), { threshold: 0.9, threads })).toEqual(
        expected,
      );
  });

  it('of float16 are what those numbers say, from memory and from files', async () => {
    const bits = toFloat16(rows);
    const expected = pairsOneByOne(toFloat32(bits), dimension, 0.9);
    expect(await find(memoryRows(bits, dimension, 100), { threshold: 0.9 })).toEqual(expected);
    const paths = ['one', 'two'].map((name) => join(folder, `${name}.npy`));
    await writeNpy(paths[0]!, bits.slice(0, 333 * dimension), dimension);
    await writeNpy(paths[1]!, bits.slice(333 * dimension), dimension);
    const files = await openNpyRows(paths, 100);
    expect(await find(files, { threshold: 0.9 })).toEqual(expected);
    await files.close();
  });

  it('reach the threshold to the last digit', async () => {
    const pair = pairsOneByOne(rows, dimension, 0.9).find(([, , similarity]) => similarity < 0.99)!;
    const two = Float32Array.from([0, 1].flatMap((i) => [...row(rows, pair[i as 0 | 1])]));
    const similarity = dot(two.subarray(0, dimension), two.subarray(dimension));
    expect(await find(memoryRows(two, dimension), { threshold: similarity })).toEqual([[0, 1, similarity]]);
    const above = similarity * (1 + Number.EPSILON);
    expect(await find(memoryRows(two, dimension), { threshold: above })).toEqual([]);
  });

  it('hold for any numbers, with equal rows, rows of zeros and long ones', async () => {
    const small = fc.integer({ min: -2, max: 2 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(small, small, small), { maxLength: 30 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 0, max: 31 }),
        fc.integer({ min: 1, max: 31 }),
        async (collection, threshold, newFrom, blockRows) => {
          const data = Float32Array.from(collection.flat());
          const found = await find(memoryRows(data, 3, blockRows), { threshold, newFrom });
          expect(found).toEqual(pairsOneByOne(data, 3, threshold, newFrom));
        },
      ),
      { numRuns: 12 },
    );
  });

  it('with new rows are those that are not among the old ones', async () => {
    const all = pairsOneByOne(rows, dimension, 0.9);
    const found = await find(memoryRows(rows, dimension), { threshold: 0.9, newFrom: 700 });
    expect(found).toEqual(all.filter(([, b]) => b >= 700));
    expect(found.length).toBeLessThan(all.length);
    expect(await find(memoryRows(rows, dimension), { threshold: 0.9, newFrom: 900 })).toEqual([]);
  });

  it('come in units of any order, none twice', async () => {
    const many = rowsWithCopies(4500, 8, 3);
    const expected = pairsOneByOne(many, 8, 0.998);
    const reversed = (units: number) => Array.from({ length: units }, (_, i) => units - 1 - i);
    expect(await find(memoryRows(many, 8), { threshold: 0.998 }, reversed)).toEqual(expected);
    const search = await openPairSearch(memoryRows(many, 8), { threshold: 0.998, threads: 1 });
    expect(search.units).toBe(3);
    // Two at once, and one of them again.
    const [once, , again] = await Promise.all([search.pairs(2), search.pairs(0), search.pairs(2)]);
    expect(again).toEqual(once);
    await search.close();
  });

  it('refuse what is not a number, and a threshold that every row reaches', async () => {
    const broken = rows.slice();
    broken[dimension * 600 + 7] = Number.NaN;
    await expect(find(memoryRows(broken, dimension, 100), { threshold: 0.9 })).rejects.toThrow(
      'vector 600 holds a value that is not a finite number',
    );
    for (const threshold of [0, -1, Number.NaN])
      await expect(find(memoryRows(rows, dimension), { threshold })).rejects.toThrow('above 0');
    await expect(find(memoryRows(rows, dimension), { threshold: 0.9, newFrom: 1.5 })).rejects.toThrow(
      'new rows begin at a whole number',
    );
  });

  it('stop when they are told to', async () => {
    const reason = new Error('enough');
    const aborted = { threshold: 0.9, signal: AbortSignal.abort(reason) };
    await expect(find(memoryRows(rows, dimension), aborted)).rejects.toBe(reason);
    const stop = new AbortController();
    const search = await openPairSearch(memoryRows(rows, dimension), {
      threshold: 0.9,
      threads: 1,
      signal: stop.signal,
    });
    const running = search.pairs(0);
    stop.abort(reason);
    await expect(running).rejects.toBe(reason);
    await search.close();
  });
});

function row(of: Float32Array, at: number): Float32Array {
  return of.subarray(at * dimension, (at + 1) * dimension);
}
