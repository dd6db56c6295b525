import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dot, floatTensor, toFloat16, toFloat32 } from '../math/index.ts';
import { openSession } from '../runtime/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { encodeQueries, queryZero } from './codes.ts';
import { encodeRows, memoryRows, openExactSearch, openNpyRows, type VectorRows } from './index.ts';
import { codeProducts } from './products.ts';
import { bruteForce, codedRows, unitRows } from './testing/vectors.ts';

const folder = temporaryFolder('coded');
let folders = 0;
const fresh = () => join(folder, String(folders++));

async function search(rows: VectorRows, queries: Float32Array, k: number) {
  const exact = await openExactSearch(rows, { threads: 1 });
  try {
    return await exact.search(queries, k);
  } finally {
    await exact.close();
  }
}

/** How often the rows themselves are multiplied: block by block, which codes should spare. */
function countBlocks(rows: VectorRows): { rows: VectorRows; blocks: () => number } {
  let count = 0;
  return {
    rows: {
      ...rows,
      block: (at) => {
        count++;
        return rows.block(at);
      },
    },
    blocks: () => count,
  };
}

describe('rows in 8 bits', () => {
  it('stand for the rows as closely as their bounds say, whatever the numbers', () => {
    const value = fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 99), max: 2 ** 99 }),
      fc.float({ noNaN: true, min: -1, max: 1 }),
      fc.constantFrom(0, 1e-45, -1e-40, 1),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(value, { minLength: 20 }),
        (dimension, values) => {
          const rows = Float32Array.from(values.slice(0, values.length - (values.length % dimension)));
          const { codes, bounds } = encodeRows(rows, dimension);
          for (let row = 0; row < rows.length / dimension; row++) {
            const [scale, rest, length] = bounds.subarray(3 * row) as unknown as [number, number, number];
            const at = (i: number) => row * dimension + i;
            const numbers = Array.from({ length: dimension }, (_, i) => rows[at(i)]!);
            expect(Math.hypot(...numbers)).toBeLessThanOrEqual(length);
            expect(Math.hypot(...numbers.map((x, i) => x - scale * codes[at(i)]!))).toBeLessThanOrEqual(rest);
          }
        },
      ),
    );
  });

  it('give products that are off by no more than is said, at their extremes too', async () => {
    const dimension = 96;
    const rows = unitRows(64, dimension, 5);
    const queries = unitRows(6, dimension, 6);
    // Codes of 127 and 1 to 127 throughout: where processors without a dot product of bytes would cut sums off.
    rows
      .fill(1 / Math.sqrt(dimension), 0, dimension)
      .fill(-1 / Math.sqrt(dimension), dimension, 2 * dimension);
    queries.set(rows.subarray(0, 2 * dimension));
    const files = await codedRows(fresh(), rows, dimension);
    const products = codeProducts(files.coded!, dimension);
    const session = await openSession(products.model(64), { threads: 1 });
    const asked = products.ask(floatTensor([6, dimension], queries));
    await session.hold(asked.held);
    const block = await asked.block(0);
    const { values, indices } = await session.run(block.feeds);
    for (let q = 0; q < 6; q++)
      for (let i = 0; i < 64; i++) {
        const row = Number(indices!.data[q * 64 + i]);
        const exact = dot(
          queries.subarray(q * dimension, (q + 1) * dimension),
          rows.subarray(row * dimension, (row + 1) * dimension),
        );
        const product = asked.unit(q) * Number(values!.data[q * 64 + i]);
        expect(Math.abs(product - exact)).toBeLessThanOrEqual(block.error(q) + 1e-6);
        // And by little: this is what 8 bits are worth.
        expect(block.error(q)).toBeLessThan(0.03);
      }
    await session.close();
    await files.close();
  });

  it('take queries of nothing', () => {
    const { codes, scales, rests } = encodeQueries(new Float32Array(4), 4);
    expect([...codes, ...scales, ...rests]).toEqual([...new Array(4).fill(queryZero), 0, 0]);
  });

  it('refuse rows that are too long for 32 bits', () => {
    expect(() => encodeRows(new Float32Array(140_000), 140_000)).toThrow(
      'vectors of 140000 values cannot be kept in 8 bits',
    );
  });
});

describe('exact search in 8 bits', () => {
  const [rows, queries] = [unitRows(3000, 48, 1), unitRows(9, 48, 2)];

  it('finds what comparing one by one finds, and multiplies no row but a few', async () => {
    for (const data of [rows, toFloat16(rows)]) {
      const expected = bruteForce(queries, data instanceof Uint16Array ? toFloat32(data) : data, 48, 10);
      for (const blockRows of [64, 5000]) {
        const counted = countBlocks(await codedRows(fresh(), data, 48, { blockRows }));
        expect(await search(counted.rows, queries, 10)).toEqual(expected);
        expect(counted.blocks()).toBe(0);
      }
    }
  });

  it('equals brute force for any collection: ties, duplicates, any dimension, any length', async () => {
    const collection = fc
      .record({
        dimension: fc.integer({ min: 1, max: 24 }),
        distinct: fc.integer({ min: 1, max: 30 }),
        count: fc.integer({ min: 1, max: 120 }),
        asked: fc.integer({ min: 1, max: 3 }),
        k: fc.integer({ min: 1, max: 130 }),
        blockRows: fc.integer({ min: 1, max: 130 }),
        perFile: fc.integer({ min: 1, max: 130 }),
        seed: fc.integer({ min: 1, max: 1e6 }),
        whole: fc.boolean(),
      })
      .map(({ dimension, distinct, count, asked, seed, whole, ...rest }) => {
        const drawn = unitRows(distinct + asked, dimension, seed);
        const values = whole ? drawn.map((value) => Math.round(2 * value)) : drawn;
        const data = new Float32Array(count * dimension);
        for (let i = 0; i < count; i++) {
          const from = ((i * 7919) % distinct) * dimension;
          data.set(values.subarray(from, from + dimension), i * dimension);
        }
        return { ...rest, dimension, data, questions: values.slice(distinct * dimension) };
      });
    await fc.assert(
      fc.asyncProperty(collection, async ({ dimension, data, questions, k, blockRows, perFile }) => {
        const expected = bruteForce(questions, data, dimension, k);
        const files = await codedRows(fresh(), data, dimension, { perFile, blockRows });
        expect(await search(files, questions, k)).toEqual(expected);
        expect(await search(memoryRows(data, dimension, blockRows), questions, k)).toEqual(expected);
      }),
      { numRuns: 8 },
    );
  });

  it('finds a neighbour of which the codes show nothing', async () => {
    // Of the query's codes only the first is not 0, so 20 rows seem nearer than the one that also has all the others.
    const dimension = 64;
    const query = new Float32Array(dimension).fill(0.0079).fill(1, 0, 1);
    const data = new Float32Array(41 * dimension);
    for (let row = 0; row < 41; row++)
      for (let i = 1; i < dimension; i++) data[row * dimension + i] = i % 2 === 0 ? 0.086 : -0.086;
    for (let row = 0; row < 41; row++) data[row * dimension] = row < 20 ? 0.73 - row / 2000 : 0.1;
    data.fill(0.09, 40 * dimension).fill(0.7, 40 * dimension, 40 * dimension + 1);
    const [found] = await search(await codedRows(fresh(), data, dimension), query, 1);
    expect(found).toEqual(bruteForce(query, data, dimension, 1)[0]);
    expect(found![0]!.index).toBe(40);
  });

  it('names equal pictures in their order, and goes to the rows where 8 bits leave too many open', async () => {
    const same = new Float32Array(6000 * 8).fill(Math.fround(1 / Math.sqrt(8)));
    const counted = countBlocks(await codedRows(fresh(), same, 8, { perFile: 6000, blockRows: 1000 }));
    const [found] = await search(counted.rows, same.slice(0, 8), 3);
    expect(found!.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(counted.blocks()).toBeGreaterThan(0);
  });

  it('finds the nearest among thousands that 8 bits cannot tell apart', async () => {
    const close = new Float32Array(6000 * 8);
    for (let i = 0; i < 6000; i++)
      for (let d = 0; d < 8; d++) close[8 * i + d] = 0.35 + (((i * 7919) % 6000) * (d - 3.5)) / 4e7;
    const expected = bruteForce(close.slice(0, 8), close, 8, 5);
    expect(await search(await codedRows(fresh(), close, 8, { perFile: 6000 }), close.slice(0, 8), 5)).toEqual(
      expected,
    );
  });

  it('has an answer for a collection of one', async () => {
    const files = await codedRows(fresh(), Float32Array.of(0, 1), 2);
    expect(await search(files, Float32Array.of(0, 1), 5)).toEqual([[{ index: 0, similarity: 1 }]]);
  });

  it('refuses codes that are damaged, of other rows, or of what is no number', async () => {
    const make = async (data = rows) => {
      const into = fresh();
      await (await codedRows(into, data, 48)).close();
      const path = (i: number, name: string) => join(into, `${i}.${name}.npy`);
      const paths = (name: string) => [0, 1, 2].map((i) => path(i, name));
      return {
        path,
        paths,
        open: () => openNpyRows(paths('rows'), 300, { codes: paths('codes'), bounds: paths('bounds') }),
      };
    };
    const cut = await make();
    await truncate(cut.path(1, 'codes'), 500);
    await expect(cut.open()).rejects.toThrow(/1\.codes\.npy: is 500 bytes, but an array int8 \[1000, 48\]/);
    const swapped = await make();
    const short = await make(rows.slice(48));
    await writeFile(swapped.path(2, 'codes'), await readFile(short.path(2, 'codes')));
    await expect(swapped.open()).rejects.toThrow(
      /0\.codes\.npy: 2999 8-bit vectors of 48 values \(and 3000 bounds\) for 3000 vectors of 48; delete/,
    );
    const broken = rows.slice();
    broken[48 * 2500] = Number.NaN;
    await expect(search(await (await make(broken)).open(), queries, 3)).rejects.toThrow(
      'a vector among rows 2400 and following holds a value that is not a finite number',
    );
  });
});
