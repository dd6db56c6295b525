import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  benjaminiHochberg,
  createRandom,
  empiricalPValues,
  fewestDiscoveries,
  fewestNullScores,
  smallestPValue,
} from './index.ts';

const golden = JSON.parse(readFileSync(new URL('fixtures/golden.json', import.meta.url), 'utf8')) as {
  empirical: { nulls: number[]; scores: number[]; p: number[] };
  discoveries: {
    name: string;
    rate: number;
    dependence: 'positive' | 'any';
    p: number[];
    rejected: number[];
    q: number[];
  }[];
};

const scores = fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 1, maxLength: 40 });
const pValues = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 });
const rate = fc.double({ min: 0.01, max: 0.5, noNaN: true });

describe('empiricalPValues', () => {
  it('agrees with numpy', () => {
    const { nulls, scores: given, p } = golden.empirical;
    const ours = empiricalPValues(nulls, given);
    for (const [i, value] of p.entries()) expect(ours[i]).toBeCloseTo(value, 14);
  });

  it('counts null scores that are as high or higher, and the score itself', () => {
    fc.assert(
      fc.property(scores, scores, (nulls, given) => {
        const p = empiricalPValues(nulls, given);
        for (const [i, score] of given.entries())
          expect(p[i]).toBe((1 + nulls.filter((one) => one >= score).length) / (nulls.length + 1));
      }),
    );
  });

  it('is valid in finite samples: among n + 1 exchangeable scores each rank is the candidate’s once', () => {
    // Every one of the n + 1 in turn against the others: P(p ≤ a) ≤ a exactly, also with ties.
    fc.assert(
      fc.property(scores, fc.integer({ min: 1, max: 41 }), (all, k) => {
        if (all.length < 2) return;
        const p = all.map((score, i) => empiricalPValues(all.toSpliced(i, 1), [score])[0]!);
        const level = Math.min(k, all.length) / all.length;
        expect(p.filter((one) => one <= level + 1e-12).length).toBeLessThanOrEqual(
          Math.round(level * all.length),
        );
      }),
    );
  });

  it('a higher score never has a larger p-value, nor anything a smaller one than is possible', () => {
    fc.assert(
      fc.property(scores, scores, (nulls, given) => {
        const sorted = [...given].sort((a, b) => a - b);
        const p = [...empiricalPValues(nulls, sorted)];
        expect(p).toEqual([...p].sort((a, b) => b - a));
        expect(Math.min(...p)).toBeGreaterThanOrEqual(smallestPValue(nulls.length));
        expect(Math.max(...p)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('refuses what is no number, and no null scores', () => {
    expect(() => empiricalPValues([], [1])).toThrow(/null scores/);
    expect(() => empiricalPValues([1, Number.NaN], [1])).toThrow(/null scores.*value 1/);
    expect(() => empiricalPValues([1], [0, Number.NaN])).toThrow(/score 1/);
    expect([...empiricalPValues([1, 2], [Infinity, -Infinity])]).toEqual([1 / 3, 1]);
  });
});

describe('benjaminiHochberg', () => {
  it.each(golden.discoveries)('agrees with statsmodels: $name at $rate, $dependence', (set) => {
    const ours = benjaminiHochberg(set.p, set.rate, { dependence: set.dependence });
    expect([...ours.rejected]).toEqual(set.rejected);
    expect(ours.count).toBe(set.rejected.filter(Boolean).length);
    for (const [i, q] of set.q.entries()) expect(ours.qValues[i]).toBeCloseTo(q, 12);
  });

  it('rejects the k smallest, k the largest with p ≤ rate · k / m', () => {
    fc.assert(
      fc.property(pValues, rate, (p, at) => {
        const m = p.length;
        const sorted = [...p].sort((a, b) => a - b);
        let k = 0;
        // Not where a rounding decides.
        if (sorted.some((one, i) => Math.abs(one - (at * (i + 1)) / m) < 1e-12)) return;
        sorted.forEach((one, i) => {
          if (one <= (at * (i + 1)) / m) k = i + 1;
        });
        const { rejected, count } = benjaminiHochberg(p, at);
        expect(count).toBe(k);
        for (const [i, one] of p.entries()) expect(rejected[i] === 1).toBe(k > 0 && one <= sorted[k - 1]!);
      }),
    );
  });

  it('q-values are monotone in p, between p and 1, and say at which rates each is rejected', () => {
    fc.assert(
      fc.property(
        pValues,
        rate,
        fc.constantFrom('positive' as const, 'any' as const),
        (p, at, dependence) => {
          const { qValues, rejected } = benjaminiHochberg(p, at, { dependence });
          for (const [i, one] of p.entries()) {
            expect(qValues[i]).toBeGreaterThanOrEqual(one);
            expect(qValues[i]).toBeLessThanOrEqual(1);
            expect(rejected[i] === 1).toBe(qValues[i]! <= at);
            for (const [j, other] of p.entries())
              if (one <= other) expect(qValues[i]).toBeLessThanOrEqual(qValues[j]!);
          }
          const order = p.map((_, i) => i).reverse();
          const turned = benjaminiHochberg(
            order.map((i) => p[i]!),
            at,
            { dependence },
          );
          expect(order.map((i) => qValues[i])).toEqual([...turned.qValues]);
        },
      ),
    );
  });

  it('keeps the rate over one shared set of null scores, where p-values depend on each other', () => {
    // 40 true nulls and 20 others over 200 shared null scores: 600 times.
    const random = createRandom(5);
    const draw = (n: number, at: number) => Float64Array.from({ length: n }, () => at + random.normal());
    let proportions = 0;
    let power = 0;
    const times = 600;
    for (let t = 0; t < times; t++) {
      const p = empiricalPValues(draw(200, 0), [...draw(40, 0), ...draw(20, 4)]);
      const { rejected, count } = benjaminiHochberg(p, 0.1);
      const wrong = rejected.subarray(0, 40).reduce((sum, one) => sum + one, 0);
      proportions += wrong / Math.max(1, count);
      power += (count - wrong) / 20;
    }
    // Expected: at most .1 · 40 / 60 = .067; its standard error over 600 draws is below .004.
    expect(proportions / times).toBeLessThan(0.067 + 4 * 0.004);
    expect(power / times).toBeGreaterThan(0.9);
  });

  it('refuses what is no p-value and no rate; nothing tested is nothing discovered', () => {
    expect(benjaminiHochberg([], 0.05)).toMatchObject({ count: 0 });
    expect(() => benjaminiHochberg([0.1, 1.1], 0.05)).toThrow(/value 1 is 1.1/);
    expect(() => benjaminiHochberg([Number.NaN], 0.05)).toThrow(/value 0/);
    expect(() => benjaminiHochberg([0.1], 1)).toThrow(/rate.*got 1/);
  });
});

describe('fewestDiscoveries', () => {
  it('is the least number of smallest p-values that are believed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(0.05, 0.1, 0.2),
        fc.constantFrom('positive' as const, 'any' as const),
        (nulls, tests, at, dependence) => {
          const fewest = fewestDiscoveries(nulls, tests, at, { dependence });
          const with_ = (k: number) =>
            benjaminiHochberg(
              Array.from({ length: tests }, (_, i) => (i < k ? smallestPValue(nulls) : 1)),
              at,
              { dependence },
            ).count;
          // Not where a rounding decides.
          const harmonic = Array.from({ length: tests }, (_, i) => 1 / (i + 1)).reduce(
            (sum, one) => sum + one,
            0,
          );
          const edge = (tests / (nulls + 1) / at) * (dependence === 'any' ? harmonic : 1);
          if (Math.abs(edge - Math.round(edge)) < 1e-9 && fewest !== tests) return;
          if (fewest <= tests) expect(with_(fewest)).toBe(fewest);
          if (fewest > 1 && fewest <= tests + 1) expect(with_(fewest - 1)).toBe(0);
        },
      ),
    );
    expect(fewestDiscoveries(19, 1000, 0.05)).toBe(1000);
    expect(fewestDiscoveries(18, 1000, 0.05)).toBeGreaterThan(1000);
    expect(fewestNullScores(1000, 0.05)).toBe(19);
    for (const dependence of ['positive', 'any'] as const) {
      const least = fewestNullScores(66, 0.1, { dependence });
      expect(fewestDiscoveries(least, 66, 0.1, { dependence })).toBeLessThanOrEqual(66);
      expect(fewestDiscoveries(least - 1, 66, 0.1, { dependence })).toBeGreaterThan(66);
    }
  });
});
