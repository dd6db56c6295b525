import { type Caption, verdictOf } from './captions.ts';
import { isFound } from './findings.ts';

/** Why a caption stands in the gallery. */
export type GallerySection = 'found' | 'false-positive' | 'near-miss' | 'high-score';

export interface Gallery {
  readonly section: GallerySection;
  /** How many captions belong here in all; `captions` are the first of them. */
  readonly total: number;
  readonly captions: readonly Caption[];
}

export interface GalleryLimits {
  readonly found?: number;
  readonly others?: number;
}

/**
 * Chooses what the gallery shows: false positives (all, they are what a reader must see), findings by
 * distance, one per training picture before a second one of the same; then the nearest of what was judged
 * and not found; then the captions with the highest first score of the rest.
 */
export function chooseGallery(
  captions: readonly Caption[],
  firstAttack: string | undefined,
  limits: GalleryLimits = {},
): Gallery[] {
  const { found: foundLimit = 60, others = 12 } = limits;
  const wrong = captions.filter((c) => c.neverSeen && verdictOf(c) === 'MV');
  const found = onePerImageFirst(captions.filter((c) => isFound(c)).sort(byDistance));
  const judged = captions.filter((c) => ![null, 'MV'].includes(verdictOf(c)) && c.best !== undefined);
  const near = [...judged].sort(byDistance);
  const shown = new Set(near.slice(0, others));
  const scoreOf = (caption: Caption) =>
    firstAttack === undefined ? undefined : caption.scores.get(firstAttack);
  const high = captions
    .filter((c) => verdictOf(c) !== 'MV' && !shown.has(c) && scoreOf(c) !== undefined)
    .sort((a, b) => scoreOf(b)! - scoreOf(a)!);
  const galleries: Gallery[] = [
    { section: 'false-positive', total: wrong.length, captions: wrong },
    { section: 'found', total: found.length, captions: found.slice(0, foundLimit) },
    { section: 'near-miss', total: near.length, captions: near.slice(0, others) },
    { section: 'high-score', total: high.length, captions: high.slice(0, others) },
  ];
  return galleries.filter(({ total }) => total > 0);
}

function byDistance(a: Caption, b: Caption): number {
  return (a.best?.distance ?? Number.POSITIVE_INFINITY) - (b.best?.distance ?? Number.POSITIVE_INFINITY);
}

function onePerImageFirst(captions: readonly Caption[]): Caption[] {
  const seen = new Set<string>();
  const firsts: Caption[] = [];
  const repeats: Caption[] = [];
  for (const caption of captions) {
    const image = caption.best?.training_image ?? `position ${caption.best?.training_index}`;
    (seen.has(image) ? repeats : firsts).push(caption);
    seen.add(image);
  }
  return [...firsts, ...repeats];
}
