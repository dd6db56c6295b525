import { beforeAll, describe, expect, it } from 'vitest';
import type { ReviewRow } from '../stages/index.ts';
import { type Caption, decidingRule, joinCaptions, verdictOf } from './captions.ts';
import type { ReportData } from './data.ts';
import { overlapOf } from './families.ts';
import { countNeverSeen, isFound } from './findings.ts';
import { chooseGallery } from './gallery.ts';
import { type Summary, summarize } from './summary.ts';
import { alignedRun, plantedOverlap } from './testing/aligned-run.ts';
import { syntheticRun } from './testing/synthetic-run.ts';

describe('a run with every rule', () => {
  let all: ReportData;
  let figures: Summary;
  beforeAll(async () => {
    all = await alignedRun({ side: 16, synthesized: 40 });
    figures = summarize(all, joinCaptions(all));
  });

  it('is decided by the aligned one; local and descriptor stand beside it', () => {
    expect(figures.rule).toBe('aligned');
    expect(figures.rules.map(({ rule }) => rule)).toEqual([
      'aligned',
      'calibrated',
      'reference',
      'local',
      'descriptor',
    ]);
    const { captions, images, byVerdict } = figures.rules[0]!;
    expect(figures.found).toEqual({ captions, images, byVerdict });
    const without = all.labels.filter(({ rule }) => rule === 'local' || rule === 'descriptor');
    expect(decidingRule(without)).toBeUndefined();
  });

  it('has every judged caption in the histogram, by the distance to what its rows name', () => {
    const { distances, judged, found, neverSeen } = figures;
    const sum = (kind: 'found' | 'notFound' | 'neverSeen') => distances.reduce((n, bin) => n + bin[kind], 0);
    expect(sum('found') + sum('notFound') + sum('neverSeen')).toBe(judged);
    expect([sum('found'), sum('neverSeen')]).toEqual([found.captions, neverSeen.judged]);
    expect(distances.some(({ high }) => Math.abs(high - 1) < 1e-9)).toBe(true);
    const within = distances.filter(({ high }) => high < 1 + 1e-9);
    expect(within.reduce((n, bin) => n + bin.found, 0)).toBe(found.captions);
  });

  it('states the threshold of an MV, where that of another picture is another', () => {
    const labels = [{ ...all.labels[0]!, rule: 'reference', verdict: 'RV', threshold: 3000 }, ...all.labels];
    const { rules } = summarize({ ...all, labels }, joinCaptions(all));
    expect(rules.find(({ rule }) => rule === 'reference')!.threshold).toBe(2500);
  });

  it('counts findings by verdict, and the variants of a family as one image', () => {
    const { byVerdict } = figures.found;
    expect(byVerdict).toEqual({ TV: 7, RV: 2, MV: byVerdict.MV });
    const calibrated = figures.rules.find(({ rule }) => rule === 'calibrated')!;
    // Two families, two retrievals, and two pictures that only moving finds.
    expect(byVerdict.MV).toBe(calibrated.byVerdict.MV + 2);
    expect(figures.found.images).toBe(calibrated.images + 2 + 2 + 2);
  });

  it('counts a variant as of its family also where another caption’s MV names it', () => {
    const variant = all.labels.find((row) => row.family === 'family-1' && row.verdict === 'TV')!;
    const { training_image, training_index } = variant;
    const labels = all.labels.map((row) =>
      row.rule === 'aligned' && row.key === 'moved-0' ? { ...row, training_image, training_index } : row,
    );
    const again = summarize({ ...all, labels }, joinCaptions({ ...all, labels }));
    expect(again.found.images).toBe(figures.found.images - 1);
  });

  it('takes the strongest verdict of the samples: TV over MV over RV over none', () => {
    const verdictWith = (...verdicts: string[]) => {
      const key = 'moved-0';
      const row = all.labels.find((label) => label.key === key && label.rule === 'aligned')!;
      const picture = all.generations.find((one) => one.key === key)!;
      const some = {
        ...all,
        labels: verdicts.map((verdict, sample) => ({ ...row, sample, verdict })),
        generations: verdicts.map((_, sample) => ({ ...picture, sample })),
      };
      return verdictOf(joinCaptions(some).find((caption) => caption.key === key)!);
    };
    expect(verdictWith('none', 'RV')).toBe('RV');
    expect(verdictWith('MV', 'RV')).toBe('MV');
    expect(verdictWith('MV', 'TV', 'none')).toBe('TV');
  });

  it('counts what never-seen captions repeat apart from findings and false positives', () => {
    expect(figures.neverSeen).toMatchObject({ retrievals: 1, templates: 1 });
    expect(figures.falsePositives).toBe(figures.rules[1]!.falsePositives);
    const shown = chooseGallery(joinCaptions(all), 'dcs');
    expect(shown.find(({ section }) => section === 'never-seen')!.captions.map(({ key }) => key)).toEqual([
      'unseen-0',
      'unseen-1',
    ]);
    for (const { section, captions } of shown)
      if (['MV', 'RV', 'TV'].includes(section))
        expect(captions.filter(({ key }) => key.startsWith('unseen'))).toEqual([]);
    // A stronger verdict of another sample must not hide a false positive.
    const labels = all.labels.map((row) => (row.key === 'unseen-1' ? { ...row, verdict: 'MV' } : row));
    expect(countNeverSeen(joinCaptions({ ...all, labels }))).toMatchObject({
      falsePositives: figures.falsePositives + 1,
      templates: 0,
    });
  });

  it('states recall over the audited twin’s families, and how well their region was found', () => {
    expect(figures.families).toEqual([
      {
        family: 'template-0',
        scene: 'film-poster',
        variants: 4,
        audited: 4,
        found: 3,
        overlap: plantedOverlap,
      },
      {
        family: 'template-1',
        scene: 'film-poster',
        variants: 4,
        audited: 4,
        found: 4,
        overlap: plantedOverlap,
      },
      { family: 'template-2', scene: 'film-poster', variants: 4, audited: 4, found: 0, overlap: null },
    ]);
    const cut = joinCaptions(all).filter(({ key }) => key !== 'template-1-3');
    expect(summarize(all, cut).families[1]).toMatchObject({ variants: 4, audited: 3, found: 3 });
    expect(summarize({ ...all, masks: new Map() }, joinCaptions(all)).families[0]!.overlap).toBeNull();
  });

  it('takes the region from the nearest label', () => {
    const other = 'b'.repeat(64);
    // The second variant lies at .14, the first at .12.
    const withOther = (key: string) => {
      const labels = all.labels.map((row) =>
        row.key === key && row.rule === 'aligned' ? { ...row, mask: other } : row,
      );
      const masks = new Map([...all.masks, [other, { width: 16, height: 16, data: new Uint8Array(256) }]]);
      return summarize({ ...all, labels, masks }, joinCaptions(all)).families[0]!.overlap;
    };
    expect(withOther('template-0-2')).toBe(plantedOverlap);
    // All is open: the planted rectangle is 12 × 4 of 16 × 16 pixels.
    expect(withOther('template-0-1')).toBe(48 / 256);
  });

  it('measures the overlap of what a mask leaves open with a rectangle', () => {
    const mask = (open: readonly number[]) => ({
      width: 4,
      height: 4,
      data: Uint8Array.from({ length: 16 }, (_, i) => (open.includes(i) ? 0 : 1)),
    });
    expect(overlapOf(mask([5, 6, 9, 10]), [1, 1, 2, 2])).toBe(1);
    expect(overlapOf(mask([5, 6]), [1, 1, 2, 2])).toBe(0.5);
    expect(overlapOf(mask([4, 5, 8, 9]), [1, 1, 2, 2])).toBeCloseTo(2 / 6, 12);
    expect(overlapOf(mask([0]), [1, 1, 2, 2])).toBe(0);
    expect(overlapOf(mask([]), [0, 0, 0, 0])).toBe(0);
  });
});

describe('reviews', () => {
  let data: ReportData;
  let summary: Summary;
  beforeAll(async () => {
    data = await syntheticRun({ seed: 5 });
    summary = summarize(data, joinCaptions(data));
  });
  const found = () => joinCaptions(data).filter((caption) => isFound(caption));
  const review = (caption: Caption, values: Partial<ReviewRow>): ReviewRow => ({
    key: caption.key,
    sample: null,
    decision: 'reject',
    reason: 'plain sky',
    image: caption.samples.flatMap(({ image }) => image ?? []).join(','),
    error: null,
    ...values,
  });
  const reviewed = (...reviews: ReviewRow[]) =>
    summarize({ ...data, reviews }, joinCaptions({ ...data, reviews }));
  /** With two samples that both match. */
  const both = () =>
    found().find(({ samples }) => samples.every(({ labels }) => labels.calibrated?.verdict === 'MV'))!;

  it('take a rejected finding out of what is found, and out of no other count', () => {
    const figures = reviewed(review(both(), {}));
    expect(figures.found.captions).toBe(summary.found.captions - 1);
    expect(figures.rules.map((rule) => rule.captions)).toEqual(
      summary.rules.map((rule) => rule.captions - 1),
    );
    expect(figures.reviews).toEqual({ accepted: 0, rejected: 1, outdated: 0 });
    const { labels, recall, falsePositives, judged } = summary;
    expect(figures).toMatchObject({ labels, recall, falsePositives, judged });
  });

  it('leave a caption found while any matching sample is not rejected', () => {
    const [first, second] = both().samples;
    const one = review(both(), { sample: 0, image: first!.image! });
    expect(reviewed(one).found.captions).toBe(summary.found.captions);
    expect(reviewed(one, review(both(), { sample: 1, image: second!.image! })).found.captions).toBe(
      summary.found.captions - 1,
    );
  });

  it('count the newest only', () => {
    const accept = review(both(), { decision: 'accept' });
    const reject = review(both(), {});
    expect(reviewed(reject, accept).reviews).toEqual({ accepted: 1, rejected: 0, outdated: 0 });
    expect(reviewed(reject, accept).found).toEqual(summary.found);
    expect(reviewed(accept, reject).reviews).toEqual({ accepted: 0, rejected: 1, outdated: 0 });
    // A newer review of one sample stands over an older one of all.
    const one = review(both(), { decision: 'accept', sample: 0, image: both().samples[0]!.image! });
    expect(reviewed(reject, one).reviews).toEqual({ accepted: 1, rejected: 0, outdated: 0 });
  });

  it('hold for the pictures that were looked at and for no other', () => {
    const stale = review(both(), { image: 'a'.repeat(64) });
    expect(reviewed(stale).found).toEqual(summary.found);
    expect(reviewed(stale).reviews).toEqual({ accepted: 0, rejected: 0, outdated: 1 });
    const partly = review(both(), { image: both().samples[0]!.image! });
    expect(reviewed(partly).found).toEqual(summary.found);
    expect(reviewed(review(both(), { key: 'gone' })).reviews.outdated).toBe(1);
  });
});
