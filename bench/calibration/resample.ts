import {
  benjaminiHochberg,
  createRandom,
  empiricalPValues,
  mean,
  normalQuantile,
  type Random,
  standardDeviation,
} from '../../src/math/index.ts';

/** A planted duplicate group: the scores of its captions. */
export interface PlantedGroup {
  readonly copies: number;
  readonly scores: readonly number[];
}

/** Captions of one make: their scores are held against each other. */
export interface Stratum {
  /** Scores of captions that were never trained on: each split makes null scores of some and negatives of others. */
  readonly neverSeen: ArrayLike<number>;
  /** Null scores of a split, and negatives of it; together no more than there are. */
  readonly nulls: number;
  readonly negatives: number;
  /** Scores of captions never trained on that are always negatives, and never null scores. */
  readonly otherNegatives?: readonly number[];
  /** Groups that the model was trained on. */
  readonly groups: readonly PlantedGroup[];
}

export interface ResampleOptions {
  readonly strata: readonly Stratum[];
  readonly rates: readonly number[];
  readonly resamples: number;
  readonly seed: number;
  /** Copies from which on a group counts for the power. */
  readonly powerCopies: number;
}

export interface Mean {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

export interface ResampledRate {
  readonly rate: number;
  /** Share of negatives among the discoveries; 0 in a resample without any. Mean with its 95% interval. */
  readonly falseDiscoveries: Mean;
  /** Share of the groups with `powerCopies` copies or more of which some caption is discovered. */
  readonly power: Mean;
  readonly discoveries: number;
  /** rate · m₀ / m, which the mean may reach and not exceed, averaged over the resamples. */
  readonly bound: number;
}

export interface Uniformity {
  /** Largest distance of the distribution of the negatives' p-values from the uniform one; its mean. */
  readonly deviation: number;
  /** What the two-sample statistic of Kolmogorov and Smirnov stays below in 95% of the splits. */
  readonly limit: number;
  /** Share of the splits above that. */
  readonly above: number;
  /** [a, mean share of negatives with p ≤ a]. */
  readonly tail: readonly (readonly [level: number, share: number])[];
}

export interface Resampled {
  readonly rates: readonly ResampledRate[];
  /** Of the negatives that come from the splits of the first stratum. */
  readonly uniformity: Uniformity;
}

const tailLevels = [0.01, 0.05, 0.1];

/**
 * How well the rate of false discoveries is kept: many times, captions never trained on are split at random into null scores
 * and negatives, planted groups are drawn anew with replacement, and Benjamini and Hochberg's procedure is asked at each rate.
 * By the random split the null scores and the negatives are exchangeable whatever the attack's distribution, so the mean of
 * the false-discovery proportion must not exceed rate · m₀ / m but by chance. The intervals say how well the resamples
 * determine the mean; they hold for these captions and this model.
 */
export function resample(options: ResampleOptions): Resampled {
  const { strata, rates, resamples, powerCopies } = options;
  const random = createRandom(options.seed);
  const seen = rates.map(() => ({
    proportion: [] as number[],
    power: [] as number[],
    found: [] as number[],
    bound: [] as number[],
  }));
  const deviations: number[] = [];
  const tails = tailLevels.map(() => [] as number[]);
  for (let r = 0; r < resamples; r++) {
    const drawn = strata.map((stratum) => drawStratum(stratum, random));
    const pValues = Float64Array.from(drawn.flatMap(({ p }) => [...p]));
    const first = strata[0]!.negatives;
    if (first > 0) {
      const own = pValues.slice(0, first).sort();
      deviations.push(deviation(own));
      tailLevels.forEach((level, i) => {
        tails[i]!.push(own.filter((p) => p <= level).length / own.length);
      });
    }
    const negatives = drawn.reduce((sum, one) => sum + one.negatives, 0);
    rates.forEach((rate, i) => {
      const { rejected, count } = benjaminiHochberg(pValues, rate);
      let at = 0;
      let wrong = 0;
      let counted = 0;
      let found = 0;
      for (const one of drawn) {
        wrong += rejected.subarray(at, at + one.negatives).reduce((sum, yes) => sum + yes, 0);
        at += one.negatives;
        for (const { copies, scores } of one.groups) {
          const any = rejected.subarray(at, at + scores.length).includes(1);
          at += scores.length;
          if (copies < powerCopies) continue;
          counted++;
          if (any) found++;
        }
      }
      seen[i]!.proportion.push(wrong / Math.max(1, count));
      seen[i]!.power.push(found / counted);
      seen[i]!.found.push(count);
      seen[i]!.bound.push((rate * negatives) / pValues.length);
    });
  }
  // Kolmogorov's 95% quantile 1.358 over two samples.
  const limit = 1.358 * Math.sqrt(1 / strata[0]!.nulls + 1 / Math.max(1, strata[0]!.negatives));
  return {
    rates: rates.map((rate, i) => ({
      rate,
      falseDiscoveries: meanOf(seen[i]!.proportion),
      power: meanOf(seen[i]!.power),
      discoveries: mean(seen[i]!.found),
      bound: mean(seen[i]!.bound),
    })),
    uniformity: {
      deviation: mean(deviations),
      limit,
      above: deviations.filter((one) => one > limit).length / deviations.length,
      tail: tailLevels.map((level, i) => [level, mean(tails[i]!)]),
    },
  };
}

/** One split: the p-values of the negatives, then of the groups' captions. */
function drawStratum(stratum: Stratum, random: Random) {
  const { neverSeen, otherNegatives = [], groups } = stratum;
  const order = random.shuffle(Array.from({ length: neverSeen.length }, (_, i) => i));
  const take = (from: number, count: number) => order.slice(from, from + count).map((i) => neverSeen[i]!);
  const nulls = take(0, stratum.nulls);
  const negatives = [...take(stratum.nulls, stratum.negatives), ...otherNegatives];
  const drawn = groups.map(() => groups[random.integer(groups.length)]!);
  const p = empiricalPValues(nulls, [...negatives, ...drawn.flatMap(({ scores }) => scores)]);
  return { p, negatives: negatives.length, groups: drawn };
}

/** The largest distance of the empirical distribution of ascending p-values from the uniform one. */
function deviation(sorted: Float64Array): number {
  let most = 0;
  sorted.forEach((p, i) => {
    most = Math.max(most, (i + 1) / sorted.length - p, p - i / sorted.length);
  });
  return most;
}

function meanOf(values: readonly number[]): Mean {
  const centre = mean(values);
  const half = (normalQuantile(0.975) * standardDeviation(values, 1)) / Math.sqrt(values.length);
  return { mean: centre, low: centre - half, high: centre + half };
}
