import { identityTransform } from '../transform.ts';
import type { Transform } from '../types.ts';
import { type Alignments, align, hypothesesOf } from './align.ts';
import type { CopyCollection } from './collection.ts';
import { matchCollection, matchPair } from './field.ts';
import { patchesOf } from './patches.ts';
import type { WorkingPicture } from './working.ts';

export interface FindOptions {
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** Called with the share of the work that is done, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/** A picture of which copies are looked for. */
export interface CopyQuery {
  readonly picture: WorkingPicture;
  /** What unrelated pictures leave unexplained of it (`Background.of`). */
  readonly background: Float64Array;
  /** Training pictures that are tried whatever the patches say: the nearest one by its pixels. */
  readonly also?: readonly number[];
}

/** For every query the training pictures that explain most of it, and most of a part of it. */
export async function findCopies(
  queries: readonly CopyQuery[],
  collection: CopyCollection,
  options: FindOptions = {},
): Promise<Alignments[]> {
  const { signal, onProgress } = options;
  const fields = await matchCollection(
    queries.map(({ picture }) => patchesOf(picture)),
    collection,
    { ...options, onProgress: (share) => onProgress?.(share / 2) },
  );
  const found: Alignments[] = [];
  for (const [i, { picture, background, also = [] }] of queries.entries()) {
    signal?.throwIfAborted();
    const hypotheses = [
      ...also.map((index) => ({ index, transform: identityTransform })),
      ...hypothesesOf(fields[i]!),
    ];
    const training = new Map<number, WorkingPicture>();
    for (const { index } of hypotheses) {
      if (training.has(index)) continue;
      const candidate = await collection.working(index);
      if (candidate !== undefined) training.set(index, candidate);
    }
    found.push(align(picture, background, hypotheses, training));
    onProgress?.(0.5 + (i + 1) / queries.length / 2);
  }
  return found;
}

/**
 * The same for one query and one picture, which need not be of a training set. Its position is given as −1.
 *
 * @param guesses transforms that are tried beside those that patches suggest
 */
export function compareCopies(
  { picture, background }: CopyQuery,
  other: WorkingPicture,
  guesses: readonly Transform[] = [],
): Alignments {
  const matches = matchPair(patchesOf(picture), patchesOf(other));
  const hypotheses = [
    ...[identityTransform, ...guesses].map((transform) => ({ index: -1, transform })),
    ...hypothesesOf(matches),
  ];
  return align(picture, background, hypotheses, new Map([[-1, other]]));
}
