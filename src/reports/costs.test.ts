import { expect, it } from 'vitest';
import { joinCaptions } from './captions.ts';
import { stageFigures } from './costs.ts';
import { funnelSection } from './sections.ts';
import { summarize } from './summary.ts';
import { syntheticRun } from './testing/synthetic-run.ts';

it('the judging’s time has in it what is judged while pictures are made, and what is looked up before', async () => {
  const costs = new Map(
    ['verdicts', 'copies', 'families', 'labels'].map((stage, i) => [
      stage,
      { evaluations: 0, seconds: 10 ** i },
    ]),
  );
  const data = { ...(await syntheticRun({ synthesized: 2 })), costs };
  const figures = stageFigures(data);
  expect(figures.find(({ name }) => name === 'labels')!.seconds).toBe(1111);
  expect(figures.reduce((sum, { seconds }) => sum + seconds, 0)).toBe(1111);
});

it('the funnel speaks of pictures of a single step only where there are some', async () => {
  const data = await syntheticRun({ synthesized: 2 });
  const summary = summarize(data, joinCaptions(data));
  expect(String(funnelSection(summary, true))).toContain('one picture of a single step');
  expect(String(funnelSection(summary, false))).not.toContain('single step');
});
