import { readFile } from 'node:fs/promises';
import { openDataset } from '../../src/datasets/index.ts';
import { VerbatimError } from '../../src/errors.ts';
import type { Picture } from '../../src/images/index.ts';
import { nearestPictures } from '../../src/labels/index.ts';
import { createRandom, hashSeed } from '../../src/math/index.ts';
import { changed, type Kind, kinds } from './kinds.ts';

/** A changed photograph, the photograph that it was made from, and the other one that it is nearest to. */
export interface LabelledPair {
  readonly kind: Kind;
  readonly query: Picture;
  /** Positions in the collection. */
  readonly source: number;
  readonly other: number;
}

/** All pictures of a dataset, in memory. */
export async function readPictures(path: string): Promise<Picture[]> {
  const dataset = await openDataset({ path, captionColumn: 'label' });
  try {
    const pictures: Picture[] = [];
    for (let index = 0; index < dataset.size; index++) pictures.push(await dataset.picture(index));
    return pictures;
  } finally {
    await dataset.close();
  }
}

/**
 * Pairs of every kind for `count` photographs, evenly spaced. Negatives are hard: each query's nearest other picture in
 * the whole collection, by its pixels.
 *
 * @param hosts photographs that parts are pasted into, none of them in the collection
 */
export async function labelledPairs(
  collection: readonly Picture[],
  hosts: readonly Picture[],
  count: number,
  options: {
    readonly threads: number;
    /** Position of the first photograph. */
    readonly offset: number;
    readonly onProgress: (done: number, of: number) => void;
  },
): Promise<LabelledPair[]> {
  const made: { kind: Kind; query: Picture; source: number }[] = [];
  for (let i = 0; i < count; i++) {
    const source = (Math.floor((i * collection.length) / count) + options.offset) % collection.length;
    for (const kind of kinds) {
      const random = createRandom(hashSeed('labelled pairs', kind, i));
      made.push({
        kind,
        source,
        query: await changed(kind, collection[source]!, hosts[i % hosts.length]!, random),
      });
    }
  }
  const pairs: LabelledPair[] = [];
  // As many queries as `nearestPictures` compares in one pass.
  const perRound = 8192;
  for (let from = 0; from < made.length; from += perRound) {
    const part = made.slice(from, from + perRound);
    const { neighbours } = await nearestPictures(
      part.map(({ query }) => query),
      { size: collection.length, picture: async (index) => collection[index]! },
      { threads: options.threads, except: part.map(({ source }) => source) },
    );
    part.forEach((pair, i) => {
      pairs.push({ ...pair, other: neighbours[i]!.index });
    });
    options.onProgress(Math.min(made.length, from + perRound), made.length);
  }
  return pairs;
}

/**
 * Pairs of photographs of the collection that were looked at: `same` means that both show one photograph (cropped,
 * rescaled, recoloured), so that a label is no mistake. CSV: source, other, verdict.
 */
export async function readReviewed(path: string): Promise<ReadonlyMap<string, 'same' | 'different'>> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new VerbatimError(`${path}: ${error.message}`);
  });
  const reviewed = new Map<string, 'same' | 'different'>();
  for (const [row, line] of text.trim().split('\n').entries()) {
    if (row === 0) continue;
    const [source, other, verdict] = line.split(',');
    if (verdict !== 'same' && verdict !== 'different')
      throw new VerbatimError(
        `${path}, row ${row + 1}: the verdict must be same or different, not ${verdict}`,
      );
    reviewed.set(pairName(Number(source), Number(other)), verdict);
  }
  return reviewed;
}

/** Names a pair of photographs, whichever comes first. */
export function pairName(a: number, b: number): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
