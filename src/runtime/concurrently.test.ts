import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mapConcurrently } from './index.ts';

const all = async <T>(results: AsyncIterable<T>) => {
  const taken: T[] = [];
  for await (const result of results) taken.push(result);
  return taken;
};
const wait = (ticks: number) => new Promise<void>((done) => setTimeout(done, ticks));

describe('mapConcurrently', () => {
  it('gives results in order, and never has more under way or waiting than it may', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(3), { maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        async (delays, limit) => {
          let [held, most] = [0, 0];
          const results = mapConcurrently(delays, limit, async (delay, index) => {
            most = Math.max(most, ++held);
            await wait(delay);
            return index;
          });
          const taken: number[] = [];
          for await (const result of results) {
            held--;
            taken.push(result);
          }
          expect(taken).toEqual(delays.map((_, index) => index));
          expect(most).toBeLessThanOrEqual(limit);
          if (delays.length >= limit) expect(most).toBe(limit);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('asks for items only when there is room', async () => {
    let asked = 0;
    const endless = (async function* () {
      for (;;) yield asked++;
    })();
    for await (const result of mapConcurrently(endless, 3, async (item) => item)) if (result === 10) break;
    expect(asked).toBeLessThanOrEqual(14);
  });

  it('ends with the first error in the items’ order, when all that is under way has ended', async () => {
    const ended: number[] = [];
    const results = mapConcurrently([0, 1, 2, 3, 4], 3, async (item) => {
      await wait(item === 1 ? 8 : 1);
      ended.push(item);
      if (item === 1 || item === 2) throw new Error(`item ${item}`);
      return item;
    });
    await expect(all(results)).rejects.toThrow('item 1');
    expect(ended.sort()).toEqual([0, 1, 2, 3]);
  });

  it('refuses a limit of nothing', async () => {
    for (const limit of [0, 1.5, Number.NaN])
      await expect(all(mapConcurrently([1], limit, async () => 1))).rejects.toThrow(/whole number/);
  });
});
