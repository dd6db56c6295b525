import { type Mask, type Picture, squaredDifference } from '../images/index.ts';
import {
  cellErrors,
  maskedRms,
  noiseVariance,
  templateShare,
  workingMask,
  workingPicture,
  workingSide,
} from './copies/index.ts';
import { rmsOf } from './distances.ts';
import { referenceDistance, referenceTemplateDistance } from './reference.ts';
import { identityTransform, warp } from './transform.ts';
import type { Rule, Transform, Verdict } from './types.ts';
import { pictureView } from './view.ts';

/** A finding as a run keeps it: enough to judge another picture by it without the training set. */
export interface KeptFinding {
  readonly rule: Rule;
  readonly verdict: Exclude<Verdict, 'none'>;
  /** In the rule's own unit, of the picture that was found. */
  readonly distance: number;
  /** The picture that was found, and the training picture that it repeats. */
  readonly found: Picture;
  readonly training: Picture;
  /** How the training picture was laid over the other; null where it was not moved. */
  readonly transform: Transform | null;
  /** TV by a family's mask: where the variants agree. */
  readonly mask: Mask | null;
  /** 'aligned': what was explained, cell by cell, and thresholds. Null where the run does not keep them. */
  readonly copies: KeptCopies | null;
}

export interface KeptCopies {
  /** Share of the picture found that the training picture explains, and its cells: `Copied`. */
  readonly explained: number;
  readonly cells: readonly (number | null)[];
  /** The share that a copy must explain, and the RMS in place that is near enough. */
  readonly explainedThreshold: number;
  readonly rmsThreshold: number;
}

/**
 * The distance of another picture to the training picture of a finding, in the unit of the finding's rule: what the rule
 * would say of it, if the same training picture decided in the same place. An equal picture has the finding's distance.
 *
 * - 'reference' and 'calibrated' need two pictures only, and are computed anew.
 * - a template's is its RMS under the mask at the working size, over that to what else is near, which is kept.
 * - 'aligned': evidence is ln(background / error) per cell. The background is that of the picture found, the error the
 *   other picture's; or the RMS in place over its threshold where that is smaller.
 *
 * @returns null where the run does not keep what the rule needs, or for a rule that never decides
 */
export function distanceAgain(finding: KeptFinding, picture: Picture): number | null {
  const { rule, verdict, found, training, mask, distance } = finding;
  if (squaredDifferenceOf(found, picture) === 0) return distance;
  if (rule === 'reference')
    return verdict === 'TV' && mask !== null
      ? referenceTemplateDistance(training, picture, mask)
      : referenceDistance(picture, training);
  if (rule !== 'calibrated' && rule !== 'aligned') return null;
  if (mask !== null) return templateAgain(finding, mask, picture);
  return rule === 'calibrated' ? inPlace(picture, training) : alignedAgain(finding, picture);
}

function squaredDifferenceOf(a: Picture, b: Picture): number {
  return a.width === b.width && a.height === b.height ? squaredDifference(a, b) : Number.POSITIVE_INFINITY;
}

function inPlace(picture: Picture, training: Picture): number {
  return rmsOf(squaredDifference(picture, pictureView(training, picture)), picture.data.length);
}

function templateAgain({ rule, distance, found, training }: KeptFinding, mask: Mask, picture: Picture) {
  const working = workingMask({ mask });
  const seed = workingPicture(pictureView(training, found));
  const before = maskedRms(workingPicture(found), seed, working);
  const now = maskedRms(workingPicture(picture), seed, working);
  if (rule === 'calibrated') return now;
  // In units of the threshold, which is half of the distance to what else is near: before / distance.
  if (distance > 0 && before > 0) return (now / before) * distance;
  return now === 0 ? 0 : now / (noiseLevel * templateShare);
}

/** RMS below which two pictures cannot be told to differ: what stands for a distance around that is not known. */
const noiseLevel = Math.sqrt(noiseVariance);

function alignedAgain(
  { copies, distance, found, training, transform }: KeptFinding,
  picture: Picture,
): number | null {
  if (copies === null || !(copies.explained > 0)) return null;
  const view = workingPicture(pictureView(training, found));
  const { data, inside } = warp(view, transform ?? identityTransform, workingSide, workingSide);
  const before = cellErrors(workingPicture(found).data, data, inside);
  const now = cellErrors(workingPicture(picture).data, data, inside);
  // As in `explainedShare`: cells count where unrelated pictures err e times as much.
  const counted = (cell: number | null) => (cell !== null && cell > 1 ? cell : 0);
  const sum = copies.cells.reduce<number>((all, cell) => all + counted(cell), 0);
  const again = copies.cells.reduce<number>((all, cell, i) => {
    const lost = Math.log((before[i]! + noiseVariance) / (now[i]! + noiseVariance));
    return all + (cell === null || Number.isNaN(lost) ? 0 : counted(cell + lost));
  }, 0);
  if (sum === 0) return null;
  const explained = copies.explained * (again / sum);
  const threshold = copies.explainedThreshold;
  const moved = threshold < 1 ? (1 - explained) / (1 - threshold) : 1 + threshold - explained;
  const near = (one: Picture) => inPlace(one, training) / copies.rmsThreshold;
  // The rule takes the RMS in place, however the picture was moved to explain most, but only where this training picture
  // was the nearest in place; else the recorded distance is above it.
  return near(found) < distance - roundingError ? moved : Math.min(moved, near(picture));
}

/** Of a distance that was computed from the same pictures before. */
const roundingError = 1e-6;
