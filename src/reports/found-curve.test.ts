import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../testing/folder.ts';
import { joinCaptions } from './captions.ts';
import type { ReportData } from './data.ts';
import { evaluationsAt, foundCurve, recipes } from './found-curve.ts';
import { summarize } from './summary.ts';
import { syntheticRun, writeRun } from './testing/synthetic-run.ts';
import { withCliques } from './testing/with-cliques.ts';
import { writeReport } from './write.ts';

const root = temporaryFolder('found-curve');

/** Two findings: the pictures of the second and of the last caption; one evaluation per score, ten per picture. */
function handMade(data: ReportData, rounds: ReportData['rounds']): ReportData {
  const keys = ['a', 'b', 'c', 'd'];
  const [candidate, score, generation, label] = [
    data.candidates[0]!,
    data.scores[0]!.rows[0]!,
    data.generations[0]!,
    data.labels[0]!,
  ];
  const scored = { ...score, score: 1, error: null, spent: 1 };
  return {
    ...data,
    truth: [],
    reviews: [],
    rounds,
    candidates: keys.map((key) => ({ ...candidate, key, error: null })),
    scores: [{ step: 1, rows: keys.map((key) => ({ ...scored, key })) }],
    generations: ['b', 'a', 'd'].map((key) => ({
      ...generation,
      key,
      sample: 0,
      evaluations: 10,
      error: null,
    })),
    labels: ['b', 'a', 'd'].map((key) => ({
      ...label,
      key,
      sample: 0,
      rule: 'reference',
      verdict: key === 'a' ? 'none' : 'MV',
      training_image: key.repeat(64),
      error: null,
    })),
  };
}

const step = (round: number, number: number, captions: number) => ({ round, step: number, captions });
const pointsOf = (data: ReportData) => foundCurve(data, joinCaptions(data), 'x').points;

describe('what was found against what was spent', () => {
  it('goes through the steps, then through the pictures', async () => {
    const data = handMade(await syntheticRun({ synthesized: 4 }), []);
    expect(pointsOf(data)).toEqual([
      { evaluations: 0, found: 0 },
      { evaluations: 4 + 10, found: 1 },
      { evaluations: 4 + 30, found: 2 },
    ]);
  });

  it('goes in rounds where there is a budget', async () => {
    const rounds = [step(1, 1, 2), step(1, 2, 1), step(2, 1, 2), step(2, 2, 2)];
    expect(pointsOf(handMade(await syntheticRun({ synthesized: 4 }), rounds))).toEqual([
      { evaluations: 0, found: 0 },
      { evaluations: 2 + 10, found: 1 },
      { evaluations: 4 + 30, found: 2 },
    ]);
  });

  it('counts further samples last, and ends at all that was spent', async () => {
    const plain = handMade(await syntheticRun({ synthesized: 4 }), [step(1, 1, 4), step(1, 2, 2)]);
    const generations = [
      ...plain.generations.slice(0, 2),
      { ...plain.generations[2]!, sample: 1 },
      { ...plain.generations[1]!, sample: 1 },
    ];
    const labels = plain.labels.map((row) => (row.key === 'd' ? { ...row, sample: 1 } : row));
    expect(pointsOf({ ...plain, generations, labels }).slice(1)).toEqual([
      { evaluations: 14, found: 1 },
      { evaluations: 34, found: 2 },
      { evaluations: 44, found: 2 },
    ]);
  });

  it('counts the samples of generate-and-filter at their step, and captions never trained on', async () => {
    const plain = withCliques(handMade(await syntheticRun({ synthesized: 4, nulls: 3 }), []));
    const [null1] = plain.nulls;
    const data = {
      ...plain,
      nulls: [{ ...null1!, spent: 7 }],
      // Extracted pictures are there already.
      generations: plain.generations.map((row) => ({ ...row, evaluations: 0 })),
    };
    const sampled = data.cliques.reduce((sum, { evaluations }) => sum + evaluations, 0);
    expect(sampled).toBeGreaterThan(1000);
    const before = 4 + sampled + 7;
    expect(pointsOf(data)).toEqual([
      { evaluations: 0, found: 0 },
      { evaluations: before, found: 2 },
    ]);
    const { stages } = summarize(data, joinCaptions(data));
    expect(stages.reduce((sum, { evaluations }) => sum + evaluations, 0)).toBe(before);
  });

  it('ends where the summary does, and rises only', async () => {
    const data = await syntheticRun({ seed: 3 });
    const { evaluations, found, foundAgainstEvaluations } = summarize(data, joinCaptions(data));
    const { points } = foundAgainstEvaluations.curves[0]!;
    expect(points.at(-1)).toEqual({ evaluations, found: found.images });
    for (const [i, point] of points.entries())
      if (i > 0) expect(point.evaluations).toBeGreaterThan(points[i - 1]!.evaluations);
    expect(evaluationsAt(foundAgainstEvaluations.curves[0]!, found.images + 1)).toBeUndefined();
  });
});

describe('what published methods would spend', () => {
  it('is what their papers say, a guided call as two', () => {
    expect(recipes(2_000_000)).toEqual([
      { name: 'cascade of Webster 2023', evaluations: 4_000_000 + 30_000 * 8 + 500 * 124 },
      { name: 'generate and filter (Carlini 2023)', evaluations: 2_000_000 * 50_000 },
    ]);
    expect(recipes(100)[0]!.evaluations).toBe(200 + 2 * 8 + 2 * 124);
  });
});

describe('the report', () => {
  it('draws another run beside its own, and writes the chart’s data', async () => {
    const [one, other] = [join(root, 'one'), join(root, 'a, "b"')];
    await syntheticRun({ synthesized: 30 }, one);
    await syntheticRun({ seed: 2, synthesized: 30 }, other);
    const { page, summary } = await writeReport(one, undefined, { beside: [other] });
    const { curves } = summary.foundAgainstEvaluations;
    expect(curves.map(({ name }) => name)).toEqual(['this run', 'a, "b"']);
    const csv = await readFile(join(one, 'report/data/found-against-evaluations.csv'), 'utf8');
    const { points, captions } = curves[1]!;
    expect(csv).toContain(`"a, ""b""",${captions},${points[1]!.evaluations},${points[1]!.found}\r\n`);
    expect(await readFile(page, 'utf8')).toMatch(/<section id="spent">[\s\S]*<svg[\s\S]*a, &quot;b&quot;/);
  });

  it('refuses a run beside it that has no labels', async () => {
    const path = join(root, 'bare');
    await mkdir(path);
    const run = await readFile(join(root, 'one/run.json'));
    await writeFile(join(path, 'run.json'), run);
    await expect(writeReport(join(root, 'one'), undefined, { beside: [path] })).rejects.toThrow(
      'bare has no labels to draw',
    );
  });

  it('refuses a run of another command, whose page it would replace', async () => {
    const path = join(root, 'membership');
    await mkdir(path);
    const run = JSON.parse(await readFile(join(root, 'one/run.json'), 'utf8')) as object;
    await writeFile(join(path, 'run.json'), JSON.stringify({ ...run, command: 'membership' }));
    const message = 'is a run of "verbatim membership", which writes a report of its own';
    await expect(writeReport(path)).rejects.toThrow(message);
    await expect(writeReport(join(root, 'one'), undefined, { beside: [path] })).rejects.toThrow(message);
  });

  it('refuses a run beside it that another rule decides', async () => {
    const path = join(root, 'lax');
    const data = await syntheticRun({ seed: 2, synthesized: 30 });
    const lax = data.labels.filter(({ rule }) => rule === 'reference');
    expect(lax.length).toBeLessThan(data.labels.length);
    await writeRun(path, { ...data, labels: lax });
    await expect(writeReport(join(root, 'one'), undefined, { beside: [path] })).rejects.toThrow(
      'lax counts what the rule "reference" found, this run what "calibrated" did',
    );
  });
});
