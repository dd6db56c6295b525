import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type PlantedGroup, resample } from '../bench/calibration/resample.ts';
import { createRandom } from '../src/math/index.ts';

const rates = [0.05, 0.1, 0.2];

/** Scores of the shipped miniature, twin A: `npm run bench -- calibration --fixture test/fixtures/miniature-scores.json`. */
const miniature = JSON.parse(
  readFileSync(new URL('fixtures/miniature-scores.json', import.meta.url), 'utf8'),
) as Record<string, { neverSeen: number[]; groups: PlantedGroup[] }>;

function normal(count: number, at: number, seed: number): number[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => at + random.normal());
}

describe('the rate of false discoveries', () => {
  it('is kept over synthetic scores, and reached as far as the share of true nulls goes', () => {
    const groups = normal(60, 4, 2).map((score) => ({ copies: 100, scores: [score] }));
    const { rates: figures, uniformity } = resample({
      strata: [{ neverSeen: normal(2000, 0, 1), nulls: 1000, negatives: 200, groups }],
      rates,
      resamples: 150,
      seed: 3,
      powerCopies: 50,
    });
    for (const { rate, falseDiscoveries, bound, power } of figures) {
      expect(bound).toBeCloseTo((rate * 200) / 260, 12);
      // By chance the mean may lie above; its interval then reaches below.
      expect(falseDiscoveries.low).toBeLessThanOrEqual(bound);
      expect(falseDiscoveries.mean).toBeGreaterThan(bound / 3);
      expect(power.mean).toBeGreaterThan(0.9);
    }
    expect(uniformity.above).toBeLessThan(0.15);
    for (const [level, share] of uniformity.tail) expect(Math.abs(share - level)).toBeLessThan(0.01);
  });

  it('is not kept where the null scores are of another make', () => {
    const { rates: figures } = resample({
      strata: [
        {
          neverSeen: normal(1000, 0, 1),
          nulls: 1000,
          negatives: 0,
          otherNegatives: normal(200, 3, 4),
          groups: [{ copies: 100, scores: normal(20, 4, 2) }],
        },
      ],
      rates,
      resamples: 5,
      seed: 3,
      powerCopies: 50,
    });
    for (const { falseDiscoveries, bound } of figures)
      expect(falseDiscoveries.low).toBeGreaterThan(2 * bound);
  });

  it.each(Object.entries(miniature))('is kept by %s on the miniature', (_, { neverSeen, groups }) => {
    expect(neverSeen).toHaveLength(1000);
    const { rates: figures, uniformity } = resample({
      strata: [{ neverSeen, nulls: 800, negatives: 200, groups }],
      rates,
      resamples: 150,
      seed: 5,
      powerCopies: 50,
    });
    for (const { falseDiscoveries, bound, power } of figures) {
      expect(falseDiscoveries.low).toBeLessThanOrEqual(bound);
      expect(power.mean).toBeGreaterThan(0.9);
    }
    expect(uniformity.above).toBeLessThan(0.15);
  });
});
