import { VerbatimError } from '../errors.ts';
import { cellPlan } from './cells.ts';
import { exhaustivePlan } from './exhaustive.ts';
import { longestOf, rowLengths } from './lengths.ts';
import { type Assignments, assignRows, mostProbes, type Partition } from './partition.ts';
import type { StoreOptions } from './rowStore.ts';
import { type Comparison, openTiles, type SimilarPairs } from './tiles.ts';
import type { VectorRows } from './types.ts';
import { planVisits } from './visits.ts';

export interface PairOptions extends StoreOptions {
  /** The least similarity (dot product) of a pair, above 0. */
  readonly threshold: number;
  /** Rows from this position on are new: pairs of two rows before it are left out. Default 0, all are. */
  readonly newFrom?: number | undefined;
  /** Threads of the matrix product; default: the number of cores. */
  readonly threads?: number | undefined;
  /** Without one every row is compared with every other. */
  readonly partition?: Partition | undefined;
  /** What `assignRows` gives of the partition for all rows; made here where it is not given. */
  readonly assignments?: Assignments | undefined;
  /** Cells that a row is compared in at most, its own with them. Default, and at most, 31. */
  readonly probes?: number | undefined;
  /** How far beyond its own cell a row looks, 0 to 1: see `VisitOptions`. Default .2. */
  readonly reach?: number | undefined;
}

/** All pairs of similar rows, in units that can be done in any order, by several processes, and again. */
export interface PairSearch {
  readonly units: number;
  readonly report: PairReport;
  /**
   * The pairs of a unit: always the same ones in the same order, and each pair in one unit only. So a unit's pairs can be kept
   * in a file, and a run that was killed goes on with the first unit that has none.
   *
   * @throws VerbatimError when there are more pairs than memory should hold
   */
  pairs(unit: number): Promise<SimilarPairs>;
  /** Closes what was opened here, not the rows. */
  close(): Promise<void>;
}

/** What is known of completeness and cost before the search begins. */
export interface PairReport {
  readonly method: 'exhaustive' | 'cells';
  readonly cells: number;
  /** Rows that describe something: others, all 0, have no pairs. */
  readonly describedRows: number;
  /** Those of them all of whose pairs are certain to be found. */
  readonly certifiedRows: number;
  /** Cells that rows visit beside their own, of all rows together. */
  readonly visits: number;
  /** Dot products of the whole search. */
  readonly products: number;
}

/** How rows are brought together. */
export interface PairPlan {
  readonly units: number;
  readonly report: PairReport;
  comparisons(unit: number): AsyncIterable<Comparison>;
  close(): Promise<void>;
}

/**
 * Finds all pairs of rows whose similarity is at least a threshold. Scores are computed in float64 from the rows as they are
 * stored, and what is found depends neither on threads nor on blocks. Rows of length 0, of which nothing is described, have no pairs.
 *
 * @throws VerbatimError when the threshold is no number above 0, or a row holds what is not a finite number
 *
 * @example
 * const search = await openPairSearch(rows, { threshold: 0.9 });
 * for (let unit = 0; unit < search.units; unit++) await store(unit, await search.pairs(unit));
 */
export async function openPairSearch(rows: VectorRows, options: PairOptions): Promise<PairSearch> {
  const { threshold, newFrom = 0, threads, signal } = options;
  if (!(threshold > 0 && Number.isFinite(threshold)))
    throw new VerbatimError(`the threshold must be a number above 0, not ${threshold}`, { exitCode: 2 });
  if (!Number.isInteger(newFrom) || newFrom < 0)
    throw new VerbatimError(`new rows begin at a whole number from 0 on, not ${newFrom}`, { exitCode: 2 });
  const { dtype, dimension } = rows;
  const { plan, longest } = await planOf(rows, Math.min(newFrom, rows.count), options);
  const tiles = await openTiles({ dtype, dimension, threshold, longest, threads, signal }).catch(
    async (error) => {
      await plan.close();
      throw error;
    },
  );
  let queue: Promise<unknown> = Promise.resolve();
  return {
    units: plan.units,
    report: plan.report,
    pairs(unit) {
      if (!Number.isInteger(unit) || unit < 0 || unit >= plan.units)
        throw new RangeError(`unit ${unit} of ${plan.units} units`);
      // The rows held in the engine are those of one unit at a time.
      const pairs = queue.then(() => tiles.pairs(plan.comparisons(unit)));
      queue = pairs.catch(() => {});
      return pairs;
    },
    async close() {
      await tiles.close();
      await plan.close();
    },
  };
}

/** How much of the preparation assigning rows is; the rest is bringing them into order. */
const assigningShare = 0.9;

async function planOf(
  rows: VectorRows,
  newFrom: number,
  options: PairOptions,
): Promise<{ plan: PairPlan; longest: number }> {
  const { partition, threshold, threads, signal, onProgress, reach = defaultReach } = options;
  const share = (from: number, to: number) => ({
    ...(signal && { signal }),
    onProgress: (done: number) => onProgress?.(from + (to - from) * done),
  });
  if (!partition) {
    const lengths = await rowLengths(rows, { threads, ...share(0, 1) });
    return {
      plan: exhaustivePlan(rows, lengths, newFrom),
      longest: longestOf(lengths, rows.dimension),
    };
  }
  const assignments =
    options.assignments ??
    (await assignRows(rows, partition, { probes: options.probes, threads, ...share(0, assigningShare) }));
  if (assignments.lengths.length !== rows.count)
    throw new VerbatimError(
      `${assignments.lengths.length} rows are assigned to cells, but there are ${rows.count}; assign them again`,
    );
  if (assignments.probes > mostProbes || !(reach >= 0 && reach <= 1))
    throw new VerbatimError(
      `a row visits at most ${mostProbes} cells, not ${assignments.probes}, and reaches 0 to 1, not ${reach}`,
      { exitCode: 2 },
    );
  const longest = longestOf(assignments.lengths, rows.dimension);
  const visits = planVisits(assignments, partition, { threshold, longest, reach });
  const { memoryBytes, folder } = options;
  const plan = await cellPlan(rows, visits, newFrom, { memoryBytes, folder, ...share(assigningShare, 1) });
  return { plan, longest };
}

/** Measured: docs/search.md. */
const defaultReach = 0.2;
