import { VerbatimError } from '../errors.ts';
import type { Picture } from '../images/index.ts';
import { clopperPearsonInterval } from '../math/index.ts';
import { type NearestOptions, type NearestResult, nearestPictures } from './nearest.ts';
import type { PictureCollection } from './types.ts';

/** Where the calibrated rule's threshold comes from, and how far it can be trusted. */
export interface Calibration {
  /** RMS distance in [0, 1]: a generation at this distance or nearer matches. */
  readonly threshold: number;
  /** Share of held-out pictures that may reach the threshold: .001 unless told otherwise. */
  readonly quantile: number;
  /** Held-out pictures that were compared. */
  readonly heldOut: number;
  /** Held-out pictures that could not be read, and are not among them. */
  readonly unreadable: number;
  readonly trainingSize: number;
  /** Training pictures that could not be read: nothing can be found to repeat them. */
  readonly trainingUnreadable: number;
  /** How many held-out pictures have a training picture at the threshold or nearer. */
  readonly reached: number;
  /** Of those, how many equal a training picture byte for byte: they were not really held out. */
  readonly identical: number;
  /** reached / heldOut. */
  readonly falsePositiveRate: number;
  /**
   * Upper end of the one-sided 95% interval (Clopper and Pearson) of that rate. The threshold being an
   * order statistic of the same pictures does no harm: their true rate is then Beta(k, n − k + 1), whose
   * quantiles lie below this bound.
   */
  readonly falsePositiveRateHigh: number;
  /** There were too few held-out pictures for the quantile: the threshold is the smallest distance. */
  readonly tooFew: boolean;
}

/**
 * The calibrated threshold: the largest held-out distance d such that at most `quantile` of the held-out
 * pictures lie at d or nearer to some training picture. What is nearer than that is not explained by the
 * pictures merely being alike. With fewer than 1 / quantile held-out pictures (1,000 for .1%) no distance
 * has that property with any picture at it, and the threshold is the smallest distance seen: `tooFew`
 * says so and the interval's upper end says what it is worth.
 *
 * @param distances nearest-neighbour RMS of each held-out picture against the whole training set
 * @param trainingSize number of training pictures they were compared with
 */
export function calibrate(distances: ArrayLike<number>, trainingSize: number, quantile = 0.001): Calibration {
  const sorted = Float64Array.from(distances).sort();
  const heldOut = sorted.length;
  if (heldOut === 0)
    throw new VerbatimError(
      'the calibrated rule needs held-out pictures, and there are none; name some, or label with the reference rule only',
    );
  if (!(quantile > 0 && quantile < 1))
    throw new VerbatimError(`the quantile of held-out pictures must lie between 0 and 1, not ${quantile}`);
  if (!(sorted[0]! >= 0) || !(sorted[heldOut - 1]! <= 1))
    throw new VerbatimError('held-out distances must be RMS values between 0 and 1');

  // Rounding must not turn .001 · 3000 = 3 into 2.
  const allowed = Math.floor(quantile * heldOut * (1 + 1e-12));
  let reached = allowed;
  // Equal distances stand or fall together: step down until the next one is larger.
  while (reached > 0 && reached < heldOut && sorted[reached - 1] === sorted[reached]) reached--;
  const tooFew = reached === 0;
  if (tooFew) while (reached < heldOut && sorted[reached] === sorted[0]) reached++;
  const threshold = sorted[reached - 1]!;
  return {
    threshold,
    quantile,
    heldOut,
    unreadable: 0,
    trainingSize,
    trainingUnreadable: 0,
    reached,
    identical: sorted.filter((d) => d === 0).length,
    falsePositiveRate: reached / heldOut,
    falsePositiveRateHigh: clopperPearsonInterval(reached, heldOut, 0.9).high,
    tooFew,
  };
}

/**
 * Calibrates on pictures: each held-out picture's nearest training picture, then `calibrate`. All held-out
 * pictures must have one size, the one at which generated pictures are judged: the model's (`pictureView`).
 */
export async function calibrateOnPictures(
  heldOut: readonly Picture[],
  training: PictureCollection,
  options: NearestOptions & { readonly quantile?: number } = {},
): Promise<Calibration> {
  const nearest = await nearestPictures(heldOut, training, options);
  return calibrateOnNearest(nearest, training.size, options.quantile);
}

/** The same, where the nearest training pictures are known. */
export function calibrateOnNearest(
  { neighbours, unreadable }: NearestResult,
  trainingSize: number,
  quantile?: number,
): Calibration {
  const distances = neighbours.flatMap((neighbour) => (neighbour === null ? [] : [neighbour.distance]));
  if (neighbours.length > 0 && distances.length === 0)
    throw new VerbatimError(
      `none of the ${trainingSize} training pictures can be read (the first: ${unreadable[0]?.error ?? 'unknown'})`,
    );
  const sound = calibrate(distances, trainingSize - unreadable.length, quantile);
  return { ...sound, trainingUnreadable: unreadable.length };
}
