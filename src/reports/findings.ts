import type { Rule, Verdict } from '../labels/index.ts';
import { clopperPearsonInterval, wilsonInterval } from '../math/index.ts';
import type { TruthTableRow } from '../stages/index.ts';
import { type Caption, groupBy, verdictOf } from './captions.ts';

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
  /** Captions labelled MV, false positives left out. */
  readonly captions: number;
  /** Distinct training pictures that they match. */
  readonly images: number;
}

/**
 * A finding: labelled MV by the deciding rule (or the one that is named), and not known to be a caption that
 * the model never saw.
 */
export function isFound(caption: Caption, rule?: Rule): boolean {
  return verdictOf(caption, rule) === 'MV' && !caption.neverSeen;
}

/** How much was found. The same training picture under several captions is one image. */
export function countFound(captions: readonly Caption[], rule?: Rule): Found {
  const images = new Set<string>();
  let found = 0;
  for (const caption of captions) {
    if (!isFound(caption, rule)) continue;
    found++;
    for (const { labels } of caption.samples) {
      const label = labels[rule ?? caption.rule];
      if (label?.verdict === 'MV') images.add(label.training_image ?? `position ${label.training_index}`);
    }
  }
  return { captions: found, images: images.size };
}

/** Captions without a finding whose samples repeat another caption's training picture; null under the reference rule. */
export function countRepeatsAnother(captions: readonly Caption[]): number | null {
  if (captions[0]?.rule === 'reference') return null;
  return captions.filter((caption) => caption.other !== undefined && verdictOf(caption) !== 'MV').length;
}

/** The captions that the model never saw: what was claimed of them is wrong. */
export interface NeverSeen {
  readonly captions: number;
  /** Of those, how many the cascade let through to full synthesis and that were judged. */
  readonly judged: number;
  readonly falsePositives: number;
  /** Upper end of the one-sided 95% interval of falsePositives / captions; null without captions. */
  readonly falsePositiveRateHigh: number | null;
  /**
   * Captions with a sample within the threshold of some training picture that is not theirs; null under the
   * reference rule, which compares with a caption's own pictures only.
   */
  readonly retrievals: number | null;
}

export function countNeverSeen(captions: readonly Caption[], rule?: Rule): NeverSeen {
  const unseen = captions.filter((caption) => caption.neverSeen);
  const falsePositives = unseen.filter((caption) => verdictOf(caption, rule) === 'MV').length;
  return {
    captions: unseen.length,
    judged: unseen.filter((caption) => verdictOf(caption, rule) !== null).length,
    falsePositives,
    falsePositiveRateHigh:
      unseen.length === 0 ? null : clopperPearsonInterval(falsePositives, unseen.length, 0.9).high,
    retrievals:
      (rule ?? captions[0]?.rule) === 'reference'
        ? null
        : unseen.filter((caption) => caption.other !== undefined).length,
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
      return caption !== undefined && verdictOf(caption, rule) === 'MV';
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
