import type { ReviewRow } from '../stages/index.ts';
import { groupBy } from './group.ts';

/** What somebody who looked at a picture decided. */
export interface Review {
  readonly decision: 'accept' | 'reject';
  readonly reason: string;
}

/** Whether a review is about this very picture. */
export function isAbout(review: ReviewRow, sample: number, image: string | null): boolean {
  const meant = review.sample === null || review.sample === sample;
  return meant && image !== null && review.image.split(',').includes(image);
}

/**
 * Finds the newest review of a sample. A review holds for the pictures that were looked at: where a sample shows
 * another one by now, an older review of that one is asked, or none.
 *
 * @param reviews in the order in which they were made
 */
export function reviewsBySample(
  reviews: readonly ReviewRow[],
): (key: string, sample: number, image: string | null) => Review | undefined {
  const byKey = groupBy([...reviews].reverse(), (row) => row.key);
  return (key, sample, image) => {
    const row = byKey.get(key)?.find((one) => isAbout(one, sample, image));
    if (row === undefined) return undefined;
    return { decision: row.decision === 'reject' ? 'reject' : 'accept', reason: row.reason };
  };
}
