import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dot, toFloat16, toFloat32 } from '../math/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import {
  assignRows,
  memoryRows,
  openPairSearch,
  type PairOptions,
  trainPartition,
  type VectorRows,
} from './index.ts';
import { longestOf } from './lengths.ts';
import { noCell } from './partition.ts';
import { pairsOf, pairsOneByOne, rowsWithCopies, unitRows } from './testing/vectors.ts';
import { planVisits } from './visits.ts';

const folder = temporaryFolder('partition');
const dimension = 24;
const rows = rowsWithCopies(1200, dimension, 5);
const threads = 1;

async function find(collection: VectorRows, options: Omit<PairOptions, 'threshold'>) {
  const search = await openPairSearch(collection, { threshold: 0.9, threads, ...options });
  try {
    return { found: await pairsOf(search), report: search.report };
  } finally {
    await search.close();
  }
}

describe('a partition', () => {
  it('puts every row into the cell it is most similar to, and rows of zeros into none', async () => {
    const collection = memoryRows(rows, dimension, 100);
    const { centroids, cells } = await trainPartition(collection, { cells: 20, threads });
    expect(cells).toBe(20);
    const row = (of: Float32Array, at: number) => of.subarray(at * dimension, (at + 1) * dimension);
    for (let cell = 0; cell < cells; cell++)
      expect(dot(row(centroids, cell), row(centroids, cell))).toBeCloseTo(1, 5);
    const assigned = await assignRows(collection, { dimension, cells, centroids }, { probes: 3, threads });
    for (let at = 0; at < 1200; at++) {
      const [first, second, third] = assigned.cells.subarray(3 * at, 3 * at + 3);
      const length = Math.sqrt(dot(row(rows, at), row(rows, at)));
      expect(assigned.lengths[at]).toBeCloseTo(length, 5);
      if (length === 0) expect([first, second, third]).toEqual([noCell, noCell, noCell]);
      else {
        const products = Array.from({ length: cells }, (_, cell) => dot(row(rows, at), row(centroids, cell)));
        const best = [...products].sort((a, b) => b - a);
        for (const [i, cell] of [first!, second!, third!].entries()) {
          expect(products[cell]).toBeCloseTo(best[i]!, 5);
          expect(assigned.similarities[3 * at + i]).toBeCloseTo(best[i]! / length, 5);
        }
      }
    }
    const part = await assignRows(
      collection,
      { dimension, cells, centroids },
      { probes: 3, from: 250, to: 460, threads },
    );
    expect(part.cells).toEqual(assigned.cells.slice(750, 1380));
    expect(part.lengths).toEqual(assigned.lengths.slice(250, 460));
  });

  it('gets better with every round, is the same for the same seed, and fills empty cells', async () => {
    const collection = memoryRows(unitRows(1000, 16, 3), 16, 300);
    const closeness = async (iterations: number) => {
      const partition = await trainPartition(collection, { cells: 12, iterations, seed: 4, threads });
      const { similarities } = await assignRows(collection, partition, { probes: 1, threads });
      return similarities.reduce((sum, value) => sum + value, 0) / similarities.length;
    };
    const [few, many] = [await closeness(1), await closeness(10)];
    expect(many).toBeGreaterThan(few);
    expect(await closeness(10)).toBe(many);
    // Nine of ten rows are one: of eight cells that begin with samples, most begin as the same and lose all rows.
    const mostlyOne = new Float32Array(200 * 2);
    for (let i = 0; i < 200; i++) mostlyOne.set(i % 10 ? [1, 0] : [Math.cos(i), Math.sin(i)], 2 * i);
    const crowd = memoryRows(mostlyOne, 2);
    const partition = await trainPartition(crowd, { cells: 8, threads });
    const { cells } = await assignRows(crowd, partition, { probes: 1, threads });
    expect(new Set(cells).size).toBeGreaterThan(5);
  });

  it('has an answer for one row, for none, and for rows of zeros only', async () => {
    for (const data of [Float32Array.of(0, 1), new Float32Array(0), new Float32Array(6)]) {
      const collection = memoryRows(data, 2);
      const partition = await trainPartition(collection, { threads });
      expect(partition.cells).toBe(1);
      expect((await find(collection, { partition })).found).toEqual([]);
    }
  });

  it('refuses options out of range and rows of another dimension', async () => {
    const collection = memoryRows(rows, dimension);
    await expect(trainPartition(collection, { cells: 0 })).rejects.toThrow('cells must be a whole number');
    const partition = await trainPartition(collection, { cells: 4, iterations: 1, threads });
    await expect(assignRows(memoryRows(unitRows(9, 16, 1), 16), partition)).rejects.toThrow('train it again');
    const assignments = await assignRows(collection, partition, { to: 100, threads });
    await expect(find(collection, { partition, assignments })).rejects.toThrow('100 rows are assigned');
    await expect(find(collection, { partition, reach: 2 })).rejects.toThrow('reaches 0 to 1, not 2');
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(trainPartition(collection, { signal })).rejects.toBe(reason);
    await expect(assignRows(collection, partition, { signal })).rejects.toBe(reason);
  });
});

describe('pairs by cells', () => {
  const bits = toFloat16(rows);
  const expected = pairsOneByOne(toFloat32(bits), dimension, 0.9);
  const collection = memoryRows(bits, dimension, 200);

  it('are all pairs, each once, where every possible cell is visited', async () => {
    const partition = await trainPartition(collection, { cells: 15, threads });
    const { found, report } = await find(collection, { partition, probes: 15, reach: 1 });
    expect(found).toEqual(expected);
    expect(report).toMatchObject({ method: 'cells', cells: 15 });
    expect(report.certifiedRows).toBe(report.describedRows);
    for (const [blockRows, more] of [
      [37, 2],
      [5000, 1],
    ] as const) {
      const other = memoryRows(bits, dimension, blockRows);
      expect((await find(other, { partition, probes: 15, reach: 1, threads: more })).found).toEqual(expected);
    }
    // New rows: the difference of two full runs.
    const since = await find(collection, { partition, probes: 15, reach: 1, newFrom: 900 });
    expect(since.found).toEqual(expected.filter(([, b]) => b >= 900));
    expect(since.report.products).toBeLessThan(report.products);
  });

  it('are pairs of the right score, each once, with few visits too, and with new rows the same ones', async () => {
    const partition = await trainPartition(collection, { cells: 60, threads });
    const { found, report } = await find(collection, { partition, probes: 4, reach: 0.3 });
    const known = new Map(expected.map(([a, b, similarity]) => [a * 1200 + b, similarity]));
    for (const [a, b, similarity] of found) expect(similarity).toBe(known.get(a * 1200 + b));
    expect(new Set(found.map(([a, b]) => a * 1200 + b)).size).toBe(found.length);
    expect(found.length).toBeGreaterThan(0.8 * expected.length);
    expect(report.products).toBeLessThan((1200 * 1199) / 4);
    const since = await find(collection, { partition, probes: 4, reach: 0.3, newFrom: 900 });
    expect(since.found).toEqual(found.filter(([, b]) => b >= 900));
  });

  it('are the same from a file, which is removed in the end', async () => {
    const partition = await trainPartition(collection, { cells: 60, threads });
    const there = join(folder, 'store');
    const inMemory = await find(collection, { partition, probes: 4 });
    const search = await openPairSearch(collection, {
      threshold: 0.9,
      partition,
      probes: 4,
      memoryBytes: 20_000,
      folder: there,
      threads,
    });
    expect(await readdir(there)).toHaveLength(1);
    expect(await pairsOf(search)).toEqual(inMemory.found);
    await search.close();
    expect(await readdir(there)).toEqual([]);
    await expect(find(collection, { partition, memoryBytes: 20_000 })).rejects.toThrow('name a folder');
  });

  it('of a certified row are all found, however few cells it may visit', async () => {
    let some = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.integer({ min: 0, max: 1000 }),
          dimension: fc.integer({ min: 2, max: 6 }),
          cells: fc.integer({ min: 1, max: 25 }),
          probes: fc.integer({ min: 1, max: 4 }),
          reach: fc.double({ min: 0, max: 1, noNaN: true }),
          threshold: fc.double({ min: 0.9, max: 0.9999, noNaN: true }),
          stretch: fc.boolean(),
        }),
        async ({ seed, dimension: size, cells, probes, reach, threshold, stretch }) => {
          const data = rowsWithCopies(250, size, seed);
          if (stretch)
            data.forEach((value, i) => {
              data[i] = value * (1 + (Math.floor(i / size) % 3) / 9);
            });
          const here = memoryRows(data, size);
          const partition = await trainPartition(here, { cells, iterations: 3, threads });
          const assignments = await assignRows(here, partition, { probes, threads });
          const longest = longestOf(assignments.lengths, size);
          const { certified } = planVisits(assignments, partition, { threshold, longest, reach });
          const { found } = await find(here, { partition, assignments, threshold, reach } as PairOptions);
          const known = new Set(found.map(([a, b]) => a * 250 + b));
          const missed = pairsOneByOne(data, size, threshold).filter(([a, b]) => !known.has(a * 250 + b));
          expect(missed.filter(([a, b]) => certified[a] || certified[b])).toEqual([]);
          some += certified.reduce((sum, sure) => sum + sure, 0);
        },
      ),
      { numRuns: 15 },
    );
    expect(some).toBeGreaterThan(0);
  });
});
