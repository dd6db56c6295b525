import { join } from 'node:path';
import { readTable, writeNewTable } from '../tables/index.ts';
import { type ReviewRow, reviewColumns } from './columns.ts';
import { type RunFolder, runTable } from './run-folder.ts';
import { shardName } from './stage.ts';

/** The table of reviews is written by hand, a shard per call, and by no stage: nothing here is ever replaced. */
const table = 'reviews';

/** All reviews of a run, the oldest first: a shard's number is the order in which it was made. */
export async function readReviews(folder: RunFolder): Promise<ReviewRow[]> {
  return readTable(await runTable(folder, table), reviewColumns);
}

/**
 * Adds a review as a shard of its own. Of two processes that do it at once each gets its own number: neither
 * review is lost.
 *
 * @returns the shard's path
 */
export async function addReview(folder: RunFolder, review: ReviewRow): Promise<string> {
  const last = (await runTable(folder, table)).at(-1);
  // The names have one length, so the last one has the highest number.
  let index = last === undefined ? 0 : Number.parseInt(last.slice(-13, -8), 10) + 1;
  for (;;) {
    const path = join(folder.tables, table, shardName(index));
    if (await writeNewTable(path, reviewColumns, [review])) return path;
    index++;
  }
}
