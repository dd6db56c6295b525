import { type Caption, verdictOf } from './captions.ts';
import { isFound } from './findings.ts';

/** Why a caption stands in the gallery. */
export type GallerySection = 'found' | 'false-positive' | 'repeats-another' | 'near-miss' | 'high-score';

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
 * Chooses what the gallery shows: false positives (all, they are what a reader must see); findings by distance, one
 * per training picture before a second one of the same; captions whose samples repeat another caption's training
 * picture; the nearest of what was judged and not found; of the rest the captions with the highest first score.
 */
export function chooseGallery(
  captions: readonly Caption[],
  firstAttack: string | undefined,
  limits: GalleryLimits = {},
): Gallery[] {
  const { found: foundLimit = 60, others: limit = 12 } = limits;
  const wrong = captions.filter((c) => c.neverSeen && verdictOf(c) === 'MV');
  const found = onePerImageFirst(captions.filter((c) => isFound(c)).sort(byDistance));
  const others = captions
    .filter((c) => verdictOf(c) !== 'MV' && c.other !== undefined)
    .sort((a, b) => a.other!.distance - b.other!.distance);
  const repeated = new Set(others);
  const judged = captions.filter(
    (c) => ![null, 'MV'].includes(verdictOf(c)) && c.own !== undefined && !repeated.has(c),
  );
  const near = [...judged].sort(byDistance);
  const shown = new Set([...near.slice(0, limit), ...others.slice(0, limit)]);
  const scoreOf = (caption: Caption) =>
    firstAttack === undefined ? undefined : caption.scores.get(firstAttack);
  const high = captions
    .filter((c) => verdictOf(c) !== 'MV' && !shown.has(c) && scoreOf(c) !== undefined)
    .sort((a, b) => scoreOf(b)! - scoreOf(a)!);
  const galleries: Gallery[] = [
    { section: 'false-positive', total: wrong.length, captions: wrong },
    { section: 'found', total: found.length, captions: found.slice(0, foundLimit) },
    { section: 'repeats-another', total: others.length, captions: others.slice(0, limit) },
    { section: 'near-miss', total: near.length, captions: near.slice(0, limit) },
    { section: 'high-score', total: high.length, captions: high.slice(0, limit) },
  ];
  return galleries.filter(({ total }) => total > 0);
}

function byDistance(a: Caption, b: Caption): number {
  return (a.own?.distance ?? Number.POSITIVE_INFINITY) - (b.own?.distance ?? Number.POSITIVE_INFINITY);
}

function onePerImageFirst(captions: readonly Caption[]): Caption[] {
  const seen = new Set<string>();
  const firsts: Caption[] = [];
  const repeats: Caption[] = [];
  for (const caption of captions) {
    const image = caption.own?.image ?? `position ${caption.own?.index}`;
    (seen.has(image) ? repeats : firsts).push(caption);
    seen.add(image);
  }
  return [...firsts, ...repeats];
}
