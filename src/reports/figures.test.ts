import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { benjaminiHochberg, rocAuc, wilsonInterval } from '../math/index.ts';
import { sql, textLiteral } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { joinCaptions, verdictOf } from './captions.ts';
import { type ReportData, readReportData } from './data.ts';
import { countNeverSeen, isFound, recallByCopies } from './findings.ts';
import { chooseGallery } from './gallery.ts';
import { type Summary, summarize } from './summary.ts';
import { alignedRun } from './testing/aligned-run.ts';
import { syntheticRun, writeRun } from './testing/synthetic-run.ts';
import { withCliques } from './testing/with-cliques.ts';

const documentation = await readFile(new URL('../../docs/report.md', import.meta.url), 'utf8');
const folder = temporaryFolder("report's figures");
let data: ReportData;
let summary: Summary;

/** A run in which also never-seen captions match, so that no count is trivially 0. */
async function runWithFalsePositives(): Promise<ReportData> {
  const made = await syntheticRun({ seed: 5 });
  const unseen = new Set(made.truth.filter((row) => !row.member).map((row) => row.key));
  const labelled = [...new Set(made.labels.map((row) => row.key))].filter((key) => unseen.has(key));
  const wrong = new Set(labelled.slice(0, 3));
  expect(wrong.size).toBe(3);
  return {
    ...made,
    labels: made.labels.map((row) => (wrong.has(row.key) ? { ...row, verdict: 'MV' } : row)),
  };
}

beforeAll(async () => {
  data = await runWithFalsePositives();
  await writeRun(folder, data);
  summary = summarize(data, joinCaptions(data));
});

/** The documented query, with the views' relative paths made to point at the test's run. */
async function documented<T>(name: string): Promise<T[]> {
  const block = (label: string) =>
    new RegExp(`\`\`\`sql ${label}\\n([\\s\\S]*?)\`\`\``).exec(documentation)![1]!;
  for (const statement of block('setup')
    .trim()
    .split(/(?<=;)\n/))
    await sql(statement.replace(/'(tables[^']*)'/, (_, path: string) => textLiteral(join(folder, path))));
  return sql<T>(block(name));
}

describe('the SQL of docs/report.md', () => {
  it('gives the summary’s false positives', async () => {
    expect(await documented('falsePositives')).toEqual([{ falsePositives: 3 }]);
    expect(summary.falsePositives).toBe(3);
  });

  it('gives the summary’s recall', async () => {
    const rows = await documented('recall');
    expect(rows).toEqual(summary.recall.map(({ copies, planted, found }) => ({ copies, planted, found })));
    expect(rows).toHaveLength(6);
    expect(summary.recall.some(({ found }) => found > 0)).toBe(true);
  });
});

describe('summarize', () => {
  it('is the same from a run folder as from the rows', async () => {
    const read = await readReportData(folder);
    expect(summarize(read, joinCaptions(read))).toEqual(summary);
  });

  it('documents every key, and has every key that is documented', async () => {
    const keys = new Set<string>();
    const walk = (value: unknown, path: string): void => {
      if (Array.isArray(value)) for (const entry of value) walk(entry, `${path}[]`);
      else if (typeof value === 'object' && value !== null)
        for (const [key, inner] of Object.entries(value)) {
          const name = path === '' ? key : `${path}.${key}`;
          keys.add(Array.isArray(inner) ? `${name}[]` : name);
          walk(inner, name);
        }
    };
    walk(summary, '');
    // With families and cliques, which the other run has not.
    const aligned = await alignedRun({ side: 16, synthesized: 20 });
    walk(summarize(aligned, joinCaptions(aligned)), '');
    const filtered = withCliques(await syntheticRun({}));
    walk(summarize(filtered, joinCaptions(filtered)), '');
    // With captions never trained on, and what dedup knows of prompts.
    const sure = await syntheticRun({ synthesized: 20, nulls: 2500 });
    const samePrompt = new Map(sure.candidates.map(({ key }) => [key, 0.5]));
    const confirmed = new Set(sure.candidates.map(({ key }) => key));
    walk(summarize({ ...sure, samePrompt, confirmed }, joinCaptions(sure)), '');
    const table = documentation
      .split('## From the tables')[0]!
      .split('\n')
      .filter((l) => l.startsWith('| `'));
    const described = table.flatMap((line) =>
      [...line.split('|')[1]!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!),
    );
    expect([...keys].sort()).toEqual([...new Set(described)].sort());
  });

  it('adds up', () => {
    const { labels, judged, stages, evaluations, found, neverSeen } = summary;
    expect(labels.MV + labels.RV + labels.TV + labels.none).toBe(judged);
    expect(labels.MV).toBe(found.byVerdict.MV + neverSeen.falsePositives);
    expect(found.byVerdict.MV + found.byVerdict.RV + found.byVerdict.TV).toBe(found.captions);
    expect(found.images).toBeLessThan(found.captions);
    expect(stages.map((stage) => stage.name)).toEqual([
      'candidates',
      'scores/1',
      'scores/2',
      'generations',
      'calibration',
      'labels',
    ]);
    expect(stages.map((stage) => stage.captions)).toEqual([
      data.candidates.length,
      data.candidates.length,
      summary.selected[0]!.captions,
      summary.selected[1]!.captions,
      0,
      judged + summary.unjudged,
    ]);
    expect(evaluations).toBe(
      data.scores.flatMap(({ rows }) => rows).reduce((sum, row) => sum + row.spent, 0) +
        data.generations.reduce((sum, row) => sum + row.evaluations, 0),
    );
    expect(stages.reduce((sum, stage) => sum + stage.evaluations, 0)).toBe(evaluations);
    expect(summary.carlini.evaluations).toBe(data.candidates.length * 50_000);
    expect(summary.carlini.ratio).toBeCloseTo(summary.carlini.evaluations / evaluations, 9);
    const binned = summary.distances.reduce((sum, bin) => sum + bin.found + bin.notFound + bin.neverSeen, 0);
    expect(binned).toBe(judged);
  });

  it('has the time of what the labels need with the labels', () => {
    const costs = new Map([
      ['labels', { evaluations: 0, seconds: 3 }],
      ['copies', { evaluations: 0, seconds: 40 }],
      ['families', { evaluations: 0, seconds: 5 }],
    ]);
    const { stages, seconds } = summarize({ ...data, costs }, joinCaptions(data));
    expect(stages.find(({ name }) => name === 'labels')!.seconds).toBe(48);
    expect(seconds).toBe(48);
  });

  it('counts failures by reason, and leaves failed scores out of every figure', () => {
    expect(summary.failures).toContainEqual({
      stage: 'scores/1',
      reason: 'the caption has 10,000 characters; the tokenizer takes 77 tokens',
      count: 1,
    });
    const dcs = summary.attacks.find((attack) => attack.name === 'dcs')!;
    expect(dcs.scored).toBe(data.candidates.length - 1);
    expect(dcs.failed).toBe(1);
  });

  it('takes as positives the audited twin’s groups with ≥ 50 copies, as negatives what it never saw', () => {
    const truth = new Map(data.truth.map((row) => [row.key, row]));
    const scores = data.scores[0]!.rows.filter((row) => row.attack === 'seed-variance');
    const pick = (want: 'positive' | 'negative') =>
      scores
        .filter(({ key }) => {
          const row = truth.get(key)!;
          return want === 'negative'
            ? !row.member
            : row.kind === 'duplicate' && row.member && row.copies >= 50;
        })
        .map((row) => row.score!);
    const attack = summary.attacks.find(({ name }) => name === 'seed-variance')!;
    expect(attack.positives).toBe(pick('positive').length);
    expect(attack.negatives).toBe(pick('negative').length);
    expect(attack.auc).toBe(rocAuc(pick('positive'), pick('negative')));
    expect(attack.aucLow!).toBeLessThanOrEqual(attack.auc!);
    expect(attack.aucHigh!).toBeGreaterThanOrEqual(attack.auc!);
    expect(attack.roc[0]).toEqual({ falsePositiveRate: 0, truePositiveRate: 0 });
    expect(attack.roc.at(-1)).toEqual({ falsePositiveRate: 1, truePositiveRate: 1 });
  });

  it('walks each ranking for its precision', () => {
    for (const { name, precision } of summary.attacks) {
      const ranked = joinCaptions(data)
        .filter((c) => c.verdicts.calibrated !== null && c.scores.has(name))
        .sort((a, b) => b.scores.get(name)! - a.scores.get(name)!);
      expect(precision.map((point) => point.rank)).toEqual(
        ranked.flatMap((caption, i) => (isFound(caption) ? [i + 1] : [])),
      );
      for (const point of precision) {
        expect(point.precision).toBe(point.found / point.rank);
        expect(point).toMatchObject(wilsonInterval(point.found, point.rank));
      }
    }
  });

  it('walks the confirmed captions alone, in the same order', () => {
    const captions = joinCaptions(data);
    const confirmed = new Set(captions.filter((c) => isFound(c)).map(({ key }) => key));
    const missed = captions.find((c) => !isFound(c) && c.verdicts.calibrated !== null)!;
    const figures = summarize({ ...data, confirmed: new Set([...confirmed, missed.key]) }, captions);
    for (const { name, confirmed: points, precision } of figures.attacks) {
      const place = captions
        .filter((c) => (confirmed.has(c.key) || c === missed) && c.scores.has(name))
        .sort((a, b) => b.scores.get(name)! - a.scores.get(name)!)
        .indexOf(missed);
      expect(points!.map(({ found }) => found)).toEqual(precision.map(({ found }) => found));
      for (const { found, rank } of points!)
        expect(rank).toBe(place >= 0 && found > place ? found + 1 : found);
    }
    expect(summary.attacks.every((attack) => attack.confirmed === null)).toBe(true);
  });

  it('counts copies of what was found, by its kind, and of everything else that was trained on', () => {
    const found = new Set(
      joinCaptions(data)
        .filter((c) => isFound(c))
        .map(({ key }) => key),
    );
    const { rates, samePrompt } = summary.duplication;
    const captions = joinCaptions(data).filter(({ neverSeen }) => !neverSeen);
    const sum = (kind: 'exact' | 'retrieved' | 'template' | 'others') =>
      rates.reduce((total, bin) => total + bin[kind], 0);
    expect(sum('exact')).toBe(summary.found.byVerdict.MV);
    expect(sum('others')).toBe(captions.length - summary.found.captions);
    const hundreds = rates.find(({ low, high }) => low <= 100 && high >= 100)!;
    expect(hundreds.exact).toBe(captions.filter((c) => c.copies === 100 && isFound(c)).length);
    expect(samePrompt).toBeNull();
    const shares = new Map(captions.map(({ key }) => [key, found.has(key) ? 1 : 0.25]));
    const known = summarize({ ...data, samePrompt: shares }, joinCaptions(data)).duplication;
    expect(known.samePrompt!.map(({ exact }) => exact)).toEqual([...Array(9).fill(0), sum('exact')]);
    expect(known.samePrompt!.map(({ others }) => others)).toEqual([0, 0, sum('others'), ...Array(7).fill(0)]);
    expect(known.meanSamePrompt).toEqual({ exact: 1, retrieved: null, template: null, others: 0.25 });
  });

  it('recomputes p-values and discoveries from the tables', async () => {
    const sure = await syntheticRun({ synthesized: 60, nulls: 2500 });
    const captions = joinCaptions(sure);
    const figures = summarize(sure, captions).significance!;
    const nulls = sure.nulls.map(({ score }) => score!);
    const tested = captions.filter((c) => c.scores.has('seed-variance'));
    const p = tested.map(
      (c) => (1 + nulls.filter((one) => one >= c.scores.get('seed-variance')!).length) / 2501,
    );
    const { rejected, count } = benjaminiHochberg(p, 0.05);
    expect(count).toBeGreaterThan(2);
    expect(figures).toMatchObject({
      attack: 'seed-variance',
      rate: 0.05,
      nulls: 2500,
      nullsFailed: 0,
      tested: tested.length,
      untested: captions.length - tested.length,
      smallestP: 1 / 2501,
      discoveries: count,
      falseDiscoveries: tested.filter((c, i) => c.neverSeen && rejected[i] === 1).length,
      findings: tested.filter((c) => isFound(c)).length,
      findingsDiscovered: tested.filter((c, i) => isFound(c) && rejected[i] === 1).length,
    });
    expect(figures.ranked.map((one) => one.rank)).toEqual(
      [...new Set(figures.ranked.map((one) => one.rank))].sort((a, b) => a - b),
    );
    const sorted = [...p].sort((a, b) => a - b);
    for (const { rank, p: value } of figures.ranked) expect(value).toBe(sorted[rank - 1]);
    expect(figures.ranked.at(-1)!.rank).toBe(tested.length);
    expect(summary.significance).toBeNull();
  });

  it('says null, not 0, where nothing can be known', async () => {
    const blind = await syntheticRun({ truth: false });
    const figures = summarize(blind, joinCaptions(blind));
    expect(figures).toMatchObject({ truthKnown: false, falsePositives: 0, recall: [] });
    expect(figures.neverSeen).toMatchObject({ captions: 0, falsePositiveRateHigh: null });
    for (const attack of figures.attacks) expect(attack).toMatchObject({ auc: null, tprAt1PercentFpr: null });
  });
});

describe('the deciding rule', () => {
  /** The run as it is labelled with `labels.rules: [reference]`. */
  const referenceOnly = (): ReportData => ({
    ...data,
    labels: data.labels.filter((row) => row.rule === 'reference'),
    calibration: null,
  });

  it('is the calibrated one where it ran, and the summary names it', () => {
    expect(summary.rule).toBe('calibrated');
    expect(summary.rules.map(({ rule }) => rule)).toEqual(['calibrated', 'reference']);
    const broken = data.labels.map((row) =>
      row.rule === 'calibrated' ? { ...row, verdict: null, distance: null, error: 'no' } : row,
    );
    const figures = summarize({ ...data, labels: broken }, joinCaptions({ ...data, labels: broken }));
    expect([figures.rule, figures.judged, figures.found.captions]).toEqual(['calibrated', 0, 0]);
  });

  it('is the reference one where it ran alone: everything is counted by it', () => {
    const alone = referenceOnly();
    const figures = summarize(alone, joinCaptions(alone));
    const beside = summary.rules.find(({ rule }) => rule === 'reference')!;
    expect(beside.images).toBeGreaterThan(0);
    expect(figures.rule).toBe('reference');
    const { captions, images, byVerdict } = beside;
    expect(figures.found).toEqual({ captions, images, byVerdict });
    expect(figures.falsePositives).toBe(beside.falsePositives);
    expect(figures.rules).toEqual([beside]);
    expect(figures.judged).toBe(summary.judged);
    expect(figures.labels.MV).toBe(beside.captions + beside.falsePositives);
    expect(figures.neverSeen.judged).toBeGreaterThan(0);
    expect(figures.recall.map(({ found }) => found)).toEqual(
      summary.recall.map(({ foundByReference }) => foundByReference),
    );
    expect(figures.attacks[0]!.precision).toHaveLength(beside.captions);
    const binned = figures.distances.reduce((sum, bin) => sum + bin.found + bin.notFound + bin.neverSeen, 0);
    expect(binned).toBe(figures.judged);
    const edges = figures.distances.map(({ high }) => high / beside.threshold!);
    expect(edges.some((edge) => Math.abs(edge - 1) < 1e-9)).toBe(true);
  });

  it('is none before any label', () => {
    const unlabelled = { ...data, labels: [] };
    expect(summarize(unlabelled, joinCaptions(unlabelled))).toMatchObject({
      rule: null,
      rules: [],
      judged: 0,
    });
  });
});

describe('a sample that repeats another caption’s training picture', () => {
  const target = () =>
    data.labels.find(({ rule, verdict, key }) => {
      const { member } = data.truth.find((row) => row.key === key)!;
      return member && rule === 'calibrated' && verdict === 'none';
    })!;
  const evidence = JSON.stringify({
    own: { index: null, image: 'e'.repeat(64), distance: 0.35 },
    nearest: { index: 4149, distance: 0.07 },
    retrieval: true,
    deviation: 0.2,
  });
  const repeated = { training_index: 4149, training_image: 'f'.repeat(64), distance: 0.07, evidence };

  it.each(['RV', 'none'])(
    'is a retrieval, also in older rows that have it in their evidence (%s)',
    (verdict) => {
      const row = target();
      const labels = data.labels.map((label) => (label === row ? { ...label, ...repeated, verdict } : label));
      const captions = joinCaptions({ ...data, labels });
      const caption = captions.find(({ key }) => key === row.key)!;
      expect(verdictOf(caption)).toBe('RV');
      expect(caption.shown!.picture).toEqual({ index: 4149, image: 'f'.repeat(64), distance: 0.07 });
      // The caption's other sample may lie nearer to its own picture than this one does.
      expect(caption.own!.distance).toBeLessThanOrEqual(0.35);
      expect(caption.own!.image).not.toBe('f'.repeat(64));
      const figures = summarize({ ...data, labels }, captions);
      const { captions: before, images, byVerdict } = summary.found;
      expect(figures.found).toEqual({
        captions: before + 1,
        images: images + 1,
        byVerdict: { ...byVerdict, RV: 1 },
      });
      const gallery = chooseGallery(captions, 'dcs').find(({ section }) => section === 'RV');
      expect(gallery).toMatchObject({ total: 1, captions: [{ key: row.key }] });
    },
  );
});

describe('recall and false positives', () => {
  it('finds a group by any of its captions and by no other twin’s', () => {
    const captions = joinCaptions(data);
    const groups = data.truth.filter((row) => row.kind === 'duplicate' && row.member && row.copies === 300);
    const one = groups.find((row) =>
      groups.some((other) => other.group === row.group && other.key !== row.key),
    )!;
    const only = captions.map((caption) => ({
      ...caption,
      samples: caption.samples.map((sample) => ({
        ...sample,
        labels: {
          calibrated: {
            ...sample.labels.calibrated!,
            verdict: caption.key === one.key ? 'MV' : null,
          },
        },
      })),
    }));
    const recall = recallByCopies(data.truth, only);
    expect(recall.map(({ copies, found }) => [copies, found])).toEqual([
      [5, 0],
      [10, 0],
      [20, 0],
      [50, 0],
      [100, 0],
      [300, 1],
    ]);
  });

  it('counts planted groups that the audit did not hold', () => {
    const recall = recallByCopies(data.truth, []);
    expect(recall.map(({ planted, audited, found }) => [planted, audited, found])).toEqual(
      Array.from({ length: 6 }, () => [6, 0, 0]),
    );
    expect(recall.map(({ low, high }) => [low, high])).toEqual(Array.from({ length: 6 }, () => [0, 1]));
  });

  it('tells never-seen captions that were judged from those that were passed over', () => {
    const { captions, judged, falsePositives, falsePositiveRateHigh } = countNeverSeen(joinCaptions(data));
    expect(captions).toBe(data.truth.filter((row) => !row.member).length);
    expect(judged).toBeLessThan(captions);
    expect(falsePositives).toBe(3);
    expect(falsePositiveRateHigh).toBeGreaterThan(3 / captions);
  });
});
