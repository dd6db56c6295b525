import * as Plot from '@observablehq/plot';
import type { Rule } from '../labels/index.ts';
import type { AttackFigures } from './attacks.ts';
import { distance } from './format.ts';
import { draw, type Svg } from './plot.ts';
import type { Summary } from './summary.ts';

/** Series colours are CSS variables (light and dark are the page's business), told apart in print by dashes. */
export function seriesColour(index: number): string {
  return `var(--series-${(index % seriesColours) + 1})`;
}
const seriesColours = 6;
/** One more than there are colours: where those begin again, the dashes are others. */
const seriesDashes = ['', '7 3', '2 3', '9 3 2 3', '14 4', '4 6', '12 3 2 3 2 3'];
export function seriesDash(index: number): string {
  return seriesDashes[index % seriesDashes.length]!;
}

const percent = (share: number) => `${Math.round(share * 100)}%`;

/** Recall against copy count: bars with Wilson's 95% interval and found / audited above. */
export function recallChart(recall: Summary['recall']): Svg {
  const rows = recall
    .filter(({ audited }) => audited > 0)
    .map((row) => ({ ...row, share: row.found / row.audited, copies: String(row.copies) }));
  return draw(
    {
      x: { label: 'Copies in the training set', domain: rows.map((row) => row.copies), padding: 0.35 },
      y: {
        label: 'Recall',
        domain: [0, 1.08],
        ticks: [0, 0.25, 0.5, 0.75, 1],
        tickFormat: percent,
        grid: true,
      },
      marks: [
        Plot.barY(rows, { x: 'copies', y: 'share', fill: 'var(--found-soft)' }),
        Plot.tickY(rows, { x: 'copies', y: 'share', stroke: 'var(--found)', strokeWidth: 2 }),
        Plot.ruleX(rows, { x: 'copies', y1: 'low', y2: 'high', stroke: 'currentColor', strokeWidth: 1.2 }),
        Plot.ruleY([0]),
        Plot.text(rows, {
          x: 'copies',
          y: 'high',
          text: (row: (typeof rows)[number]) => `${row.found}/${row.audited}`,
          dy: -8,
        }),
      ],
    },
    'Recall against the number of copies in the training set, with 95% intervals',
  );
}

/**
 * ROC curves with a logarithmic false positive rate. A rate of 0 has no place on that axis: what is reached
 * without any false positive is drawn at the left edge, at half of one false positive.
 */
export function rocChart(attacks: readonly AttackFigures[]): Svg {
  const drawn = attacks.filter((attack) => attack.roc.length > 0);
  const floor = 0.5 / Math.max(...drawn.map((attack) => attack.negatives));
  const decades = [0.0001, 0.001, 0.01, 0.1, 1].filter((rate) => rate >= floor);
  return draw(
    {
      x: {
        type: 'log',
        label: 'False positive rate',
        domain: [floor, 1],
        ticks: decades,
        tickFormat: (rate: number) => `${Number((rate * 100).toPrecision(3))}%`,
      },
      y: { label: 'True positive rate', domain: [0, 1], tickFormat: percent, ticks: 5, grid: true },
      marks: [
        Plot.ruleY([0]),
        Plot.ruleX([0.01], { strokeOpacity: 0.5, strokeDasharray: '2 3' }),
        Plot.line(
          Array.from({ length: 40 }, (_, i) => floor ** (1 - i / 39)),
          { x: (rate: number) => rate, y: (rate: number) => rate, strokeOpacity: 0.35, strokeWidth: 1 },
        ),
        ...attacks.flatMap((attack, i) =>
          attack.roc.length === 0
            ? []
            : [
                Plot.line(attack.roc, {
                  x: (point: AttackFigures['roc'][number]) => Math.max(floor, point.falsePositiveRate),
                  y: 'truePositiveRate',
                  curve: 'step-after',
                  stroke: seriesColour(i),
                  strokeWidth: 2,
                  strokeDasharray: seriesDash(i),
                }),
              ],
        ),
      ],
    },
    'ROC curves of the attacks, the false positive rate on a logarithmic axis',
  );
}

/**
 * Precision against number found, one line per attack within its pointwise 95% interval; over the confirmed captions alone
 * a thin line of the same colour.
 */
export function precisionChart(attacks: readonly AttackFigures[]): Svg {
  const most = Math.max(1, ...attacks.map((attack) => attack.precision.length));
  return draw(
    {
      x: { label: 'Found', domain: [0, most], ticks: Math.min(most, 6), tickFormat: 'd' },
      y: { label: 'Precision', domain: [0, 1], tickFormat: percent, ticks: 5, grid: true },
      marks: [
        Plot.ruleY([0]),
        ...attacks.map((attack, i) =>
          Plot.areaY(attack.precision, {
            x: 'found',
            y1: 'low',
            y2: 'high',
            fill: seriesColour(i),
            // Where many lie over each other, all must still be seen.
            fillOpacity: Math.min(0.16, 0.3 / attacks.length),
          }),
        ),
        ...attacks.flatMap((attack, i) => [
          Plot.line(attack.confirmed ?? [], {
            x: 'found',
            y: 'precision',
            stroke: seriesColour(i),
            strokeWidth: 1,
          }),
          Plot.line(attack.precision, {
            x: 'found',
            y: 'precision',
            stroke: seriesColour(i),
            strokeWidth: 2,
            strokeDasharray: seriesDash(i),
          }),
          // A single finding draws no line.
          Plot.dot([...attack.precision.slice(-1), ...(attack.confirmed ?? []).slice(-1)], {
            x: 'found',
            y: 'precision',
            r: 3,
            fill: seriesColour(i),
          }),
        ]),
      ],
    },
    'Precision against the number of captions found, for each attack, with 95% intervals',
  );
}

/** The kinds of captions in the histogram, bottom first. */
export const distanceKinds = [
  { name: 'found', title: 'found', fill: 'var(--found)' },
  { name: 'notFound', title: 'in the training set, not found', fill: 'var(--neutral)' },
  { name: 'neverSeen', title: 'never seen by the model', fill: 'var(--unseen)' },
] as const;

/** Histogram of the smallest distance of each judged caption to its own picture, with the threshold of the rule that it is by. */
export function distanceChart(bins: Summary['distances'], threshold: number | null, rule: Rule): Svg {
  const rows = bins.flatMap((bin) => {
    let below = 0;
    return distanceKinds.map(({ name, fill }) => {
      const y1 = below;
      below += bin[name];
      return { low: bin.low, high: bin.high, y1, y2: below, fill };
    });
  });
  const end = Math.max(bins.at(-1)?.high ?? 1, threshold ?? 0);
  return draw(
    {
      x: {
        label:
          rule === 'reference'
            ? 'Sum of squares at 256×256 to its own picture, in thousands'
            : rule === 'aligned'
              ? 'Smallest distance, in units of the threshold'
              : 'Distance (RMS) to its own picture',
        domain: [0, end],
        ticks: 6,
        ...(rule === 'reference' && { tickFormat: (sum: number) => String(sum / 1000) }),
      },
      y: {
        label: 'Captions',
        grid: true,
        ticks: 5,
        tickFormat: (n: number) => (Number.isInteger(n) ? String(n) : ''),
      },
      marks: [
        Plot.rect(
          rows.filter((row) => row.y2 > row.y1),
          { x1: 'low', x2: 'high', y1: 'y1', y2: 'y2', fill: 'fill', insetLeft: 0.5, insetRight: 0.5 },
        ),
        Plot.ruleY([0]),
        ...(threshold === null
          ? []
          : [
              Plot.ruleX([threshold], { strokeWidth: 1.5, strokeDasharray: '4 3' }),
              Plot.text([threshold], {
                x: (t: number) => t,
                text: (t: number) => `threshold ${rule === 'reference' ? distance(t, rule) : t.toFixed(3)}`,
                frameAnchor: 'top',
                textAnchor: threshold > end / 2 ? 'end' : 'start',
                dx: threshold > end / 2 ? -5 : 5,
                dy: -12,
              }),
            ]),
      ],
    },
    'Histogram of the distance of each judged caption to its own picture, with the threshold',
  );
}
