import * as Plot from '@observablehq/plot';
import { seriesColour, seriesDash } from './charts.ts';
import { dataLink } from './csv.ts';
import { counted, integer } from './format.ts';
import { evaluationsAt, type FoundPoint, type Recipe } from './found-curve.ts';
import { empty, html, type Markup, pair } from './markup.ts';
import { draw, type Svg } from './plot.ts';
import { hasOutcome, type Summary } from './summary.ts';

/** Found training images against evaluations, on a logarithmic axis; recipes are upright lines where their cost lies. */
function foundChart({ curves, recipes }: Summary['foundAgainstEvaluations']): Svg {
  const all = curves.flatMap(({ points }) => points.filter(({ evaluations }) => evaluations > 0));
  const costs = [...all, ...recipes].map(({ evaluations }) => evaluations);
  return draw(
    {
      x: {
        type: 'log',
        label: 'Evaluations',
        domain: [Math.max(1, Math.min(...costs)), Math.max(...costs) * 1.3],
        ticks: 5,
        tickFormat: '~s',
      },
      y: {
        label: 'Training images found',
        domain: [0, Math.max(1, ...all.map(({ found }) => found))],
        ticks: 5,
        grid: true,
      },
      marks: [
        Plot.ruleY([0]),
        ...curves.map(({ points }, i) =>
          Plot.line(
            points.filter(({ evaluations }) => evaluations > 0),
            {
              x: 'evaluations',
              y: 'found' satisfies keyof FoundPoint,
              curve: 'step-after',
              stroke: seriesColour(i),
              strokeWidth: 2,
              strokeDasharray: seriesDash(i),
            },
          ),
        ),
        Plot.ruleX(recipes, { x: 'evaluations' satisfies keyof Recipe, strokeDasharray: '2 3' }),
        Plot.text(recipes, {
          x: 'evaluations',
          text: 'name',
          frameAnchor: 'top',
          textAnchor: 'end',
          rotate: -90,
          dx: -10,
          dy: 2,
        }),
      ],
    },
    'Found training images against evaluations spent, the evaluations on a logarithmic axis',
  );
}

/** What was found for how many evaluations, beside what published methods would spend on the same captions. */
export function foundSection(summary: Summary): Markup {
  const { foundAgainstEvaluations, captions, stages } = summary;
  const heading = html`<h2>Found against evaluations</h2>`;
  const { curves, recipes } = foundAgainstEvaluations;
  if (!hasOutcome(summary))
    return html`<section id="spent">${heading}${empty('No picture has been judged, so nothing is found for any evaluations.')}</section>`;
  const scored = stages.find(({ name }) => name === 'scores/1')?.captions ?? captions;
  const part =
    scored < captions ? ` Here ${integer(scored)} of them were scored: more the budget did not pay for.` : '';
  const half = Math.ceil((curves[0]?.points.at(-1)?.found ?? 0) / 2);
  const rows = curves.map((curve, i) => {
    const last = curve.points.at(-1)!;
    const first = evaluationsAt(curve, 1);
    const reached = half === 0 ? undefined : evaluationsAt(curve, half);
    return html`<tr><td class="line"><svg width="26" height="8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4" stroke="${seriesColour(i)}" stroke-width="2.5" stroke-dasharray="${seriesDash(i)}"></line></svg> ${curve.name}</td><td>${integer(curve.captions)}</td><td>${first === undefined ? '–' : integer(first)}</td><td>${reached === undefined ? '–' : integer(reached)}</td><td>${integer(last.evaluations)}</td><td>${integer(last.found)}</td></tr>`;
  });
  const published = recipes.map(
    ({ name, evaluations }) =>
      html`<tr><td>${name}, counted</td><td>${integer(captions)}</td><td>–</td><td>–</td><td>${integer(evaluations)}</td><td>–</td></tr>`,
  );
  return html`<section id="spent">${heading}
<p>Distinct training images that had been found when so many evaluations were spent, from the run’s tables in the order in which they were spent. Upright lines: what published methods would spend on ${counted(captions, 'caption')}; what they would find is not known.${part}</p>
${pair(
  foundChart(foundAgainstEvaluations),
  html`<table><thead><tr><th>Run</th><th>Captions</th><th>Until the first</th><th>Until ${half === 0 ? 'half' : integer(half)}</th><th>In all</th><th>Found</th></tr></thead><tbody>${rows}${published}</tbody></table>`,
)}
${dataLink('found-against-evaluations')}</section>`;
}
