import type { Mask } from '../images/index.ts';
import { scoreAt } from '../math/index.ts';
import type { CopyCalibration } from './calibrate-copies.ts';
import { bestPart, cellsAcross, regionOf, templateShare } from './copies/index.ts';
import { maskRegion } from './region.ts';
import { failedLabel, labelOf } from './row.ts';
import type { GeneratedPicture, Label, Transform } from './types.ts';

/** What a comparison with one training picture, laid over a generated one, gave. */
export interface Copied {
  /** Position in the training set; null for a picture that is not in it. */
  readonly index: number | null;
  readonly transform: Transform;
  /** Share of the picture that it explains, 0 to 1. */
  readonly explained: number;
  /** ln(unrelated pictures' error / this one's), per cell of an 8 × 8 grid, row-major; null where it does not reach. */
  readonly cells: readonly (number | null)[];
}

/** What was found of a generated picture in the training set, and in the caption's own pictures. */
export interface CopyFindings {
  /** The training picture that explains most of it. */
  readonly whole: Copied | null;
  /** The one that explains most of a part of it. */
  readonly part: Copied | null;
  /** The same among the caption's own pictures. */
  readonly own: { readonly whole: Copied; readonly part: Copied } | null;
  /** The template that it comes nearest to. */
  readonly template: NearTemplate | null;
}

export interface NearTemplate {
  readonly family: string;
  /** The training picture that the family was found from. */
  readonly seed: number;
  /** RMS where the variants agree, at the working size. */
  readonly distance: number;
  /** The same to the nearest pictures that do not belong to the family: a mean. */
  readonly around: number;
  /** `distance` over `around`. */
  readonly ratio: number;
  /** White where the variants agree, at the size of the generated picture. */
  readonly mask: Mask;
}

/** RMS distances in place, which the rule 'calibrated' goes by. */
export interface InPlace {
  /** The nearest of the caption's own pictures. */
  readonly own: { readonly index: number | null; readonly distance: number } | null;
  readonly nearest: { readonly index: number; readonly distance: number } | null;
  readonly threshold: number;
}

export interface AlignedRules {
  readonly calibration: CopyCalibration;
  /** The family that a training picture belongs to. */
  readonly familyOf: (index: number) => string | undefined;
}

/** What is near by its RMS must be explained at least so well: by no more than this share of unrelated pictures. */
const weakQuantile = 0.01;
/** And by no less than this, however plain the held-out pictures are. */
const leastWeak = 0.1;

/**
 * Our rule. A training picture is repeated when it explains more of the generated picture, mirrored, scaled and moved as
 * need be, than unrelated pictures let expect of a share `quantile`; or when it lies within the calibrated RMS in place,
 * and explains more than one in a hundred unrelated pictures has explained (a plain picture is near to many). Decided in
 * the paper's order: TV, a template is repeated, or a picture of a template family; MV, one of the caption's own
 * pictures; RV, any other training picture.
 *
 * The distance is in units of the threshold: 1 at the threshold, 0 for a perfect copy. It is the smaller of
 * (1 − explained) / (1 − its threshold) and RMS / its threshold; for a template its ratio over ½.
 */
export function alignedLabel(
  subject: GeneratedPicture,
  { whole, own: ownCopies, template }: CopyFindings,
  inPlace: InPlace,
  { calibration, familyOf }: AlignedRules,
): Label {
  const own = bestOwn(subject, ownCopies?.whole, whole, ({ explained }) => explained);
  if (whole === null && own === null)
    return failedLabel(subject, 'aligned', 'no training picture could be read; check the dataset');
  const { whole: tail } = calibration;
  const weak = Math.max(leastWeak, scoreAt(tail, weakQuantile));
  const distanceOf = (copied: Copied, rms: number | null) => {
    // A threshold above 1 (held-out pictures that are copies themselves) is out of reach.
    const explained =
      tail.threshold < 1
        ? (1 - copied.explained) / (1 - tail.threshold)
        : 1 + tail.threshold - copied.explained;
    if (rms === null || copied.explained < weak) return explained;
    // Equal pictures are at 0 also where the threshold is.
    return Math.min(explained, rms === 0 ? 0 : rms / inPlace.threshold);
  };
  // A distance in place counts for the picture that it was measured to.
  const rmsOf = (copied: Copied, near: InPlace['own']) =>
    near !== null && near.index === copied.index ? near.distance : null;
  const ownDistance = own === null ? undefined : distanceOf(own, rmsOf(own, inPlace.own));
  const otherDistance = whole === null ? undefined : distanceOf(whole, rmsOf(whole, inPlace.nearest));
  const common = {
    ...labelOf(subject, 'aligned'),
    threshold: 1,
    evidence: {
      ...(own !== null && { own: { index: own.index, explained: own.explained } }),
      ...(whole !== null && { nearest: { index: whole.index!, explained: whole.explained } }),
      ...(template !== null && {
        template: { family: template.family, distance: template.distance, ratio: template.ratio },
      }),
    },
  };
  const copyOf = (copied: Copied, distance: number, verdict: Label['verdict']): Label => ({
    ...common,
    verdict,
    distance,
    trainingIndex: copied.index,
    trainingImage: ownImage(subject, copied.index),
    transform: moved(copied.transform),
    region: regionOf(explainedCells(copied.cells)) ?? null,
  });

  if (template !== null && template.ratio <= templateShare)
    return {
      ...common,
      verdict: 'TV',
      distance: template.ratio / templateShare,
      trainingIndex: template.seed,
      trainingImage: ownImage(subject, template.seed),
      region: maskRegion(template.mask),
      mask: template.mask,
      family: template.family,
    };
  const isOwn = ownDistance !== undefined && ownDistance <= 1;
  const isOther = otherDistance !== undefined && otherDistance <= 1;
  for (const [copied, distance, is, verdict] of [
    [own, ownDistance, isOwn, 'MV'],
    [whole, otherDistance, isOther, 'RV'],
  ] as const) {
    if (!is) continue;
    const family = copied!.index === null ? undefined : familyOf(copied!.index);
    const label = copyOf(copied!, distance!, family === undefined ? verdict : 'TV');
    return family === undefined ? label : { ...label, family };
  }
  // Nothing is repeated: what is nearest stands in the row, the caption's own picture before any other.
  return ownDistance === undefined
    ? copyOf(whole!, otherDistance!, 'none')
    : copyOf(own!, ownDistance, 'none');
}

/**
 * A part of a picture that reappears, wherever it stands in a training picture: MV from one of the caption's own, RV from
 * another. The distance is exp(−evidence), the factor by which a training picture's error in the part lies below that of
 * unrelated pictures, as a geometric mean over the whole picture, beyond what parts must have to count at all.
 */
export function localLabel(
  subject: GeneratedPicture,
  { part, own: ownCopies }: CopyFindings,
  { calibration }: AlignedRules,
): Label {
  const scoreOf = ({ cells }: Copied) => bestPart(cellValues(cells)).score;
  const own = bestOwn(subject, ownCopies?.part, part, scoreOf);
  if (part === null && own === null)
    return failedLabel(subject, 'local', 'no training picture could be read; check the dataset');
  const { threshold } = calibration.part;
  const candidates = [own, part].filter((copied) => copied !== null);
  const scored = candidates.map((copied) => ({ copied, found: bestPart(cellValues(copied.cells)) }));
  const ownScore = own === null ? undefined : scored[0];
  const chosen =
    ownScore !== undefined && ownScore.found.score >= threshold
      ? ownScore
      : scored.reduce((best, next) => (next.found.score > best.found.score ? next : best));
  const { copied, found } = chosen;
  const is = found.score >= threshold;
  const region = regionOf(found.cells) ?? null;
  return {
    ...labelOf(subject, 'local'),
    verdict: !is ? 'none' : chosen === ownScore ? 'MV' : 'RV',
    distance: Math.exp(-found.score),
    threshold: Math.exp(-threshold),
    trainingIndex: copied.index,
    trainingImage: ownImage(subject, copied.index),
    transform: moved(copied.transform),
    region,
    mask: is ? cellMask(found.cells, subject.picture!) : null,
    evidence: { score: found.score, explained: copied.explained },
  };
}

/**
 * The better of two: what the caption's own pictures gave, and what the search over the training set found, where that is
 * one of them.
 */
function bestOwn(
  subject: GeneratedPicture,
  own: Copied | undefined,
  found: Copied | null,
  score: (copied: Copied) => number,
): Copied | null {
  if (found === null || !subject.own.some(({ index }) => index === found.index)) return own ?? null;
  return own !== undefined && score(own) >= score(found) ? own : found;
}

function ownImage(subject: GeneratedPicture, index: number | null): string | null {
  return subject.own.find((own) => own.index === index)?.image ?? null;
}

function moved(transform: Transform): Transform | null {
  const { flip, scale, x, y } = transform;
  return flip || scale !== 1 || x !== 0 || y !== 0 ? transform : null;
}

function cellValues(cells: Copied['cells']): Float64Array {
  return Float64Array.from(cells, (value) => value ?? Number.NaN);
}

/** The cells where unrelated pictures err e times as much. */
function explainedCells(cells: Copied['cells']): Uint8Array {
  return Uint8Array.from(cells, (value) => ((value ?? 0) > 1 ? 1 : 0));
}

function cellMask(
  cells: Uint8Array,
  { width, height }: { readonly width: number; readonly height: number },
): Mask {
  const data = new Uint8Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const row = Math.floor((y * cellsAcross) / height);
      data[y * width + x] = cells[row * cellsAcross + Math.floor((x * cellsAcross) / width)]!;
    }
  return { width, height, data };
}
