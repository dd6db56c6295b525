import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../math/index.ts';
import { extractThreshold, shareWithin } from './threshold.ts';

/** Distances of which a share t^m lies within t: what the nearest of many points in m dimensions are like. */
function powerDistances(count: number, m: number, seed: number): number[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => (1 - random.uniform()) ** (1 / m));
}

const options = { samples: 100_000, falsePositives: 1, most: 1 };

describe('extractThreshold', () => {
  it('has the budget of false positives among new pictures of the same kind, far beyond what was counted', () => {
    const m = 12;
    for (let seed = 1; seed <= 10; seed++) {
      const { value, by, share } = extractThreshold(powerDistances(2000, m, seed), options);
      expect({ by, share }).toEqual({ by: 'tail', share: 1e-5 });
      // The truth is 10⁻⁵ = t^m. The scale is known from the 40% between the median and the ninth decile, to 1 / √(.4 · 2000) =
      // 3.5%; ln(5·10⁴) = 10.8 scales beyond the median that is a factor of exp(10.8 · 3.5%) = 1.5 of the share. Four of those.
      expect(Math.abs(Math.log(value ** m / 1e-5))).toBeLessThan(4 * 10.8 * 0.035);
    }
  });

  it('may lie beyond 1, where that is allowed and unrelated pictures lie farther', () => {
    const far = powerDistances(3000, 12, 4).map((distance) => 1.9 * distance);
    const { value, by } = extractThreshold(far, { samples: 3000, falsePositives: 1, most: 2 });
    expect(by).toBe('tail');
    // The truth is 1.9 · 3000^(−1/12) = .975 at m = 12, .01 of it per standard error of the scale, as above.
    expect(value / 1.9 / 3000 ** (-1 / 12)).toBeCloseTo(1, 1);
    const few = extractThreshold(far, { samples: 1000, falsePositives: 1, most: 2 });
    expect(few.value).toBeGreaterThan(1);
    expect(extractThreshold(far, { samples: 1000, falsePositives: 1, most: 1 })).toMatchObject({
      value: 1,
      by: 'fixed',
    });
  });

  it('counts where ten held-out pictures or more may lie within', () => {
    const heldOut = powerDistances(2000, 3, 5);
    const { value, by } = extractThreshold(heldOut, { samples: 100, falsePositives: 1, most: 1 });
    expect(by).toBe('count');
    expect(heldOut.filter((distance) => distance <= value)).toHaveLength(20);
  });

  it('leaves suspects out, and counts them among what lies within', () => {
    const clean = powerDistances(1000, 12, 3);
    const copies = Array.from({ length: 25 }, (_, i) => 0.01 + i / 1000);
    const with25 = extractThreshold([...clean, ...copies], options);
    const { value } = extractThreshold(clean, options);
    expect(with25.heldOut).toMatchObject({ suspects: 25, compared: 1025, within: 25 });
    // 25 of 1,025 move the median and the ninth decile of what is left by nothing, and their estimate by less than a percent.
    expect(with25.value / value).toBeCloseTo(1, 2);
  });

  it('is never more than allowed, and what is allowed where nothing is known', () => {
    expect(extractThreshold(undefined, { ...options, most: 0.7 })).toEqual({
      value: 0.7,
      by: 'fixed',
      share: null,
      heldOut: null,
    });
    const near = extractThreshold(powerDistances(500, 12, 1), { samples: 10, falsePositives: 1, most: 0.5 });
    expect(near).toMatchObject({ value: 0.5, by: 'fixed', share: 0.1 });
    const tiny = extractThreshold(powerDistances(500, 12, 1), { samples: 1, falsePositives: 9, most: 2 });
    expect(tiny.share).toBe(0.5);
  });

  it('never allows more held-out pictures within than their share, suspects aside', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2), { minLength: 30, maxLength: 200 }),
        fc.integer({ min: 2, max: 1000 }),
        (heldOut, samples) => {
          const {
            value,
            share,
            by,
            heldOut: known,
          } = extractThreshold(heldOut, {
            samples,
            falsePositives: 1,
            most: 2,
          });
          expect(value).toBeGreaterThan(0);
          if (by === 'count')
            expect(known!.within - known!.suspects).toBeLessThanOrEqual(share! * heldOut.length);
        },
      ),
    );
  });
});

describe('shareWithin', () => {
  it('is the budget at the threshold', () => {
    const { value, heldOut, share } = extractThreshold(powerDistances(800, 8, 2), options);
    expect(shareWithin(heldOut!, value, heldOut!.within)).toBeCloseTo(share!, 12);
    expect(shareWithin(heldOut!, 2, 0)).toBe(0.5);
  });

  it('is what held-out pictures say where ten of them lie within', () => {
    const { heldOut } = extractThreshold(powerDistances(800, 8, 2), options);
    const { suspects, compared } = heldOut!;
    expect(shareWithin(heldOut!, 1.5, suspects + 9)).not.toBe(9 / (compared - suspects));
    expect(shareWithin(heldOut!, 1.5, suspects + 10)).toBe(10 / (compared - suspects));
  });
});
