import * as Plot from '@observablehq/plot';
import type { DedupSummary } from '../../stages/index.ts';
import { integer, percentage } from '../format.ts';
import { html, type Markup, pair } from '../markup.ts';
import { draw, type Svg } from '../plot.ts';

/** Groups with `low` to `high` items. */
export interface RateBin {
  readonly low: number;
  readonly high: number;
  readonly groups: number;
  readonly items: number;
}

/** 2, 3, 4, 5–9, 10–19, 20–49, 50–99, 100–199, …: bins of about one width on a logarithmic axis. */
function binStart(rate: number): number {
  if (rate < 5) return rate;
  const decade = 10 ** Math.floor(Math.log10(rate) + 1e-12);
  return ([5, 2, 1].find((step) => step * decade <= rate) ?? 1) * decade;
}

function binEnd(low: number): number {
  if (low < 5) return low;
  return String(low).startsWith('2') ? low * 2.5 - 1 : low * 2 - 1;
}

/** The histogram of summary.json in bins; those without a group are absent. */
export function rateBins(histogram: DedupSummary['histogram']): RateBin[] {
  const bins = new Map<number, RateBin>();
  for (const [rate, groups, items] of histogram) {
    const low = binStart(rate);
    const known = bins.get(low) ?? { low, high: binEnd(low), groups: 0, items: 0 };
    bins.set(low, { ...known, groups: known.groups + groups, items: known.items + items });
  }
  return [...bins.values()].sort((x, y) => x.low - y.low);
}

/**
 * Groups by their rates. Positions are logarithms on linear axes, so that each tick has its label; a bar begins below one
 * group, so that one group can be seen.
 */
export function rateChart(bins: readonly RateBin[]): Svg {
  const { log10 } = Math;
  const floor = log10(0.5);
  const top = log10(Math.max(10, 1.6 * Math.max(...bins.map(({ groups }) => groups))));
  const end = Math.max(10, ...bins.map(({ high }) => high)) + 0.5;
  const powers = Array.from({ length: 12 }, (_, power) => 10 ** power);
  const steps = powers.flatMap((power) => [power, 2 * power, 5 * power]).filter((at) => at >= 2 && at <= end);
  const tens = steps.filter((at) => at === 2 || Number.isInteger(log10(at)));
  const tickFormat = (at: number) => integer(10 ** at);
  return draw(
    {
      x: {
        label: 'Items in the group',
        domain: [log10(1.5), log10(end)],
        ticks: (steps.length <= 9 ? steps : tens).map(log10),
        tickFormat,
      },
      y: {
        label: 'Groups',
        domain: [floor, top],
        ticks: powers.map(log10).filter((at) => at <= top),
        tickFormat,
        grid: true,
      },
      marks: [
        Plot.rect(bins, {
          x1: ({ low }: RateBin) => log10(low - 0.5),
          x2: ({ high }: RateBin) => log10(high + 0.5),
          y1: () => floor,
          y2: ({ groups }: RateBin) => log10(groups),
          fill: 'var(--unseen)',
          insetLeft: 0.5,
          insetRight: 0.5,
        }),
        Plot.ruleY([floor]),
        Plot.text(bins.length <= 10 ? bins : [], {
          x: ({ low, high }: RateBin) => (log10(low - 0.5) + log10(high + 0.5)) / 2,
          y: ({ groups }: RateBin) => log10(groups),
          text: ({ groups }: RateBin) => integer(groups),
          dy: -8,
        }),
      ],
    },
    'Histogram of the groups by the number of their items, both axes logarithmic',
  );
}

/** How often things are repeated: the histogram beside its numbers. */
export function ratesSection({ histogram, items }: DedupSummary): Markup | null {
  if (histogram.length === 0) return null;
  const bins = rateBins(histogram);
  const rows = bins.map(
    ({ low, high, groups, items: held }) =>
      html`<tr><td class="line">${low === high ? integer(low) : `${integer(low)}–${integer(high)}`}</td><td>${integer(groups)}</td><td>${integer(held)}</td><td>${percentage(held / items)}</td></tr>`,
  );
  return html`<section id="rates"><h2>Duplication rates</h2>
<p>The rate of a group is the number of its items. Both axes are logarithmic; the table has the numbers.</p>
${pair(
  rateChart(bins),
  html`<table><thead><tr><th>Rate</th><th>Groups</th><th>Items</th><th>Of all items</th></tr></thead><tbody>${rows}</tbody></table>`,
)}</section>`;
}
