import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  characteristicsAt,
  createRandom,
  decideLook,
  defaultRate,
  growingLooks,
  type SequentialOptions,
  type SequentialTest,
  sequentialTest,
} from './index.ts';

/** Runs the test on hits of 0 and 1: what `decideLook` says at each look, and after how many samples. */
function walk(test: SequentialTest, hit: () => boolean) {
  let [drawn, hits] = [0, 0];
  for (const look of test.looks) {
    for (; drawn < look.samples; drawn++) if (hit()) hits++;
    const seen = Math.max(test.least, hits);
    const left = test.samples - drawn;
    const decision = decideLook(test, { samples: drawn, least: seen, most: seen, left });
    if (decision !== undefined) return { decision, drawn };
  }
  return { decision: undefined, drawn };
}

const options = fc
  .record({
    samples: fc.integer({ min: 2, max: 60 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    rate: fc.double({ min: 0.02, max: 0.98, noNaN: true }),
    error: fc.double({ min: 0.001, max: 0.5, noNaN: true }),
    least: fc.integer({ min: 0, max: 1 }),
    cuts: fc.uniqueArray(fc.integer({ min: 1, max: 59 }), { maxLength: 12 }),
  })
  .map(
    ({ samples, share, cuts, ...rest }): Required<SequentialOptions> => ({
      ...rest,
      samples,
      hits: 1 + Math.floor(share * (samples - 1)),
      looks: [...cuts.filter((cut) => cut < samples).sort((a, b) => a - b), samples],
    }),
  );

describe('sequentialTest', () => {
  it('spends no more than its error, and less the higher the rate is', () => {
    fc.assert(
      fc.property(options, fc.double({ min: 0, max: 1, noNaN: true }), (given, up) => {
        const test = sequentialTest(given);
        expect(test.spent).toBeLessThanOrEqual(given.error);
        // Where the statistic is `least` at least, giving up is rarer still.
        expect(characteristicsAt(test, given.rate).futile).toBeLessThanOrEqual(test.spent + 1e-12);
        const higher = given.rate + up * (1 - given.rate);
        expect(characteristicsAt(test, higher).futile).toBeLessThanOrEqual(test.spent + 1e-12);
      }),
      { numRuns: 200 },
    );
  });

  it('gives up on more hits the later it is, and on none that would do', () => {
    fc.assert(
      fc.property(options, (given) => {
        const bounds = sequentialTest(given).looks.flatMap(({ giveUpAt }) => giveUpAt ?? []);
        expect(bounds).toEqual([...bounds].sort((a, b) => a - b));
        for (const bound of bounds) {
          expect(bound).toBeLessThan(given.hits);
          expect(bound).toBeGreaterThanOrEqual(given.least);
        }
      }),
    );
  });

  it('is what all sequences of a short test come to', () => {
    const test = sequentialTest({ samples: 10, hits: 4, rate: 0.6, error: 0.2, looks: [2, 4, 5, 7, 10] });
    expect(test.looks.some(({ giveUpAt }) => giveUpAt !== undefined)).toBe(true);
    for (const rate of [0.1, 0.6, 0.8]) {
      const sums = { yes: 0, futile: 0, exhausted: 0, expectedSamples: 0 };
      for (let sequence = 0; sequence < 1024; sequence++) {
        let at = 0;
        const { decision, drawn } = walk(test, () => ((sequence >> at++) & 1) === 1);
        let chance = 1;
        for (let bit = 0; bit < 10; bit++) chance *= (sequence >> bit) & 1 ? rate : 1 - rate;
        if (decision !== undefined) sums[decision] += chance;
        sums.expectedSamples += chance * drawn;
      }
      const exact = characteristicsAt(test, rate);
      for (const key of ['yes', 'futile', 'exhausted', 'expectedSamples'] as const)
        expect(exact[key], key).toBeCloseTo(sums[key], 12);
      if (rate === 0.6) expect(test.spent).toBeCloseTo(sums.futile, 12);
    }
  });

  it('holds its stated error in draws, and uses it', () => {
    const test = sequentialTest({ samples: 500, hits: 10, least: 1 });
    expect(test.rate).toBe(0.1);
    const random = createRandom(5);
    const trials = 4000;
    let wrong = 0;
    for (let trial = 0; trial < trials; trial++)
      if (walk(test, () => random.uniform() < 0.1).decision === 'futile') wrong++;
    // Five standard deviations of a share of .05 among 4,000.
    expect(Math.abs(wrong / trials - test.spent)).toBeLessThan(5 * Math.sqrt((0.05 * 0.95) / trials));
    expect(test.spent).toBeGreaterThan(0.02);
  });

  it('decides at once what is clear', () => {
    const test = sequentialTest({ samples: 500, hits: 10, least: 1 });
    expect(walk(test, () => true)).toEqual({ decision: 'yes', drawn: 10 });
    const never = walk(test, () => false);
    expect(never.decision).toBe('futile');
    // .9⁵⁵ + 55 · .1 · .9⁵⁴ = .022: the first look of the default ones that can be paid for.
    expect(never.drawn).toBe(55);
    expect(characteristicsAt(test, 0)).toEqual({ yes: 0, futile: 1, exhausted: 0, expectedSamples: 55 });
    expect(characteristicsAt(test, 1)).toEqual({ yes: 1, futile: 0, exhausted: 0, expectedSamples: 10 });
    expect(characteristicsAt(test, 0.1).yes).toBeGreaterThan(0.94);
  });

  it('goes on where bounds of the statistic leave it open, and judges between looks by the look before', () => {
    const test = sequentialTest({ samples: 100, hits: 5, least: 1 });
    const give = test.looks.find(({ giveUpAt }) => giveUpAt !== undefined)!;
    const known = { samples: give.samples, least: 1, most: 1, left: 100 - give.samples };
    expect(decideLook(test, known)).toBe('futile');
    expect(decideLook(test, { ...known, samples: give.samples + 1 })).toBe('futile');
    expect(decideLook(test, { ...known, samples: give.samples - 1 })).toBeUndefined();
    expect(decideLook(test, { ...known, most: 2 })).toBeUndefined();
    expect(decideLook(test, { ...known, least: 5, most: 9 })).toBe('yes');
    expect(decideLook(test, { samples: 90, least: 2, most: 3, left: 1 })).toBe('exhausted');
    expect(decideLook(test, { samples: 90, least: 2, most: 4, left: 1 })).not.toBe('exhausted');
  });

  it('has a default for every size', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 300 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (samples, share) => {
          const hits = 1 + Math.floor(share * (samples - 1));
          const rate = defaultRate(samples, hits);
          expect(rate).toBeLessThanOrEqual(1);
          expect(rate).toBeGreaterThanOrEqual(hits / samples);
          const looks = growingLooks(samples, hits);
          expect(looks.at(-1)).toBe(samples);
          expect(sequentialTest({ samples, hits }).spent).toBeLessThanOrEqual(0.05);
        },
      ),
    );
  });

  it.each<[SequentialOptions, RegExp]>([
    [{ samples: 1, hits: 1 }, /2 samples or more/],
    [{ samples: 10, hits: 11 }, /1 … 10/],
    [{ samples: 10, hits: 0 }, /1 … 10/],
    [{ samples: 10, hits: 2, rate: 1 }, /rate lies inside/],
    [{ samples: 10, hits: 2, error: 0 }, /error lies inside/],
    [{ samples: 10, hits: 2, looks: [4, 4, 10] }, /ascend/],
    [{ samples: 10, hits: 2, looks: [4, 8] }, /last look/],
  ])('refuses %o', (given, message) => {
    expect(() => sequentialTest(given)).toThrow(message);
  });
});
