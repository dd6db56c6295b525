import { type LossQueries, lossesPerPicture } from './loss.ts';

/** Part of the losses that were computed: the first draws, with or without the mirrored pictures. */
export interface UsedQueries {
  readonly draws: number;
  readonly flips: boolean;
}

/** Below this a loss is rounding: its logarithm must not run away from all others. */
const smallestLoss = 1e-30;

/**
 * What attacks compare: −mean over timesteps of ln(mean over draws and mirrored pictures of the loss); higher means "member".
 *
 * Why the logarithm: losses are positive, and what is hard to predict in a picture multiplies its loss in every model alike. After
 * it models differ by a shift of about the same size for easy and for busy pictures, which is what a variance that all pictures
 * share assumes, and a Gaussian fits better to it than to a mean of squares with its long right side.
 *
 * @param losses of one picture, in the order of `queryLosses`
 * @returns NaN where a loss that is used is missing or not finite
 */
export function membershipStatistic(
  losses: ArrayLike<number>,
  queries: LossQueries,
  used: UsedQueries,
): number {
  if (losses.length !== lossesPerPicture(queries))
    throw new RangeError(`a picture has ${lossesPerPicture(queries)} losses, got ${losses.length}`);
  const { timesteps, draws } = queries;
  if (used.draws < 1 || used.draws > draws || (used.flips && !queries.flips))
    throw new RangeError(`${used.draws} draws${used.flips ? ' and flips' : ''} were not computed`);
  const perTimestep = losses.length / timesteps.length;
  let sum = 0;
  for (let t = 0; t < timesteps.length; t++) {
    let total = 0;
    for (let side = 0; side < (used.flips ? 2 : 1); side++)
      for (let draw = 0; draw < used.draws; draw++) total += losses[t * perTimestep + side * draws + draw]!;
    const mean = total / (used.draws * (used.flips ? 2 : 1));
    if (!Number.isFinite(mean)) return Number.NaN;
    sum += Math.log(Math.max(smallestLoss, mean));
  }
  return -sum / timesteps.length;
}
