import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../testing/folder.ts';
import type { ReportData } from './data.ts';
import { hasOutcome } from './summary.ts';
import { syntheticRun } from './testing/synthetic-run.ts';
import { withCliques } from './testing/with-cliques.ts';
import { writeReport } from './write.ts';

const root = temporaryFolder('report-cliques');

async function report(name: string, change: (data: ReportData) => ReportData) {
  const path = join(root, name);
  const captions = ['<script>alert(1)</script>'];
  const data = change(await syntheticRun({ side: 16, synthesized: 12, captions }, path));
  const { page, summary } = await writeReport(path, data);
  const text = await readFile(page, 'utf8');
  return { data, summary, text, document: parseHTML(text).document as unknown as Document };
}
interface Document {
  querySelectorAll(selector: string): Iterable<{ readonly textContent: string }>;
}

it('shows what generate-and-filter flagged, what it took, and its precision', async () => {
  const { summary, text, document } = await report('with', withCliques);
  const figures = summary.cliques!;
  expect(figures).toMatchObject({
    samplesPerCaption: 500,
    clique: 10,
    captions: 12,
    flagged: 6,
    samples: 6 * 10 + 6 * 55,
    allSamples: 6000,
    failedSamples: 2,
    evaluations: 6 * 160 + 6 * 880,
    unproven: 1,
    extracts: true,
    decisions: { clique: 6, futile: 6, exhausted: 0, failed: 0 },
  });
  expect(figures.judged).toBeGreaterThan(0);
  expect(figures.found).toBeLessThanOrEqual(figures.judged);
  // An attack among the others, whose ranking begins with what it flags.
  const attack = summary.attacks.find(({ name }) => name === 'cliques')!;
  expect(attack).toMatchObject({
    step: 1,
    sigma: null,
    scored: 12,
    failed: 0,
    evaluationsPerCaption: figures.evaluations / 12,
    confirmed: null,
  });
  expect(attack.precision.filter(({ rank }) => rank <= figures.judged)).toHaveLength(figures.found);
  expect(summary.stages.find(({ name }) => name === 'cliques')).toMatchObject({
    items: 12,
    captions: 12,
    evaluations: figures.evaluations,
  });
  const rows = [...document.querySelectorAll('table.cliques tbody tr')];
  expect(rows).toHaveLength(6);
  // The samples most alike first; a bound where the search gave up.
  expect(rows.map((row) => /0\.0\d\d/.exec(row.textContent)?.[0])).toEqual([
    '0.010',
    '0.012',
    '0.014',
    '0.016',
    '0.018',
    '0.020',
  ]);
  expect(rows[2]!.textContent).toContain('≥ 10');
  expect([...document.querySelectorAll('#cliques table.cliques img')].length).toBeGreaterThanOrEqual(6);
  expect(text).toContain('390 samples were drawn of 6,000, 6.5%: 5,610 saved.');
  expect(text).not.toContain('<script>');
  expect(text).not.toMatch(/\b(NaN|undefined|Infinity|\[object Object\])\b/);
});

/** A finished run of which nothing is flagged; the first caption failed. */
function unflagged(data: ReportData): ReportData {
  const { cliques, ...rest } = withCliques(data);
  const given = { decision: 'futile', size: 1, mean_distance: null, medoid: null, seed: null, image: null };
  const rows = cliques.map((row, i) => ({
    ...row,
    ...given,
    ...(i === 0 && { decision: 'failed', score: null, error: 'refused' }),
  }));
  return { ...rest, cliques: rows, generations: [], labels: [] };
}

it('says that nothing was found where nothing is flagged, and counts what failed as not judged', async () => {
  const { summary, text, document } = await report('unflagged', unflagged);
  expect(summary).toMatchObject({ labelled: true, judged: 0, unjudged: 1, rule: null });
  expect(hasOutcome(summary)).toBe(true);
  expect(text).toMatch(/<h1>Found no training image among/);
  expect(text).toContain('None of 12 captions whose samples were compared with each other is flagged');
  expect([...document.querySelectorAll('#recall svg.chart, #spent svg.chart')]).toHaveLength(2);
  expect(text).not.toMatch(/\b(NaN|undefined|Infinity|null rule)\b/);
});

it('has no verdict where all captions failed, or the labels are not there', async () => {
  const failed = (data: ReportData): ReportData => ({
    ...unflagged(data),
    cliques: unflagged(data).cliques.map((row) => ({ ...row, decision: 'failed', error: 'refused' })),
  });
  const all = await report('failed', failed);
  expect(hasOutcome(all.summary)).toBe(false);
  expect(all.text).toMatch(/<h1>No verdict: /);
  expect(all.text).toContain('Nothing could be compared with the training set: 12 captions failed.');
  const early = await report('early', (data) => ({ ...unflagged(data), labelled: false }));
  expect(early.summary.unjudged).toBe(0);
  expect(early.text).toMatch(/<h1>No verdict yet: /);
});

it('has no such section without the step', async () => {
  const { summary, document } = await report('without', (data) => data);
  expect(summary.cliques).toBeNull();
  expect([...document.querySelectorAll('#cliques, nav a[href="#cliques"]')]).toEqual([]);
});
