import { type Picture, squaredDifference } from '../images/index.ts';
import {
  type AlignedRules,
  alignedLabel,
  type CopyFindings,
  localLabel,
  type NearTemplate,
} from './aligned.ts';
import type { Calibration } from './calibrate.ts';
import { templateShare } from './copies/index.ts';
import { deviationOf, rmsOf } from './distances.ts';
import { type NearestOptions, type Neighbour, nearestPictures } from './nearest.ts';
import {
  referenceDistance,
  referenceRetrievalThreshold,
  referenceTemplateDistance,
  referenceThreshold,
} from './reference.ts';
import { failedLabel, labelOf } from './row.ts';
import type { GeneratedPicture, Label, OwnPicture, PictureCollection, Rule } from './types.ts';
import { pictureView } from './view.ts';

/** How pictures are judged. */
export interface LabelRules {
  readonly training: PictureCollection;
  /** Which rules give a label, in this order. Default: 'reference', and 'calibrated' where there is a calibration. */
  readonly rules?: readonly Rule[];
  /** RMS that a repeated picture keeps within (`calibrate`); only the rule 'reference' does without. */
  readonly calibration?: Pick<Calibration, 'threshold'>;
  /** Threshold on Σ (a − b)² at 256×256; default 2.5e3. */
  readonly referenceThreshold?: number;
  readonly nearest?: NearestOptions;
  /** For the rules 'aligned' and 'local'. */
  readonly aligned?: AlignedRules;
  /** What `findCopies` and `matchTemplates` found of a picture; undefined when that failed. */
  readonly findings?: (subject: GeneratedPicture) => CopyFindings | undefined;
}

/**
 * Judges generated pictures by each rule: for each picture the labels of all rules, in the order given. One without a
 * picture, or whose picture has another size than the others, gives labels with an error and no verdict; it never
 * stops the rest.
 */
export async function labelPictures(
  subjects: readonly GeneratedPicture[],
  options: LabelRules,
): Promise<Label[]> {
  const { training, calibration } = options;
  const rules: readonly Rule[] =
    options.rules ?? (calibration === undefined ? ['reference'] : ['reference', 'calibrated']);
  const size = commonSize(subjects);
  const problems = subjects.map((subject) => problemOf(subject, size));
  const sound = subjects.filter((_, i) => problems[i] === undefined);
  // Without held-out pictures nothing says how near is near: then the reference rule compares with own pictures alone.
  const { neighbours } =
    calibration === undefined
      ? { neighbours: [] }
      : await nearestPictures(
          sound.map((subject) => subject.picture!),
          training,
          options.nearest,
        );
  const nearest = new Map(sound.map((subject, i) => [subject, neighbours[i] ?? null]));
  const labels: Label[] = [];
  for (const [i, subject] of subjects.entries()) {
    const problem = problems[i];
    const near = nearest.get(subject) ?? null;
    for (const rule of rules)
      labels.push(
        problem === undefined
          ? await labelByRule(rule, subject, near, options)
          : failedLabel(subject, rule, problem),
      );
  }
  return labels;
}

async function labelByRule(
  rule: Rule,
  subject: GeneratedPicture,
  nearest: Neighbour | null,
  { training, calibration, referenceThreshold: sum, aligned, findings }: LabelRules,
): Promise<Label> {
  const found = findings?.(subject);
  const template = found?.template ?? null;
  switch (rule) {
    case 'reference': {
      const retrieved = async (index: number) => ({ index, picture: await training.picture(index) });
      return referenceLabel(subject, sum, {
        nearest: nearest === null ? null : await retrieved(nearest.index),
        template:
          template === null ? null : { near: template, picture: await training.picture(template.seed) },
      });
    }
    case 'calibrated':
      return calibratedLabel(subject, nearest, calibration!.threshold, template);
    case 'aligned':
    case 'local': {
      if (aligned === undefined || found === undefined)
        return failedLabel(subject, rule, 'it was not looked for copies of this picture');
      if (rule === 'local') return localLabel(subject, found, aligned);
      const own = nearestOwnRms(subject);
      const inPlace = {
        own: own === undefined ? null : { index: own.own.index, distance: own.distance },
        nearest,
        threshold: calibration!.threshold,
      };
      return alignedLabel(subject, found, inPlace, aligned);
    }
    case 'descriptor':
      throw new RangeError('labelPictures: the rule "descriptor" needs vectors; see descriptorLabel');
  }
}

/** What else the reference rule compares with, beside the caption's own pictures. */
export interface ReferenceRetrieved {
  /** The training picture nearest to the generated one. */
  readonly nearest?: { readonly index: number; readonly picture: Picture } | null;
  /** The nearest template, and the training picture that stands for it. */
  readonly template?: { readonly near: NearTemplate; readonly picture: Picture } | null;
}

/**
 * The reference rule (Webster 2023), in its order: TV when Σ (m·(a − b))² / mean(m) at 256×256 against the template is
 * below the threshold; MV when Σ (a − b)² against one of the caption's own pictures is; RV when that against the
 * retrieved picture is below 3e3. The reference code retrieves by CLIP and looks at masks by hand; here the retrieved
 * picture is the nearest one, and templates are ours.
 *
 * A caption without pictures of its own, and without a retrieved one, cannot be judged and gives an error.
 */
export function referenceLabel(
  subject: GeneratedPicture,
  threshold = referenceThreshold,
  { nearest = null, template = null }: ReferenceRetrieved = {},
): Label {
  const picture = subject.picture!;
  const own = nearestOwn(subject.own, (candidate) => referenceDistance(picture, candidate));
  const common = {
    ...labelOf(subject, 'reference'),
    threshold,
    evidence: { ...(own && { own: ownEvidence(own) }), deviation: deviationOf(picture) },
  };
  if (template !== null) {
    const { near, picture: seed } = template;
    const distance = referenceTemplateDistance(seed, picture, near.mask);
    if (distance < threshold)
      return {
        ...common,
        verdict: 'TV',
        distance,
        trainingIndex: near.seed,
        trainingImage: null,
        mask: near.mask,
        family: near.family,
      };
  }
  const isOwn = own !== undefined && own.distance < threshold;
  if (!isOwn && nearest !== null) {
    const distance = referenceDistance(picture, nearest.picture);
    if (distance < referenceRetrievalThreshold)
      return {
        ...common,
        verdict: 'RV',
        distance,
        threshold: referenceRetrievalThreshold,
        trainingIndex: nearest.index,
        trainingImage: null,
      };
    if (own === undefined)
      return { ...common, verdict: 'none', distance, trainingIndex: nearest.index, trainingImage: null };
  }
  if (own === undefined)
    return failedLabel(subject, 'reference', 'the caption has no picture of its own to compare with');
  return {
    ...common,
    verdict: isOwn ? 'MV' : 'none',
    distance: own.distance,
    trainingIndex: own.own.index,
    trainingImage: own.own.image,
  };
}

/** RMS at the generated picture's size, which is the model's, to the nearest of the caption's own pictures. */
export function nearestOwnRms(
  subject: GeneratedPicture,
): { readonly own: OwnPicture; readonly distance: number } | undefined {
  const picture = subject.picture!;
  return nearestOwn(subject.own, (candidate) =>
    rmsOf(squaredDifference(picture, pictureView(candidate, picture)), picture.data.length),
  );
}

/**
 * The calibrated rule, by distances in place: TV when the template is within half of what else comes near it (see
 * `matchTemplates`); MV when one of the caption's own pictures lies within the threshold (RMS at the generated picture's
 * size, which is the model's); RV when another training picture does.
 */
export function calibratedLabel(
  subject: GeneratedPicture,
  nearest: Neighbour | null,
  threshold: number,
  template: NearTemplate | null = null,
): Label {
  const own = nearestOwnRms(subject);
  if (own === undefined && nearest === null)
    return failedLabel(subject, 'calibrated', 'no training picture could be read; check the dataset');
  const common = {
    ...labelOf(subject, 'calibrated'),
    threshold,
    evidence: {
      ...(own === undefined ? {} : { own: ownEvidence(own) }),
      ...(nearest === null ? {} : { nearest: { index: nearest.index, distance: nearest.distance } }),
      ...(template === null ? {} : { template: { family: template.family, distance: template.distance } }),
      deviation: deviationOf(subject.picture!),
    },
  };
  if (template !== null && template.ratio <= templateShare)
    return {
      ...common,
      verdict: 'TV',
      distance: template.distance,
      threshold: template.around * templateShare,
      trainingIndex: template.seed,
      trainingImage: null,
      mask: template.mask,
      family: template.family,
    };
  const matched = own !== undefined && own.distance <= threshold;
  const retrieved = !matched && nearest !== null && nearest.distance <= threshold;
  if (own === undefined || retrieved)
    return {
      ...common,
      verdict: retrieved ? 'RV' : 'none',
      distance: nearest!.distance,
      trainingIndex: nearest!.index,
      trainingImage: null,
    };
  return {
    ...common,
    verdict: matched ? 'MV' : 'none',
    distance: own.distance,
    trainingIndex: own.own.index,
    trainingImage: own.own.image,
  };
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
