import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { calibrate } from './calibrate.ts';

describe('calibrate', () => {
  it('takes the largest distance that at most the quantile of held-out pictures reach', () => {
    const distances = Array.from({ length: 3000 }, (_, i) => (i + 1) / 3000);
    const calibration = calibrate(distances, 500);
    expect(calibration).toMatchObject({
      threshold: 3 / 3000,
      reached: 3,
      heldOut: 3000,
      trainingSize: 500,
      tooFew: false,
    });
    expect(calibration.falsePositiveRate).toBeCloseTo(0.001, 12);
  });

  it('never lets more held-out pictures through than the quantile allows, unless it says so', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 200 }),
        fc.constantFrom(0.001, 0.01, 0.1, 0.5),
        (levels, quantile) => {
          const distances = levels.map((level) => level / 30);
          const { threshold, reached, tooFew } = calibrate(distances, 10, quantile);
          const through = distances.filter((d) => d <= threshold).length;
          expect(reached).toBe(through);
          if (tooFew) expect(threshold).toBe(Math.min(...distances));
          else {
            expect(through).toBeLessThanOrEqual(quantile * distances.length + 1e-9);
            // It is the largest such distance: the next one would let too many through.
            const next = Math.min(...distances.filter((d) => d > threshold));
            if (Number.isFinite(next))
              expect(distances.filter((d) => d <= next).length).toBeGreaterThan(quantile * distances.length);
          }
        },
      ),
    );
  });

  it('says when there are too few held-out pictures, and what the minimum is worth', () => {
    const calibration = calibrate([0.3, 0.2, 0.4], 1);
    expect(calibration).toMatchObject({ threshold: 0.2, tooFew: true, reached: 1 });
    expect(calibration.falsePositiveRateHigh).toBeGreaterThan(0.85);
  });

  it('counts held-out pictures that are training pictures', () => {
    expect(calibrate([0, 0, 0.5, 0.6], 4).identical).toBe(2);
  });

  it('refuses no held-out pictures, and quantiles and distances out of range', () => {
    expect(() => calibrate([], 10)).toThrow(/needs held-out pictures/);
    expect(() => calibrate([0.1], 10, 0)).toThrow(/between 0 and 1/);
    expect(() => calibrate([0.1, Number.NaN], 10)).toThrow(/RMS values/);
    expect(() => calibrate([1.5], 10)).toThrow(/RMS values/);
  });
});

describe('the upper bound of the false positive rate', () => {
  // scipy.stats.beta.ppf(.95, k + 1, n - k)
  it.each([
    [1, 1000, 0.0047349934996],
    [3, 3000, 0.0025825051383],
    [7, 20, 0.5580345113155],
  ])('%i of %i', (events, trials, expected) => {
    const distances = Array.from({ length: trials }, (_, i) => (i + 1) / trials);
    const { reached, falsePositiveRateHigh } = calibrate(distances, 1, events / trials);
    expect(reached).toBe(events);
    expect(falsePositiveRateHigh).toBeCloseTo(expected, 9);
  });
});
