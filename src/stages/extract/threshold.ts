import { scoreTail } from '../../math/index.ts';

/** Up to which normalised distance a generated picture counts as extracted, and why. */
export interface ExtractThreshold {
  readonly value: number;
  /**
   * 'tail': by the fitted tail of held-out distances; 'count': by counting them, where there are enough; 'fixed': the largest
   * that is allowed, because held-out pictures would allow more, or there are none.
   */
  readonly by: 'tail' | 'count' | 'fixed';
  /** The share of unrelated pictures that may lie within it; null without held-out pictures. */
  readonly share: number | null;
  /** What is known of unrelated pictures. */
  readonly heldOut: {
    /** Of −ln of the normalised distance: half of them score above the median, and the scores above fall off by this scale. */
    readonly median: number;
    readonly scale: number;
    /** Held-out pictures nearer than chance would have any of them be: most likely copies of training pictures. */
    readonly suspects: number;
    /** Of those that were compared. */
    readonly compared: number;
    /** How many lie within the threshold, suspects among them. */
    readonly within: number;
  } | null;
}

/** Held-out pictures that must lie within a threshold for counting to say more than the tail. */
const enough = 10;

/**
 * The threshold at which `falsePositives` of `samples` unrelated pictures are expected within it.
 *
 * Near a picture the number of others within a distance r grows like r^m, with m the dimension of the pictures there, so the
 * share whose nearest lies within t times the usual distance is about t^m: −ln of the normalised distance has an
 * exponential tail, which `scoreTail` fits. Where ten held-out pictures or more may lie within, they are counted instead.
 *
 * @param heldOut normalised distances of pictures that the model never saw; undefined where there are none
 * @param most never more than this
 * @throws VerbatimError (exit code 2) when there are fewer than 20
 */
export function extractThreshold(
  heldOut: readonly number[] | undefined,
  options: { readonly samples: number; readonly falsePositives: number; readonly most: number },
): ExtractThreshold {
  const { samples, falsePositives, most } = options;
  if (heldOut === undefined) return { value: most, by: 'fixed', share: null, heldOut: null };
  // More than half of all pictures are no tail.
  const share = Math.min(0.5, falsePositives / samples);
  const tail = scoreTail(
    heldOut.map((distance) => -Math.log(distance)),
    share,
    Number.NEGATIVE_INFINITY,
  );
  const { median, scale, suspects } = tail;
  const honest = Float64Array.from(heldOut).sort().subarray(suspects);
  const allowed = Math.floor(share * honest.length);
  const counted = allowed >= enough;
  const wanted = counted ? withinAtMost(honest, allowed) : Math.exp(-tail.threshold);
  const value = Math.min(most, wanted);
  return {
    value,
    by: wanted > most ? 'fixed' : counted ? 'count' : 'tail',
    share,
    heldOut: {
      median,
      scale,
      suspects,
      compared: heldOut.length,
      within: heldOut.filter((distance) => distance <= value).length,
    },
  };
}

/** The largest value that no more than `allowed` of the values, ascending, do not exceed. */
function withinAtMost(sorted: Float64Array, allowed: number): number {
  let at = allowed;
  while (at > 0 && sorted[at - 1] === sorted[allowed]) at--;
  return at === 0 ? sorted[0]! / 2 : sorted[at - 1]!;
}

/**
 * Whether half of the held-out pictures lie so near to training pictures, at a quarter of what is usual around them, that they
 * are most likely training pictures stored in another way: then the threshold is theirs, and finds nothing.
 */
export function looksTrainedOn({ heldOut }: ExtractThreshold, alpha: number): boolean {
  return heldOut !== null && Math.exp(-heldOut.median) * alpha < 0.25;
}

/**
 * The share of unrelated pictures that lie within a normalised distance: counted where ten held-out pictures or more do,
 * beside the suspects, else by the tail.
 *
 * @param within held-out pictures within that distance, suspects among them
 */
export function shareWithin(
  { median, scale, suspects, compared }: NonNullable<ExtractThreshold['heldOut']>,
  normalised: number,
  within: number,
): number {
  const honest = within - suspects;
  if (honest >= enough) return honest / (compared - suspects);
  return Math.min(0.5, 0.5 * Math.exp(-(-Math.log(normalised) - median) / scale));
}
