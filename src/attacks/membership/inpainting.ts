import { VerbatimError } from '../../errors.ts';

/** One completion of a picture whose region was masked. */
export interface Completion {
  /** The model's own denoising loss of what it made: the smaller, the surer it is. */
  readonly loss: number;
  /** √(mean (a − b)²) over the masked region between it and the picture, values in [0, 1]. */
  readonly distance: number;
}

export interface InpaintingScore {
  /** −kept/fill: near 0 where the picture comes back, −1 where the completions are no nearer than a plain fill; NaN where fill is 0. */
  readonly overFill: number;
  /**
   * −kept/all: near 0 where the completions that the model is sure of are the picture itself and the others are not; −1 where they
   * are like all others, so also where every one is the picture itself.
   */
  readonly overAll: number;
  /** −kept. */
  readonly plain: number;
  /** Mean distance of the kept completions, and of all. */
  readonly kept: number;
  readonly all: number;
  /** Positions of the kept ones, surest first. */
  readonly order: readonly number[];
}

/** @throws VerbatimError (exit code 2) where so many completions are kept that nothing is chosen */
export function checkKept(keep: number, completions: number): void {
  if (!Number.isInteger(keep) || keep < 1 || keep >= completions)
    throw new VerbatimError(
      `of ${completions} completions ${keep} cannot be kept; keep at least 1 and fewer than all, as their mean is compared with that of all`,
      { exitCode: 2 },
    );
}

/**
 * The inpainting attack's statistic (Carlini et al. 2023, section 5): of many completions those with the lowest loss are kept,
 * and their mean distance to the picture is taken. An easy picture, which any completion comes near to, must not pass as a member for
 * that, so the distance is put in relation: to that of a plain fill, or to the mean of all completions of the picture.
 *
 * @param fill distance of a plain fill of the region to the picture, in the unit of `distance`
 * @returns undefined where fewer than keep + 1 completions can be judged
 */
export function inpaintingScore(
  completions: readonly (Completion | undefined)[],
  keep: number,
  fill: number,
): InpaintingScore | undefined {
  checkKept(keep, completions.length);
  const judged = completions.flatMap((one, at) =>
    one !== undefined && Number.isFinite(one.loss) && Number.isFinite(one.distance) ? [{ ...one, at }] : [],
  );
  if (judged.length <= keep) return undefined;
  const mean = (of: readonly Completion[]) => of.reduce((sum, { distance }) => sum + distance, 0) / of.length;
  const best = judged.toSorted((a, b) => a.loss - b.loss || a.at - b.at).slice(0, keep);
  const kept = mean(best);
  const all = mean(judged);
  return {
    overFill: fill === 0 ? Number.NaN : -kept / fill,
    overAll: all === 0 ? -1 : -kept / all,
    plain: -kept,
    kept,
    all,
    order: best.map(({ at }) => at),
  };
}
