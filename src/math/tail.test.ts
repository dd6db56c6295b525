import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from './random.ts';
import { fewestScores, scoreAt, scoreTail } from './tail.ts';

const scale = 0.05;
/** Exponential scores of scale .05, whose median is .2. */
function exponentialScores(count: number, seed: number): number[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => 0.2 - scale * Math.log(2 * (1 - random.uniform())));
}

/** The score that a share of them reaches. */
const truth = (share: number) => 0.2 + scale * Math.log(0.5 / share);

describe('scoreTail', () => {
  // The scale comes from the 40% of scores between the median and the ninth decile: a relative standard error of
  // 1 / √(.4 n). The threshold at .1% lies ln 500 = 6.2 scales above the median, whose own error is scale / √n. Four
  // standard errors of both.
  it.each([600, 6000])('recovers the quantile of a known exponential tail from %i scores', (n) => {
    for (let seed = 1; seed <= 20; seed++) {
      const tail = scoreTail(exponentialScores(n, seed), 0.001);
      const error = scale * Math.hypot(Math.log(500) / Math.sqrt(0.4 * n), 1 / Math.sqrt(n));
      expect(Math.abs(tail.threshold - truth(0.001))).toBeLessThan(4 * error);
      expect(tail).toMatchObject({ quantile: 0.001 });
    }
  });

  it('is right on average: thresholds of many sets have no bias to speak of', () => {
    const thresholds = Array.from(
      { length: 200 },
      (_, i) => scoreTail(exponentialScores(600, 100 + i), 0.001).threshold,
    );
    const mean = thresholds.reduce((sum, value) => sum + value, 0) / thresholds.length;
    // The mean's standard error is .02 / √200 = .0014: four of them. It is a tenth of a scale, so the share is right to 12%.
    expect(Math.abs(mean - truth(0.001))).toBeLessThan(0.006);
  });

  it('is barely moved by one in twenty that are no held-out pictures, and counts them', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const clean = exponentialScores(600, seed);
      const random = createRandom(seed + 1000);
      const dirty = clean.map((score, i) => (i % 20 === 0 ? 0.85 + 0.15 * random.uniform() : score));
      const tail = scoreTail(dirty, 0.001);
      const without = scoreTail(clean, 0.001);
      // Five in a hundred at the top move the median and the ninth decile of those that are kept by a few percent of a scale.
      expect(Math.abs(tail.threshold - without.threshold)).toBeLessThan(0.05);
      expect(tail.suspects).toBeGreaterThanOrEqual(30);
      expect(tail.suspects).toBeLessThanOrEqual(32);
      expect(tail.reached).toBeGreaterThanOrEqual(30);
    }
  });

  it('counts hardly any suspect in a clean set', () => {
    let suspects = 0;
    for (let seed = 1; seed <= 100; seed++)
      suspects += scoreTail(exponentialScores(600, seed), 0.001).suspects;
    // One set in ten has one, by the definition; taking it out lowers the limit a little. 100 sets: 10, and 4 standard errors.
    expect(suspects).toBeLessThanOrEqual(23);
  });

  it('agrees with scoreAt, which goes through the median', () => {
    const tail = scoreTail(exponentialScores(600, 3), 0.001);
    expect(scoreAt(tail, 0.001)).toBe(tail.threshold);
    expect(scoreAt(tail, 0.5)).toBe(tail.median);
  });

  it('needs more than what was seen where all scores are alike', () => {
    for (const score of [0, 0.25]) {
      const tail = scoreTail(new Array(50).fill(score), 0.001);
      expect(tail.threshold).toBeGreaterThan(score);
      expect(tail.threshold).toBeLessThan(score + 0.001);
      expect(tail).toMatchObject({ reached: 0, suspects: 0, median: score });
    }
  });

  it('holds for any scores: finite, above the median, and not dependent on their order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: fewestScores, maxLength: 80 }),
        fc.double({ min: 1e-6, max: 0.5, noNaN: true }),
        (scores, share) => {
          const tail = scoreTail(scores, share);
          expect(Number.isFinite(tail.threshold)).toBe(true);
          expect(tail.threshold).toBeGreaterThanOrEqual(tail.median);
          expect(tail.reached).toBe(scores.filter((score) => score >= tail.threshold).length);
          expect(scoreTail([...scores].reverse(), share)).toEqual(tail);
        },
      ),
    );
  });

  it('refuses fewer than twenty', () => {
    expect(() => scoreTail(new Array(fewestScores - 1).fill(0.1), 0.001)).toThrow(
      /19 held-out pictures .* name 20/,
    );
    expect(() => scoreTail([], 0.001)).toThrow(/0 held-out/);
  });
});
