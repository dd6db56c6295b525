import * as Plot from '@observablehq/plot';
import { wilsonInterval } from '../../math/index.ts';
import type { VerificationOutcome } from '../../stages/index.ts';
import { integer, percentage } from '../format.ts';
import { html, type Markup, pair } from '../markup.ts';
import { draw, type Svg } from '../plot.ts';

type BySteps = VerificationOutcome['bySteps'];

/** The share of findings that are verbatim at each number of steps, with Wilson's 95% interval. */
export function stepsChart(bySteps: BySteps): Svg {
  const rows = bySteps
    .filter(({ judged }) => judged > 0)
    .map(({ steps, verbatim, judged }) => ({
      steps: integer(steps),
      share: verbatim / judged,
      text: `${verbatim}/${judged}`,
      ...wilsonInterval(verbatim, judged),
    }));
  return draw(
    {
      // Numbers of steps are chosen, not measured: each has its place, as far from its neighbour as all are.
      x: { type: 'point', label: 'Steps', domain: rows.map(({ steps }) => steps), padding: 0.5 },
      y: {
        label: 'Findings verbatim',
        domain: [0, 1.1],
        ticks: [0, 0.25, 0.5, 0.75, 1],
        tickFormat: (share: number) => `${Math.round(share * 100)}%`,
        grid: true,
      },
      marks: [
        Plot.ruleY([0]),
        Plot.ruleX(rows, { x: 'steps', y1: 'low', y2: 'high', stroke: 'currentColor', strokeWidth: 1.2 }),
        Plot.line(rows, { x: 'steps', y: 'share', stroke: 'var(--found)', strokeWidth: 2 }),
        Plot.dot(rows, { x: 'steps', y: 'share', fill: 'var(--found)', r: 4 }),
        Plot.text(rows, { x: 'steps', y: 'high', text: 'text', dy: -11 }),
      ],
    },
    'Share of the findings that are verbatim against the number of steps, with 95% intervals',
  );
}

/** The sweep: the chart beside its numbers; null where findings were made with one number of steps. */
export function stepsSection({ bySteps, findings }: VerificationOutcome): Markup | null {
  if (bySteps.length < 2) return null;
  const first = (steps: number) => findings.filter(({ firstSteps }) => firstSteps === steps).length;
  const never = findings.filter(({ reproduces }) => reproduces === false).length;
  const rows = bySteps.map(
    ({ steps, verbatim, judged }) =>
      html`<tr><td>${integer(steps)}</td><td>${integer(verbatim)}</td><td>${integer(judged)}</td><td>${judged === 0 ? '–' : percentage(verbatim / judged)}</td><td>${integer(first(steps))}</td></tr>`,
  );
  return html`<section id="steps"><h2>By number of steps</h2>
<p>Who stops after so many steps gets so many of the findings verbatim. One step is the clean estimate from pure noise, whatever the sampler; intervals are Wilson’s, 95%.</p>
${pair(
  stepsChart(bySteps),
  html`<table><thead><tr><th>Steps</th><th>Verbatim</th><th>Judged</th><th>Share</th><th>Here first</th></tr></thead><tbody>${rows}
<tr><td>never</td><td></td><td></td><td></td><td>${integer(never)}</td></tr></tbody></table>`,
)}</section>`;
}
