import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toFloat16, toFloat32 } from '../math/index.ts';
import { npyHeader } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { memoryRows, openExactSearch, openNpyRows, type VectorRows } from './index.ts';
import { bruteForce, unitRows } from './testing/vectors.ts';

const folder = temporaryFolder('exact');

async function search(rows: VectorRows, queries: Float32Array, k: number, threads = 1) {
  const exact = await openExactSearch(rows, { threads });
  try {
    return await exact.search(queries, k);
  } finally {
    await exact.close();
  }
}

describe('exact search', () => {
  const [rows, queries] = [unitRows(700, 48, 1), unitRows(9, 48, 2)];

  it('finds what comparing one by one finds, whatever blocks and threads', async () => {
    const expected = bruteForce(queries, rows, 48, 10);
    for (const [blockRows, threads] of [
      [1, 1],
      [64, 2],
      [333, 1],
      [5000, 2],
    ] as const)
      expect(await search(memoryRows(rows, 48, blockRows), queries, 10, threads)).toEqual(expected);
  });

  it('finds the same in files, and in float16 what those numbers say', async () => {
    const bits = toFloat16(rows);
    const path = join(folder, 'half.npy');
    await writeFile(path, Buffer.concat([npyHeader('float16', [700, 48]), new Uint8Array(bits.buffer)]));
    const expected = bruteForce(queries, toFloat32(bits), 48, 5);
    expect(await search(await openNpyRows([path], 100), queries, 5)).toEqual(expected);
    expect(await search(memoryRows(bits, 48, 100), queries, 5)).toEqual(expected);
  });

  it('answers for any numbers, with many equal rows, as one by one', async () => {
    const small = fc.integer({ min: -2, max: 2 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(small, small, small), { minLength: 1, maxLength: 40 }),
        fc.array(fc.tuple(small, small, small), { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 45 }),
        async (collection, asked, k, blockRows) => {
          const [data, questions] = [Float32Array.from(collection.flat()), Float32Array.from(asked.flat())];
          const found = await search(memoryRows(data, 3, blockRows), questions, k);
          expect(found).toEqual(bruteForce(questions, data, 3, k));
        },
      ),
      { numRuns: 12 },
    );
  });

  it('names equal pictures in their order, thousands of them', async () => {
    const same = Float32Array.from({ length: 2 * 3000 }, (_, i) => (i % 2 === 0 ? 0.6 : 0.8));
    const [found] = await search(memoryRows(same, 2, 256), Float32Array.of(0.8, 0.6), 3);
    expect(found!.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(found![0]!.similarity).toBeCloseTo(0.96, 6);
  });

  it('has an answer for a collection of one, of none, and for no queries', async () => {
    expect(await search(memoryRows(Float32Array.of(0, 1), 2), Float32Array.of(0, 1), 5)).toEqual([
      [{ index: 0, similarity: 1 }],
    ]);
    expect(await search(memoryRows(new Float32Array(0), 2), Float32Array.of(0, 1), 5)).toEqual([[]]);
    expect(await search(memoryRows(rows, 48), new Float32Array(0), 5)).toEqual([]);
  });

  it('refuses what is not a number, and another dimension', async () => {
    const broken = rows.slice();
    broken[48 * 600 + 7] = Number.NaN;
    await expect(search(memoryRows(broken, 48, 100), queries, 3)).rejects.toThrow(
      'a vector among rows 600 and following holds a value that is not a finite number',
    );
    const question = queries.slice();
    question[50] = Number.POSITIVE_INFINITY;
    await expect(search(memoryRows(rows, 48), question, 3)).rejects.toThrow(
      'vector 1 of the query holds Infinity, value 2 of 48',
    );
    await expect(search(memoryRows(rows, 48), queries.subarray(5), 3)).rejects.toThrow(
      '427 values are no vectors of 48',
    );
    await expect(search(memoryRows(rows, 48), queries, 0)).rejects.toThrow('from 1 on, not 0');
  });

  it('stops between blocks and reports progress up to the end', async () => {
    const shares: number[] = [];
    const exact = await openExactSearch(memoryRows(rows, 48, 100), { threads: 1 });
    await exact.search(queries, 2, { onProgress: (share) => shares.push(share) });
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
    const reason = new Error('enough');
    await expect(exact.search(queries, 2, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    // Stopped on its way: blocks that the engine had were given back, and the next search finds them.
    const stop = new AbortController();
    const stopped = exact.search(queries, 2, { signal: stop.signal, onProgress: () => stop.abort(reason) });
    await expect(stopped).rejects.toBe(reason);
    expect(await exact.search(queries, 2)).toEqual(bruteForce(queries, rows, 48, 2));
    await exact.close();
  });
});
