import { describe, expect, it } from 'vitest';
import { toFloat16, toFloat32, wilsonInterval } from '../math/index.ts';
import { measurePairRecall, memoryRows, openPairSearch, type SimilarPairs } from './index.ts';
import { pairsOneByOne, rowsWithCopies } from './testing/vectors.ts';

const dimension = 16;
const bits = toFloat16(rowsWithCopies(800, dimension, 9));
const rows = memoryRows(bits, dimension, 150);
const threshold = 0.95;
const expected = pairsOneByOne(toFloat32(bits), dimension, threshold);
const asColumns = (pairs: typeof expected): SimilarPairs => ({
  a: Uint32Array.from(pairs, ([a]) => a),
  b: Uint32Array.from(pairs, ([, b]) => b),
  similarity: Float64Array.from(pairs, ([, , similarity]) => similarity),
});
const rowsOf = (pairs: typeof expected) => pairs.flatMap(([a, b]) => [a, b] as number[]);

describe('recall of pairs', () => {
  it('of all rows is the share of all pairs, and of the rows that have all of theirs', async () => {
    const found = expected.filter((_, i) => i % 5 > 0);
    const lost = new Set(rowsOf(expected.filter((_, i) => i % 5 === 0)));
    const paired = new Set(rowsOf(expected));
    const parts = [asColumns(found.slice(100)), asColumns(found.slice(0, 100))];
    const recall = await measurePairRecall(rows, parts, { threshold, threads: 1 });
    expect(recall).toEqual({
      rows: 800,
      pairs: {
        count: found.length,
        of: expected.length,
        interval: wilsonInterval(found.length, expected.length),
      },
      completeRows: {
        count: paired.size - lost.size,
        of: paired.size,
        interval: wilsonInterval(paired.size - lost.size, paired.size),
      },
    });
  });

  it('of some rows is about these alone, the same for the same seed', async () => {
    const options = { threshold, sample: 60, seed: 3, threads: 1 };
    const whole = await measurePairRecall(rows, [asColumns(expected)], options);
    expect(whole.rows).toBe(60);
    expect(whole.pairs.count).toBe(whole.pairs.of);
    expect(whole.pairs.of).toBeGreaterThan(0);
    expect(whole.pairs.of).toBeLessThan(expected.length);
    expect(whole.completeRows.count).toBe(whole.completeRows.of);
    const none = await measurePairRecall(rows, [], options);
    expect(none.pairs).toMatchObject({ count: 0, of: whole.pairs.of });
    expect(none.completeRows.count).toBe(0);
  });

  it('takes the units of a search as they come, and has an answer for no rows', async () => {
    const search = await openPairSearch(rows, { threshold, threads: 1 });
    async function* units() {
      for (let unit = 0; unit < search.units; unit++) yield await search.pairs(unit);
    }
    const shares: number[] = [];
    const onProgress = (share: number) => shares.push(share);
    const recall = await measurePairRecall(rows, units(), { threshold, threads: 1, onProgress });
    expect(recall.pairs).toMatchObject({ count: expected.length, of: expected.length });
    expect(shares.at(-1)).toBe(1);
    await search.close();
    const nothing = memoryRows(new Float32Array(0), 4);
    expect(await measurePairRecall(nothing, [], { threshold })).toEqual({
      rows: 0,
      pairs: { count: 0, of: 0 },
      completeRows: { count: 0, of: 0 },
    });
    const reason = new Error('enough');
    const stopped = measurePairRecall(rows, [], { threshold, signal: AbortSignal.abort(reason) });
    await expect(stopped).rejects.toBe(reason);
  });
});
