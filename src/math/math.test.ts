import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  betaQuantile,
  bootstrapInterval,
  clopperPearsonInterval,
  dot,
  logGamma,
  mean,
  normalQuantile,
  precisionAtK,
  precisionCurve,
  quantile,
  rankDescending,
  regularizedBeta,
  rocAuc,
  rocCurve,
  squaredDistance,
  standardDeviation,
  toFloat16,
  toFloat32,
  tprAtFpr,
  wilsonInterval,
} from './index.ts';

interface Golden {
  ranking: {
    name: string;
    positives: number[];
    negatives: number[];
    auc: number;
    fpr: number[];
    tpr: number[];
    thresholds: number[];
    tprAt: Record<string, number>;
  }[];
  summary: { values: number[]; mean: number; std: number; std1: number; quantiles: [number, number][] };
  normalQuantile: [number, number][];
  logGamma: [number, number][];
  beta: [number, number, number, number][];
  share: [number, number, number, number, number, number, number][];
  halves: { values: number[]; bits: number[] };
}
const golden = JSON.parse(readFileSync(new URL('fixtures/golden.json', import.meta.url), 'utf8')) as Golden;

describe('ranking', () => {
  it.each(golden.ranking)('agrees with scikit-learn on $name', (set) => {
    expect(rocAuc(set.positives, set.negatives)).toBeCloseTo(set.auc, 12);
    const curve = rocCurve(set.positives, set.negatives);
    expect([...curve.falsePositiveRates]).toEqual(set.fpr);
    expect([...curve.truePositiveRates]).toEqual(set.tpr);
    expect([...curve.thresholds.slice(1)]).toEqual(set.thresholds);
    for (const [fpr, tpr] of Object.entries(set.tprAt))
      expect(tprAtFpr(set.positives, set.negatives, Number(fpr))).toBe(tpr);
  });

  const scores = fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 30 });
  it('the area is the share of pairs in the right order, ties counted by half', () => {
    fc.assert(
      fc.property(scores, scores, (p, n) => {
        let wins = 0;
        for (const x of p) for (const y of n) wins += x > y ? 1 : x === y ? 0.5 : 0;
        expect(rocAuc(p, n)).toBeCloseTo(wins / (p.length * n.length), 12);
        expect(rocAuc(p, n) + rocAuc(n, p)).toBeCloseTo(1, 12);
      }),
    );
  });

  it('TPR at FPR is strict: a false positive rate of exactly 1% does not count as below 1%', () => {
    const negatives = Array.from({ length: 100 }, (_, i) => i / 100);
    expect(tprAtFpr([0.985, 1, 2, 3], negatives, 0.01)).toBe(0.75);
    expect(tprAtFpr([0.985, 1, 2, 3], negatives, 0.0101)).toBe(1);
  });

  it('ranks equal scores in their order of input', () => {
    const values = [1, 3, 3, -Infinity, 3, Infinity];
    expect([...rankDescending(values)]).toEqual([5, 1, 2, 4, 0, 3]);
    const labels = [false, true, false, true, true, false];
    expect([...precisionCurve(values, labels)]).toEqual([0, 1 / 2, 1 / 3, 2 / 4, 2 / 5, 3 / 6]);
    expect(precisionAtK(values, labels, 4)).toBe(0.5);
    expect(() => precisionAtK(values, labels, 7)).toThrow(/from 1 to 6/);
  });

  it('refuses what cannot be ranked', () => {
    expect(() => rocAuc([], [1])).toThrow(/positives/);
    expect(() => rocAuc([1], [2, Number.NaN])).toThrow(/negatives.*value 1/);
    expect(() => rankDescending([0, Number.NaN])).toThrow(/Score 1/);
  });
});

describe('summary', () => {
  it('agrees with numpy', () => {
    const { values, ...want } = golden.summary;
    expect(mean(values)).toBeCloseTo(want.mean, 13);
    expect(standardDeviation(values)).toBeCloseTo(want.std, 13);
    expect(standardDeviation(values, 1)).toBeCloseTo(want.std1, 13);
    for (const [q, value] of want.quantiles) expect(quantile(values, q)).toBeCloseTo(value, 13);
  });

  it('quantiles are monotone, lie within the values and refuse nonsense', () => {
    const values = fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1 });
    const level = fc.double({ noNaN: true, min: 0, max: 1 });
    fc.assert(
      fc.property(values, level, level, (xs, a, b) => {
        const low = quantile(xs, Math.min(a, b));
        const high = quantile(xs, Math.max(a, b));
        expect(low).toBeLessThanOrEqual(high);
        expect(low).toBeGreaterThanOrEqual(Math.min(...xs));
        expect(high).toBeLessThanOrEqual(Math.max(...xs));
      }),
    );
    expect(() => quantile([1], 1.5)).toThrow(/1.5/);
    expect(() => quantile([], 0.5)).toThrow(/no values/);
  });

  it('dot and squaredDistance', () => {
    expect(dot([1, 2, 3], Float32Array.of(4, -5, 6))).toBe(12);
    expect(squaredDistance([1, 2], [4, 6])).toBe(25);
    expect(() => dot([1], [1, 2])).toThrow(/1 and 2/);
  });
});

describe('distributions and intervals', () => {
  it('agree with scipy', () => {
    for (const [p, z] of golden.normalQuantile)
      expect(Math.abs(normalQuantile(p) - z)).toBeLessThan(1e-13 * 10);
    for (const [x, value] of golden.logGamma)
      expect(Math.abs(logGamma(x) - value)).toBeLessThan(1e-13 * Math.max(1, Math.abs(value)));
    for (const [x, a, b, value] of golden.beta) {
      expect(Math.abs(regularizedBeta(x, a, b) - value)).toBeLessThan(1e-11 * value);
      expect(betaQuantile(value, a, b)).toBeCloseTo(x, 9);
    }
    for (const [k, n, level, wilsonLow, wilsonHigh, exactLow, exactHigh] of golden.share) {
      const wilson = wilsonInterval(k, n, level);
      expect(wilson.low).toBeCloseTo(wilsonLow, 12);
      expect(wilson.high).toBeCloseTo(wilsonHigh, 12);
      const exact = clopperPearsonInterval(k, n, level);
      expect(exact.low).toBeCloseTo(exactLow, 10);
      expect(exact.high).toBeCloseTo(exactHigh, 10);
    }
    expect(() => wilsonInterval(3, 2)).toThrow(/3 of 2/);
    expect(() => clopperPearsonInterval(1, 2, 1)).toThrow(/level/);
  });

  it('the bootstrap is a function of its seed and covers what it estimates', () => {
    const set = golden.ranking[1]!;
    const groups = [set.positives, set.negatives];
    const interval = bootstrapInterval(rocAuc, groups, { resamples: 400, seed: 3 });
    expect(bootstrapInterval(rocAuc, groups, { resamples: 400, seed: 3 })).toEqual(interval);
    expect(bootstrapInterval(rocAuc, groups, { resamples: 400, seed: 4 })).not.toEqual(interval);
    expect(interval.low).toBeLessThan(set.auc);
    expect(interval.high).toBeGreaterThan(set.auc);
    const narrow = bootstrapInterval(rocAuc, groups, { resamples: 400, seed: 3, level: 0.5 });
    expect(narrow.high - narrow.low).toBeLessThan(interval.high - interval.low);
  });

  it('the bootstrap of a mean has the textbook width', () => {
    const values = golden.summary.values;
    const { low, high } = bootstrapInterval(mean, [values], { resamples: 4000, seed: 1 });
    const expected = 2 * 1.96 * (golden.summary.std / Math.sqrt(values.length));
    expect((high - low) / expected).toBeGreaterThan(0.94);
    expect((high - low) / expected).toBeLessThan(1.06);
  });
});

describe('float16', () => {
  it('rounds as numpy does', () => {
    expect([...toFloat16(Float32Array.from(golden.halves.values))]).toEqual(golden.halves.bits);
  });

  it('every pattern survives the way to float32 and back', () => {
    const bits = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
    const back = toFloat16(toFloat32(bits));
    for (let i = 0; i < bits.length; i++) {
      const isNaN16 = (i & 0x7c00) === 0x7c00 && (i & 0x3ff) !== 0;
      if (isNaN16 ? back[i] !== 0x7e00 : back[i] !== i)
        expect.fail(`pattern ${i.toString(16)} came back as ${back[i]}`);
    }
    expect([...toFloat32(Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0xfc00))]).toEqual([
      1,
      -2,
      65504,
      2 ** -24,
      -Infinity,
    ]);
  });

  it('rounds any float32 to its nearest float16', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, min: -65504, max: 65504 }), (value) => {
        const bits = toFloat16(Float32Array.of(value))[0]!;
        const error = Math.abs(toFloat32(Uint16Array.of(bits))[0]! - value);
        for (const neighbour of [bits - 1, bits + 1]) {
          const other = toFloat32(Uint16Array.of(neighbour))[0]!;
          if (Number.isFinite(other)) expect(error).toBeLessThanOrEqual(Math.abs(other - value));
        }
      }),
    );
  });
});
