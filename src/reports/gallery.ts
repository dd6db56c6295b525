import { type Caption, distanceOf, findingVerdicts, hasVerdict, verdictOf } from './captions.ts';
import { findingOf, isRejected } from './findings.ts';

/** Why a caption stands in the gallery. */
export type GallerySection =
  | 'false-positive'
  | (typeof findingVerdicts)[number]
  | 'rejected'
  | 'never-seen'
  | 'near-miss'
  | 'high-score';

export interface Gallery {
  readonly section: GallerySection;
  /** How many captions belong here in all; `captions` are the first of them. */
  readonly total: number;
  readonly captions: readonly Caption[];
  /** The others, where these are findings: they have no place in the page, but evidence. */
  readonly rest: readonly Caption[];
}

/** At most so many captions; the tables hold all. */
export interface GalleryLimits {
  /** Of each verdict; default 40. */
  readonly found?: number;
  /** Of each other kind but false positives, which are all shown; default 12. */
  readonly others?: number;
  /** With a folder of evidence; default 300. */
  readonly evidence?: number;
}

/**
 * Chooses what the gallery shows: false positives (all, they are what a reader must see); findings by verdict and
 * distance, one per training picture before a second one of the same; what was rejected by hand; what captions that
 * the model never saw repeat; the nearest of what was judged and not found; of the rest the captions with the
 * highest first score.
 */
export function chooseGallery(
  captions: readonly Caption[],
  firstAttack: string | undefined,
  limits: GalleryLimits = {},
): Gallery[] {
  const { found: foundLimit = 40, others: limit = 12 } = limits;
  const near = captions.filter((c) => verdictOf(c) === 'none' && c.own !== undefined).sort(byOwnDistance);
  const shown = new Set(near.slice(0, limit));
  const scoreOf = (caption: Caption) =>
    firstAttack === undefined ? undefined : caption.scores.get(firstAttack);
  const high = captions
    .filter((c) => [null, 'none'].includes(verdictOf(c)) && !shown.has(c) && scoreOf(c) !== undefined)
    .sort((a, b) => scoreOf(b)! - scoreOf(a)!);
  const gallery = (section: GallerySection, all: readonly Caption[], most = limit): Gallery => ({
    section,
    total: all.length,
    captions: all.slice(0, most),
    rest: (findingVerdicts as readonly string[]).includes(section) ? all.slice(most) : [],
  });
  const wrong = captions.filter((c) => c.neverSeen && hasVerdict(c, 'MV'));
  const others = captions.filter(
    (c) => c.neverSeen && !hasVerdict(c, 'MV') && (hasVerdict(c, 'RV') || hasVerdict(c, 'TV')),
  );
  return [
    gallery('false-positive', wrong, wrong.length),
    ...findingVerdicts.map((verdict) =>
      gallery(
        verdict,
        onePerImageFirst(captions.filter((c) => findingOf(c) === verdict).sort(byDistance)),
        foundLimit,
      ),
    ),
    gallery('rejected', captions.filter(isRejected).sort(byDistance), foundLimit),
    gallery('never-seen', onePerImageFirst(others.sort(byDistance))),
    gallery('near-miss', near),
    gallery('high-score', high),
  ].filter(({ total }) => total > 0);
}

function byOwnDistance(a: Caption, b: Caption): number {
  return distanceOf(a.own) - distanceOf(b.own);
}

function byDistance(a: Caption, b: Caption): number {
  return distanceOf(a.shown?.picture) - distanceOf(b.shown?.picture);
}

function onePerImageFirst(captions: readonly Caption[]): Caption[] {
  const seen = new Set<string>();
  const firsts: Caption[] = [];
  const repeats: Caption[] = [];
  for (const caption of captions) {
    const picture = caption.shown?.picture;
    const image = caption.shown?.label.family ?? picture?.image ?? `position ${picture?.index}`;
    (seen.has(image) ? repeats : firsts).push(caption);
    seen.add(image);
  }
  return [...firsts, ...repeats];
}
