import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../math/index.ts';
import { writeNpy } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { openByteSearch } from './bytes.ts';

const folder = temporaryFolder('bytes');
let files = 0;

async function written(parts: readonly Uint8Array[], values: number): Promise<string[]> {
  const paths = parts.map(() => join(folder, `${files++}.npy`));
  for (const [i, part] of parts.entries()) await writeNpy(paths[i]!, part, values);
  return paths;
}

/** By the definition, in integers. */
function byDefinition(query: Uint8Array, rows: readonly Uint8Array[], k: number) {
  return rows
    .map((row, index) => ({ index, squared: row.reduce((sum, v, i) => sum + (v - query[i]!) ** 2, 0) }))
    .sort((a, b) => a.squared - b.squared || a.index - b.index)
    .slice(0, k);
}

describe('openByteSearch', () => {
  // Few different values make ties, and rows of very different lengths: black, white and grey ones.
  it('finds what comparing all with all finds, with exact distances and ties by position', async () => {
    const value = fc.constantFrom(0, 1, 127, 128, 129, 254, 255);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }).chain((values) => {
          const row = fc.uint8Array({ minLength: values, maxLength: values });
          const alike = fc
            .array(value, { minLength: values, maxLength: values })
            .map((row) => Uint8Array.from(row));
          const rows = fc.array(fc.oneof(row, alike), { minLength: 1, maxLength: 30 });
          return fc.record({
            values: fc.constant(values),
            rows,
            queries: fc.array(fc.oneof(row, alike), { minLength: 1, maxLength: 4 }),
            k: fc.integer({ min: 1, max: 35 }),
            cut: fc.nat(30),
            memoryBytes: fc.constantFrom(0, 2 ** 30),
          });
        }),
        async ({ values, rows, queries, k, cut, memoryBytes }) => {
          const parts = [rows.slice(0, cut), rows.slice(cut)].map((part) =>
            Uint8Array.from(part.flatMap((r) => [...r])),
          );
          const search = await openByteSearch(await written(parts, values), { threads: 1, memoryBytes });
          try {
            const asked = Uint8Array.from(queries.flatMap((query) => [...query]));
            const expected = queries.map((query) => byDefinition(query, rows, k));
            expect(await search.nearest(asked, k)).toEqual(expected);
            // What was lent to the engine has come back.
            expect(await search.nearest(asked, k)).toEqual(expected);
            expect(search.row(rows.length - 1)).toEqual(Uint8Array.from(rows.at(-1)!));
          } finally {
            await search.close();
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('is exact where float32 is not: pictures of 48×48 that differ by one in one value', async () => {
    const values = 48 * 48 * 3;
    const random = createRandom(3);
    const base = Uint8Array.from({ length: values }, () => random.integer(256));
    const rows = Array.from({ length: 40 }, (_, i) => {
      const row = Uint8Array.from(base);
      for (let j = 0; j <= i; j++) row[(37 * i + j) % values]! ^= 1;
      return row;
    }).reverse();
    const paths = await written([Uint8Array.from(rows.flatMap((row) => [...row]))], values);
    const search = await openByteSearch(paths, { threads: 2 });
    const [found] = await search.nearest(base, 5);
    expect(found).toEqual(byDefinition(base, rows, 5));
    expect(found!.map(({ squared }) => squared)).toEqual([1, 2, 3, 4, 5]);
    await search.close();
  });
});
