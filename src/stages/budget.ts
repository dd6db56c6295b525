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
  /** From the cheapest score to the picture. */
  readonly rungs: readonly Rung[];
  /** Captions that are computed together: the unit in which rounds are cut. */
  readonly batch: number;
}

export interface BudgetPlan {
  /** How many captions each rung takes; never more than the one before. */
  readonly counts: readonly number[];
  /** The captions come in so many parts, each of which goes up the whole ladder before the next one. */
  readonly rounds: number;
  /** What that costs at most. */
  readonly evaluations: number;
  /** What is left of the budget, for further samples. */
  readonly spare: number;
}

/** More rounds find sooner and rank worse: each one takes the best of what has been scored so far. */
const mostRounds = 32;

/**
 * Spends a budget over captions: successive halving (Jamieson & Talwalkar 2016, algorithm 1: the same share for each rung,
 * so each rung takes as many of the best as its share pays for), in rounds over parts of the captions as the brackets of
 * Hyperband (Li et al. 2018) are. What a rung cannot spend, since no more captions come to it, goes to the next ones.
 *
 * @throws VerbatimError (exit code 2) below the cheapest plan: one batch that is scored, and one caption on each rung above
 */
export function planBudget({ captions, budget, rungs, batch }: BudgetQuestion): BudgetPlan {
  if (captions === 0) return { counts: rungs.map(() => 0), rounds: 1, evaluations: 0, spare: budget };
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
    const reserved = sum(least.slice(i + 1));
    const share = Math.min(Math.max(Math.floor(left / (rungs.length - i)), least[i]!), left - reserved);
    coming = Math.min(coming, Math.floor((share - rung.shared) / rung.perCaption));
    left -= costOf(rung, coming);
    return coming;
  });
  const rounds = Math.max(1, Math.min(mostRounds, Math.floor(counts.at(-1)! / batch)));
  return { counts, rounds, evaluations: budget - left, spare: left };
}

function costOf({ perCaption, shared }: Rung, captions: number): number {
  return shared + perCaption * captions;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
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
