import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rateBins, rateChart } from './rates.ts';

const histogram = fc
  .uniqueArray(fc.integer({ min: 2, max: 3_000_000 }), { minLength: 1, maxLength: 60 })
  .chain((rates) =>
    fc
      .array(fc.integer({ min: 1, max: 100_000 }), { minLength: rates.length, maxLength: rates.length })
      .map((groups) =>
        [...rates].sort((x, y) => x - y).map((rate, i) => [rate, groups[i]!, rate * groups[i]!] as const),
      ),
  );

describe('the histogram of rates', () => {
  it('puts each rate into one bin and loses none', () => {
    fc.assert(
      fc.property(histogram, (rows) => {
        const bins = rateBins(rows);
        for (const [i, bin] of bins.entries()) {
          expect(bin.low).toBeLessThanOrEqual(bin.high);
          if (i > 0) expect(bin.low).toBeGreaterThan(bins[i - 1]!.high);
          const inside = rows.filter(([rate]) => rate >= bin.low && rate <= bin.high);
          expect(bin.groups).toBe(inside.reduce((sum, [, groups]) => sum + groups, 0));
          expect(bin.items).toBe(inside.reduce((sum, [, , items]) => sum + items, 0));
        }
        expect(bins.reduce((sum, { groups }) => sum + groups, 0)).toBe(
          rows.reduce((sum, [, groups]) => sum + groups, 0),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('is cut at 2, 3, 4, 5, 10, 20, 50, 100, …', () => {
    const rates = [2, 3, 4, 5, 9, 10, 19, 20, 49, 50, 99, 100, 199, 200, 999, 1000];
    expect(
      rateBins(rates.map((rate) => [rate, 1, rate] as const)).map(({ low, high }) => [low, high]),
    ).toEqual([
      [2, 2],
      [3, 3],
      [4, 4],
      [5, 9],
      [10, 19],
      [20, 49],
      [50, 99],
      [100, 199],
      [200, 499],
      [500, 999],
      [1000, 1999],
    ]);
  });

  it.each([
    ['one group of two', [[2, 1, 2]]],
    [
      'a hundred thousand groups',
      [
        [2, 90_000, 180_000],
        [7, 9_000, 63_000],
        [1_000_000, 1, 1_000_000],
      ],
    ],
  ] as const)('draws %s: a bar with its number for each bin, and labelled ticks', (_, rows) => {
    const svg = String(rateChart(rateBins(rows)));
    expect(svg.match(/<rect /g)).toHaveLength(rows.length);
    expect(svg).not.toMatch(/NaN|Infinity/);
    for (const [, groups] of rows) expect(svg).toContain(`>${groups.toLocaleString('en')}</text>`);
    // No tick of an axis without a label: at least 2 and 10 along the one, 1 and 10 up the other.
    expect(svg).toContain('>2</text>');
    expect([...svg.matchAll(/>10<\/text>/g)].length).toBeGreaterThanOrEqual(2);
  });
});
