import { squaredDifference } from '../images/index.ts';
import type { Calibration } from './calibrate.ts';
import { deviationOf, rmsOf } from './distances.ts';
import { type NearestOptions, type Neighbour, nearestPictures } from './nearest.ts';
import { referenceDistance, referenceThreshold } from './reference.ts';
import type { GeneratedPicture, Label, OwnPicture, PictureCollection, Rule } from './types.ts';
import { pictureView } from './view.ts';

export interface LabelRules {
  readonly training: PictureCollection;
  readonly calibration: Calibration;
  /** Threshold on Σ (a − b)² at 256×256; default 2.5e3. */
  readonly referenceThreshold?: number;
  readonly nearest?: NearestOptions;
}

/**
 * Judges generated pictures by both rules: two labels for each, in the order given, 'reference'
 * first. One without a picture, or whose picture has another size than the others, gives labels
 * with an error and no verdict; it never stops the rest.
 */
export async function labelPictures(
  subjects: readonly GeneratedPicture[],
  rules: LabelRules,
): Promise<Label[]> {
  const size = commonSize(subjects);
  const problems = subjects.map((subject) => problemOf(subject, size));
  const sound = subjects.filter((_, i) => problems[i] === undefined);
  const { neighbours } = await nearestPictures(
    sound.map((subject) => subject.picture!),
    rules.training,
    rules.nearest,
  );
  const nearest = new Map(sound.map((subject, i) => [subject, neighbours[i] ?? null]));
  return subjects.flatMap((subject, i) => {
    const problem = problems[i];
    if (problem !== undefined)
      return [failedLabel(subject, 'reference', problem), failedLabel(subject, 'calibrated', problem)];
    return [
      referenceLabel(subject, rules.referenceThreshold),
      calibratedLabel(subject, nearest.get(subject) ?? null, rules.calibration.threshold),
    ];
  });
}

/**
 * The reference rule (Webster 2023): MV when Σ (a − b)² at 256×256 against one of the caption's own pictures
 * is below the threshold. A caption without pictures of its own cannot be judged and gives an error.
 */
export function referenceLabel(subject: GeneratedPicture, threshold = referenceThreshold): Label {
  const picture = subject.picture!;
  const own = nearestOwn(subject.own, (candidate) => referenceDistance(picture, candidate));
  if (own === undefined)
    return failedLabel(subject, 'reference', 'the caption has no picture of its own to compare with');
  return {
    ...identity(subject, 'reference'),
    verdict: own.distance < threshold ? 'MV' : 'none',
    distance: own.distance,
    threshold,
    trainingIndex: own.own.index,
    trainingImage: own.own.image,
    evidence: { own: ownEvidence(own), deviation: deviationOf(picture) },
    error: null,
  };
}

/**
 * The calibrated rule: MV when one of the caption's own pictures lies within the threshold (RMS at the
 * generated picture's size, which is the model's). When only another training picture does, the verdict stays
 * 'none' and the evidence says `retrieval: true`, with that picture as the row's training picture.
 */
export function calibratedLabel(
  subject: GeneratedPicture,
  nearest: Neighbour | null,
  threshold: number,
): Label {
  const picture = subject.picture!;
  const values = picture.data.length;
  const own = nearestOwn(subject.own, (candidate) =>
    rmsOf(squaredDifference(picture, pictureView(candidate, picture)), values),
  );
  if (own === undefined && nearest === null)
    return failedLabel(subject, 'calibrated', 'no training picture could be read; check the dataset');
  const matched = own !== undefined && own.distance <= threshold;
  const retrieval = !matched && nearest !== null && nearest.distance <= threshold;
  const shown =
    own === undefined || retrieval
      ? { index: nearest!.index, image: null, distance: nearest!.distance }
      : { index: own.own.index, image: own.own.image, distance: own.distance };
  return {
    ...identity(subject, 'calibrated'),
    verdict: matched ? 'MV' : 'none',
    distance: shown.distance,
    threshold,
    trainingIndex: shown.index,
    trainingImage: shown.image,
    evidence: {
      ...(own === undefined ? {} : { own: ownEvidence(own) }),
      ...(nearest === null ? {} : { nearest: { index: nearest.index, distance: nearest.distance } }),
      retrieval,
      deviation: deviationOf(picture),
    },
    error: null,
  };
}

/** A label that says why there is no verdict. */
export function failedLabel(subject: GeneratedPicture, rule: Rule, error: string): Label {
  return {
    ...identity(subject, rule),
    verdict: null,
    distance: null,
    threshold: null,
    trainingIndex: null,
    trainingImage: null,
    evidence: null,
    error,
  };
}

function identity(subject: GeneratedPicture, rule: Rule) {
  const { key, sample, image } = subject;
  return { key, sample, image, rule, transform: null, region: null, mask: null, family: null };
}

function ownEvidence({ own, distance }: { readonly own: OwnPicture; readonly distance: number }) {
  return { index: own.index, image: own.image, distance };
}

function nearestOwn(
  own: readonly OwnPicture[],
  distanceTo: (picture: OwnPicture['picture']) => number,
): { readonly own: OwnPicture; readonly distance: number } | undefined {
  let best: { own: OwnPicture; distance: number } | undefined;
  for (const candidate of own) {
    const distance = distanceTo(candidate.picture);
    if (best === undefined || distance < best.distance) best = { own: candidate, distance };
  }
  return best;
}

/** The size that most subjects have; of equally frequent ones the first. */
function commonSize(subjects: readonly GeneratedPicture[]): string {
  const counts = new Map<string, number>();
  for (const { picture } of subjects)
    if (picture !== null) counts.set(sizeOf(picture), (counts.get(sizeOf(picture)) ?? 0) + 1);
  let common = '';
  let most = 0;
  for (const [size, count] of counts)
    if (count > most) {
      common = size;
      most = count;
    }
  return common;
}

function problemOf(subject: GeneratedPicture, size: string): string | undefined {
  if (subject.picture === null) return subject.error ?? 'there is no generated picture';
  if (sizeOf(subject.picture) !== size)
    return `the generated picture is ${sizeOf(subject.picture)}, the others are ${size}`;
  return undefined;
}

function sizeOf(picture: { readonly width: number; readonly height: number }): string {
  return `${picture.width}×${picture.height}`;
}
