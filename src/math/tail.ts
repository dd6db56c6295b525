import { VerbatimError } from '../errors.ts';
import { quantile } from './summary.ts';

/** The upper tail of a score over held-out pictures, and the threshold that follows from it. */
export interface ScoreTail {
  /** A score at or above it is expected of a share `quantile` of unrelated pictures. */
  readonly threshold: number;
  readonly quantile: number;
  /** Half of the held-out pictures score above it. */
  readonly median: number;
  /** Mean excess over the median: the scale of the exponential tail. */
  readonly scale: number;
  /** Held-out pictures that reach the threshold. */
  readonly reached: number;
  /**
   * Held-out pictures that score higher than one in ten sets of this size would have any picture do: most likely copies
   * of training pictures, which are no held-out pictures. They are left out of the tail.
   */
  readonly suspects: number;
}

/** The share of scores above which the tail is not looked at: what is not really held out lies there. */
const censored = 0.9;
/** Fewer scores have no tail to speak of. */
export const fewestScores = 20;

/**
 * A threshold far out in the tail of held-out scores. The scores being maxima over a whole training set, their upper
 * tail falls exponentially (Gumbel; Karlin and Altschul 1990 for scores of local alignments); the scale is the
 * maximum-likelihood one of the scores between the median and the ninth decile, those above being censored. So the
 * threshold may lie beyond the largest score, and held-out pictures that are copies of training pictures (a few percent
 * of CIFAR-10's test set are) do not move it much.
 *
 * @param least the threshold does not fall below it, however alike held-out scores are
 * @throws VerbatimError when there are fewer than `fewestScores`
 */
export function scoreTail(scores: ArrayLike<number>, share: number, least = 0): ScoreTail {
  const all = Float64Array.from(scores).sort();
  if (all.length < fewestScores)
    throw new VerbatimError(
      `${all.length} held-out pictures have no tail to speak of: name ${fewestScores} at least`,
      { exitCode: 2 },
    );
  const far = 1 / (10 * all.length);
  let kept = all;
  let fit = exponentialTail(kept);
  // Taking out what is too far off lowers the scale, and may show more of the kind.
  for (let round = 0; round < 10; round++) {
    const limit = scoreAt(fit, far);
    const next = all.filter((score) => score <= limit);
    if (next.length === kept.length || next.length < fewestScores) break;
    kept = next;
    fit = exponentialTail(kept);
  }
  const threshold = Math.max(least, scoreAt(fit, share));
  return {
    threshold,
    quantile: share,
    ...fit,
    reached: all.filter((score) => score >= threshold).length,
    suspects: all.length - kept.length,
  };
}

/** The score that a share of unrelated pictures, at most one half, reaches. */
export function scoreAt({ median, scale }: Pick<ScoreTail, 'median' | 'scale'>, share: number): number {
  return median + scale * Math.log(0.5 / share);
}

function exponentialTail(sorted: Float64Array): { median: number; scale: number } {
  const median = quantile(sorted, 0.5);
  const bound = quantile(sorted, censored);
  let excess = 0;
  let inside = 0;
  for (const score of sorted) {
    if (score <= median) continue;
    if (score < bound) inside++;
    excess += Math.min(score, bound) - median;
  }
  // All scores alike (a held-out set of one picture many times): no tail, and nothing but more is enough.
  return { median, scale: inside === 0 ? Math.max(bound - median, 1e-6) : excess / inside };
}
