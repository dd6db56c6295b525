import type { Rule, Verdict } from '../labels/index.ts';
import { clopperPearsonInterval, wilsonInterval } from '../math/index.ts';
import type { LabelRow, ReviewRow, TruthTableRow } from '../stages/index.ts';
import { type Caption, type findingVerdicts, hasVerdict, rules, verdictOf } from './captions.ts';
import { groupBy } from './group.ts';
import { isAbout } from './reviews.ts';

/** Captions by their strongest verdict under the deciding rule. Captions that were not judged are in none. */
export interface VerdictCounts {
  readonly MV: number;
  readonly RV: number;
  readonly TV: number;
  readonly none: number;
}

export function countVerdicts(captions: readonly Caption[], rule?: Rule): VerdictCounts {
  const count = (verdict: Verdict) => captions.filter((c) => verdictOf(c, rule) === verdict).length;
  return { MV: count('MV'), RV: count('RV'), TV: count('TV'), none: count('none') };
}

export interface Found {
  /** Captions with a finding. */
  readonly captions: number;
  /** Distinct training pictures that they repeat; all variants of one template family are one. */
  readonly images: number;
  /** The captions by their strongest verdict. */
  readonly byVerdict: { readonly MV: number; readonly RV: number; readonly TV: number };
}

/**
 * What a caption was found for by the deciding rule (or the one that is named): the strongest verdict over the
 * samples that nobody rejected. Null where that is none, and for a caption that the model is known never to have seen.
 */
export function findingOf(
  caption: Caption,
  rule: Rule = caption.rule,
): (typeof findingVerdicts)[number] | null {
  const verdict = caption.counted[rule] ?? 'none';
  return caption.neverSeen || verdict === 'none' ? null : verdict;
}

export function isFound(caption: Caption, rule?: Rule): boolean {
  return findingOf(caption, rule) !== null;
}

/** Would be a finding, but every sample that makes it one was rejected by hand. */
export function isRejected(caption: Caption): boolean {
  return !caption.neverSeen && !isFound(caption) && ![null, 'none'].includes(verdictOf(caption));
}

/** How much was found. The same training picture under several captions is one image. */
export function countFound(captions: readonly Caption[], rule?: Rule): Found {
  const images = new Set([...imagesFound(captions, rule).values()].flat());
  const byVerdict = { MV: 0, RV: 0, TV: 0 };
  for (const caption of captions) {
    const finding = findingOf(caption, rule);
    if (finding === null) continue;
    byVerdict[finding]++;
  }
  return { captions: byVerdict.MV + byVerdict.RV + byVerdict.TV, images: images.size, byVerdict };
}

/**
 * By generated picture, JSON [key, sample]: the training images that it was found to repeat, by names of their own; a template
 * family is one.
 */
export function imagesFound(captions: readonly Caption[], rule?: Rule): Map<string, string[]> {
  const families = familiesOf(captions);
  const images = new Map<string, string[]>();
  for (const caption of captions) {
    if (!isFound(caption, rule)) continue;
    for (const label of foundLabels(caption, rule)) {
      const picture = pictureName(label);
      const family = label.family ?? families.get(picture);
      images.set(JSON.stringify([label.key, label.sample]), [
        family === undefined ? picture : `family ${family}`,
      ]);
    }
  }
  return images;
}

/** The training pictures that found captions repeat, each for itself, by their names in images/. */
export function foundPictures(captions: readonly Caption[]): Set<string> {
  const found = captions.filter((caption) => isFound(caption));
  return new Set(found.flatMap((caption) => foundLabels(caption).map(pictureName)));
}

/** Of a found caption the labels that make it one. */
function foundLabels(caption: Caption, rule: Rule = caption.rule): LabelRow[] {
  return caption.samples.flatMap(({ labels, review }) => {
    const label = labels[rule];
    if (label === undefined || review?.decision === 'reject') return [];
    return label.verdict === null || label.verdict === 'none' ? [] : [label];
  });
}

/** A training picture: equal ones have one digest, wherever they stand in the training set. */
function pictureName({ training_image, training_index }: LabelRow): string {
  return training_image ?? `position ${training_index}`;
}

/** Which training pictures some label calls a variant of a family: they are of it also where another row does not say so. */
function familiesOf(captions: readonly Caption[]): Map<string, string> {
  const families = new Map<string, string>();
  for (const { samples } of captions)
    for (const { labels } of samples)
      for (const rule of rules) {
        const label = labels[rule];
        if (label !== undefined && label.family !== null) families.set(pictureName(label), label.family);
      }
  return families;
}

/** How far the findings were looked at by hand. */
export interface ReviewCounts {
  /** Findings with a sample that was accepted. */
  readonly accepted: number;
  /** Captions of which every sample that makes them a finding was rejected: not counted as found. */
  readonly rejected: number;
  /** Reviews without a newer one of the same caption and sample, of pictures that are not there any more. */
  readonly outdated: number;
}

export function countReviews(reviews: readonly ReviewRow[], captions: readonly Caption[]): ReviewCounts {
  const newest = new Map(reviews.map((row) => [JSON.stringify([row.key, row.sample]), row]));
  const known = new Map(captions.map((caption) => [caption.key, caption]));
  const outdated = [...newest.values()].filter((row) => {
    const samples = known.get(row.key)?.samples ?? [];
    return !samples.some(({ sample, image }) => isAbout(row, sample, image));
  });
  return {
    accepted: captions.filter(
      (caption) =>
        isFound(caption) &&
        caption.samples.some(
          ({ review, labels }) =>
            review?.decision === 'accept' &&
            !['none', null, undefined].includes(labels[caption.rule]?.verdict),
        ),
    ).length,
    rejected: captions.filter(isRejected).length,
    outdated: outdated.length,
  };
}

/** The captions that the model never saw: what is claimed of them is wrong, or not about them. */
export interface NeverSeen {
  readonly captions: number;
  /** Of those, how many the cascade let through to full synthesis and that were judged. */
  readonly judged: number;
  /** With a sample that is MV: it is said to repeat a picture that the model never saw. */
  readonly falsePositives: number;
  /** Upper end of the one-sided 95% interval of falsePositives / captions; null without captions. */
  readonly falsePositiveRateHigh: number | null;
  /** With a sample that is RV, and none that is TV: it repeats some training picture that is not the caption's. The model saw that one. */
  readonly retrievals: number;
  /** With a sample that is TV. */
  readonly templates: number;
}

export function countNeverSeen(captions: readonly Caption[], rule?: Rule): NeverSeen {
  const unseen = captions.filter((caption) => caption.neverSeen);
  const count = (verdict: Verdict) => unseen.filter((caption) => hasVerdict(caption, verdict, rule)).length;
  const falsePositives = count('MV');
  return {
    captions: unseen.length,
    judged: unseen.filter((caption) => verdictOf(caption, rule) !== null).length,
    falsePositives,
    falsePositiveRateHigh:
      unseen.length === 0 ? null : clopperPearsonInterval(falsePositives, unseen.length, 0.9).high,
    retrievals: unseen.filter((c) => hasVerdict(c, 'RV', rule) && !hasVerdict(c, 'TV', rule)).length,
    templates: count('TV'),
  };
}

/** Planted duplicate groups of the audited model with one copy count. */
export interface Recall {
  readonly copies: number;
  readonly planted: number;
  /** Of those, with a caption among the candidates. */
  readonly audited: number;
  /** Groups of which some caption was labelled MV by the deciding rule. */
  readonly found: number;
  /** Wilson's 95% interval of found / audited; 0 to 1 where none was audited. */
  readonly low: number;
  readonly high: number;
  /** The same count by the reference rule. */
  readonly foundByReference: number;
}

/**
 * Recall against copy count. Planted are all duplicate groups of the truth that the model was trained on; audited
 * those with a caption among the candidates, which a limit may have left out.
 */
export function recallByCopies(truth: readonly TruthTableRow[], captions: readonly Caption[]): Recall[] {
  const known = new Map(captions.map((caption) => [caption.key, caption]));
  const planted = truth.filter((row) => row.kind === 'duplicate' && row.member);
  const groups = [...groupBy(planted, (row) => row.group).values()];
  const foundBy = (rule?: Rule) => (group: readonly TruthTableRow[]) =>
    group.some(({ key }) => {
      const caption = known.get(key);
      return caption !== undefined && hasVerdict(caption, 'MV', rule);
    });
  return [...groupBy(groups, (group) => group[0]!.copies)]
    .sort(([a], [b]) => a - b)
    .map(([copies, ofCount]) => {
      const found = ofCount.filter(foundBy()).length;
      const audited = ofCount.filter((group) => group.some(({ key }) => known.has(key))).length;
      return {
        copies,
        planted: ofCount.length,
        audited,
        found,
        ...(audited === 0 ? { low: 0, high: 1 } : wilsonInterval(found, audited)),
        foundByReference: ofCount.filter(foundBy('reference')).length,
      };
    });
}
