import { VerbatimError } from '../errors.ts';

/** What a rung of the ladder costs, in evaluations. */
export interface Rung {
  readonly perCaption: number;
  /** Once for all captions: what they share. */
  readonly shared: number;
}

export interface BudgetQuestion {
  /** Captions that could be audited. */
  readonly captions: number;
  /** Evaluations that may be spent. */
  readonly budget: number;
  /** From the cheapest score to the dearest picture. */
  readonly rungs: readonly Rung[];
  /** Captions that are computed together: the unit in which rounds are cut. */
  readonly batch: number;
}

export interface BudgetPlan {
  /** How many captions each rung takes; never more than the one before. */
  readonly counts: readonly number[];
  /** What that costs at most. */
  readonly evaluations: number;
  /** What is left of the budget, for further samples. */
  readonly spare: number;
}

/** Each rung takes at least so many times fewer captions than the one before, while there are captions enough. */
const eta = 4;

/** More rounds find sooner and rank worse: each one takes the best of what has been scored so far. */
const mostRounds = 32;

/**
 * Spends a budget over captions: successive halving (Jamieson & Talwalkar 2016, algorithm 1), where each rung keeps one in η
 * of the captions for a dearer look, in rounds over parts of the captions as the brackets of Hyperband (Li et al. 2018) are.
 * Where there are not captions enough to spend all so, all are scored, and the rungs above take more than one in η.
 *
 * @throws VerbatimError (exit code 2) below the cheapest plan: one batch that is scored, and one caption on each rung above
 */
export function planBudget({ captions, budget, rungs, batch }: BudgetQuestion): BudgetPlan {
  if (captions === 0) return { counts: rungs.map(() => 0), evaluations: 0, spare: budget };
  const least = rungs.map((rung, i) => costOf(rung, i === 0 ? Math.min(batch, captions) : 1));
  const needed = sum(least);
  if (budget < needed)
    throw new VerbatimError(
      `budget: ${budget} evaluations are too few; the least is ${needed}, for ${Math.min(batch, captions)} captions scored and one picture`,
      { exitCode: 2 },
    );
  let left = budget;
  let coming = captions;
  const counts = rungs.map((rung, i) => {
    const above = rungs.slice(i);
    // One caption here, and its part of the rungs above.
    const each = sum(above.map(({ perCaption }, j) => perCaption / eta ** j));
    const wanted = Math.floor((left - sum(above.map(({ shared }) => shared))) / each);
    const reserved = sum(least.slice(i + 1));
    const most = Math.floor((left - reserved - rung.shared) / rung.perCaption);
    const fewest = i === 0 ? Math.min(batch, captions) : 1;
    coming = Math.min(coming, most, Math.max(fewest, wanted));
    left -= costOf(rung, coming);
    return coming;
  });
  return { counts, evaluations: budget - left, spare: left };
}

function costOf({ perCaption, shared }: Rung, captions: number): number {
  return shared + perCaption * captions;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** In how many rounds so many pictures are made: each has a batch of them at least. */
export function roundsFor(pictures: number, batch: number): number {
  return Math.max(1, Math.min(mostRounds, Math.floor(pictures / batch)));
}

/** One of several rounds, from 0. */
export interface Round {
  readonly index: number;
  readonly count: number;
}

/** All at once. */
export const onlyRound: Round = { index: 0, count: 1 };

/** Where a round's part of so many things begins and ends: parts differ by one at most, and add up to all. */
export function partOf(total: number, { index, count }: Round): { from: number; to: number } {
  const before = (round: number) => Math.floor((total * round) / count);
  return { from: before(index), to: before(index + 1) };
}
