import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../testing/folder.ts';
import {
  buildApproximate,
  memoryRows,
  openApproximateSearch,
  openExactSearch,
  searchRecall,
} from './index.ts';
import { unitRows } from './testing/vectors.ts';

const folder = temporaryFolder('approximate');
const [rows, queries] = [unitRows(3000, 32, 3), unitRows(40, 32, 4)];

describe('approximate search', () => {
  it('finds nearly all that the exact one finds, with the same similarities, and says how much', async () => {
    const path = join(folder, 'whole.usearch');
    const shares: number[] = [];
    await buildApproximate(memoryRows(rows, 32, 700), path, { onProgress: (share) => shares.push(share) });
    expect(shares.at(-1)).toBe(1);
    const exact = await openExactSearch(memoryRows(rows, 32), { threads: 1 });
    const truth = await exact.search(queries, 10);
    await exact.close();
    const approximate = await openApproximateSearch(path, memoryRows(rows, 32));
    const found = await approximate.search(queries, 10);
    const recall = searchRecall(truth, found);
    expect(recall).toBeGreaterThan(0.9);
    expect(found.every((neighbours) => neighbours.length === 10)).toBe(true);
    const similarities = new Map(
      truth.flatMap((all, q) => all.map((f) => [`${q} ${f.index}`, f.similarity])),
    );
    for (const [q, neighbours] of found.entries())
      for (const { index, similarity } of neighbours)
        if (similarities.has(`${q} ${index}`)) expect(similarity).toBe(similarities.get(`${q} ${index}`));
    await approximate.close();
  });

  it('gives the same file for the same rows', async () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    await buildApproximate(memoryRows(rows, 32, 700), one);
    await buildApproximate(memoryRows(rows, 32, 700), two);
    expect((await readFile(one)).equals(await readFile(two))).toBe(true);
  });

  it('refuses files that are missing, damaged, or of other rows, in one line', async () => {
    const path = join(folder, 'good.usearch');
    await buildApproximate(memoryRows(rows, 32), path);
    await writeFile(join(folder, 'cut'), (await readFile(path)).subarray(0, 5000));
    await writeFile(join(folder, 'text'), 'no index');
    const cases: [string, Float32Array, RegExp][] = [
      [join(folder, 'none'), rows, /none: no such file; make the index again/],
      [join(folder, 'cut'), rows, /cut: not an index that usearch opens/],
      [join(folder, 'text'), rows, /text: not an index that usearch opens/],
      [path, rows.subarray(32), /an index of 3000 vectors of 32 values, but there are 2999 of 32/],
    ];
    for (const [file, data, message] of cases)
      await expect(openApproximateSearch(file, memoryRows(data, 32))).rejects.toThrow(message);
    await expect(openApproximateSearch(path, memoryRows(rows, 16))).rejects.toThrow(
      'an index of 3000 vectors of 32 values, but there are 6000 of 16',
    );
  });

  it('leaves no file behind when it is stopped or meets what is not a number', async () => {
    const path = join(folder, 'never');
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(buildApproximate(memoryRows(rows, 32), path, { signal })).rejects.toThrow('stopped');
    const broken = rows.slice();
    broken[32 * 2999] = Number.NaN;
    await expect(buildApproximate(memoryRows(broken, 32), path)).rejects.toThrow('vector 2999 holds NaN');
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });

  it('has an answer for one row, and recall 1 where there is nothing to find', async () => {
    const path = join(folder, 'single');
    await buildApproximate(memoryRows(Float32Array.of(0, 1), 2), path);
    const search = await openApproximateSearch(path, memoryRows(Float32Array.of(0, 1), 2));
    expect(await search.search(Float32Array.of(0, 1), 5)).toEqual([[{ index: 0, similarity: 1 }]]);
    expect(searchRecall([[]], [[]])).toBe(1);
  });
});
