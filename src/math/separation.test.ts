import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bootstrapInterval } from './intervals.ts';
import { createRandom } from './random.ts';
import { rocAuc, tprAtFpr } from './ranking.ts';
import { separation } from './separation.ts';

describe('separation', () => {
  it('has the values and, resample by resample, the intervals of the slow way, ties and all', () => {
    // Few distinct values: most are tied.
    const group = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(group, group, fc.nat(1000), (positives, negatives, seed) => {
        const options = { resamples: 60, seed };
        const found = separation(positives, negatives, [0.1, 0.5], options);
        expect(found.auc).toBe(rocAuc(positives, negatives));
        expect(found.aucInterval).toEqual(bootstrapInterval(rocAuc, [positives, negatives], options));
        for (const { fpr, tpr, interval } of found.rates) {
          if (negatives.length < 1 / fpr) {
            expect([tpr, interval]).toEqual([null, null]);
            continue;
          }
          const statistic = (p: Float64Array, n: Float64Array) => tprAtFpr(p, n, fpr);
          expect(tpr).toBe(tprAtFpr(positives, negatives, fpr));
          expect(interval).toEqual(bootstrapInterval(statistic, [positives, negatives], options));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('tells a rate from so many negatives on, and no earlier', () => {
    const random = createRandom(1);
    const positives = Array.from({ length: 50 }, () => random.normal() + 1);
    const negatives = (count: number) => Array.from({ length: count }, () => random.normal());
    expect(separation(positives, negatives(99), [0.01], { resamples: 10 }).rates[0]!.tpr).toBeNull();
    expect(separation(positives, negatives(100), [0.01], { resamples: 10 }).rates[0]!.tpr).not.toBeNull();
    expect(separation(positives, negatives(1000), [0.001], { resamples: 10 }).rates[0]!.tpr).not.toBeNull();
  });

  it('refuses empty groups and what is not a number', () => {
    expect(() => separation([], [1], [])).toThrow(RangeError);
    expect(() => separation([1], [], [])).toThrow(RangeError);
    expect(() => separation([Number.NaN], [1], [])).toThrow('not a number');
  });
});
