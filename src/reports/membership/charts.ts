import * as Plot from '@observablehq/plot';
import { seriesColour, seriesDash } from '../charts.ts';
import { draw, type Svg } from '../plot.ts';
import { rocCorners } from '../roc.ts';

/** Scores of one attack on both sides. */
export interface SplitScores {
  readonly name: string;
  readonly members: readonly number[];
  readonly nonMembers: readonly number[];
}

/** How an attack is drawn: a colour for its method, dashes for what it averages over. */
export function lineOf(name: string): { readonly stroke: string; readonly dash: string } {
  const methods = ['lira-online', 'lira-offline', 'loss'];
  const method = methods.findIndex((one) => name.startsWith(one));
  if (method < 0) {
    const kind = ['inpainting', 'inpainting-over-all', 'inpainting-plain'].indexOf(name);
    return { stroke: seriesColour(kind), dash: seriesDash(kind) };
  }
  const way = name.includes('flips') ? 0 : name.includes('averaged') ? 1 : 2;
  return { stroke: seriesColour(method), dash: seriesDash(way) };
}

interface Point {
  readonly fpr: number;
  readonly tpr: number;
}

function corners({ members, nonMembers }: SplitScores): Point[] {
  return rocCorners(members, nonMembers).map(({ falsePositiveRate: fpr, truePositiveRate: tpr }) => ({
    fpr,
    tpr,
  }));
}

const share = (rate: number) => `${Number((rate * 100).toPrecision(3))}%`;

/**
 * ROC curves with both axes logarithmic, where low rates can be seen (Carlini et al. 2022, figure 1). A rate of 0 has no place there: what
 * is reached without any false positive is drawn at half of one, further left nothing is known; what is below the lowest rate is left out.
 */
export function logRocChart(attacks: readonly SplitScores[]): Svg {
  const negatives = Math.max(...attacks.map(({ nonMembers }) => nonMembers.length));
  const positives = Math.max(...attacks.map(({ members }) => members.length));
  const left = Math.min(0.001, 0.5 / negatives);
  const bottom = Math.min(0.001, 0.5 / positives);
  const floor = Math.min(left, bottom);
  const decades = [1e-5, 1e-4, 0.001, 0.01, 0.1, 1].filter((rate) => rate >= floor);
  const axis = { type: 'log', domain: [floor, 1], ticks: decades, tickFormat: share } as const;
  return draw(
    {
      height: 340,
      x: { ...axis, label: 'False positive rate' },
      y: { ...axis, label: 'True positive rate', grid: true },
      marks: [
        Plot.ruleX([0.001, 0.01], { strokeOpacity: 0.5, strokeDasharray: '2 3' }),
        Plot.line(
          [
            [floor, floor],
            [1, 1],
          ],
          { strokeOpacity: 0.35, strokeWidth: 1 },
        ),
        ...attacks.map((attack) => {
          const { stroke, dash } = lineOf(attack.name);
          return Plot.line(
            corners(attack).filter(({ tpr }) => tpr >= floor),
            {
              x: (point: Point) => Math.max(0.5 / attack.nonMembers.length, point.fpr),
              y: 'tpr',
              curve: 'step-after',
              stroke,
              strokeWidth: 1.8,
              strokeDasharray: dash,
            },
          );
        }),
      ],
    },
    'ROC curves of the attacks, both axes logarithmic, with the diagonal of guessing',
  );
}

/** Both sides of the histogram, as drawn. */
export const sides = [
  { name: 'nonMembers', title: 'non-members', fill: 'var(--unseen)' },
  { name: 'members', title: 'members', fill: 'var(--found)' },
] as const;

const binCount = 30;

/** Histograms of the scores as shares of each side, with the threshold at 1%; scores beyond the .5% quantiles stand in the outer bins. */
export function scoreChart({ members, nonMembers }: SplitScores, threshold: number | null): Svg {
  const all = Float64Array.from([...members, ...nonMembers]).sort();
  const at = (q: number) => all[Math.min(all.length - 1, Math.max(0, Math.round(q * (all.length - 1))))]!;
  const low = at(0.005);
  const high = at(0.995) > low ? at(0.995) : low + 1;
  const width = (high - low) / binCount;
  const bins = sides.flatMap(({ name, fill }) => {
    const scores = name === 'members' ? members : nonMembers;
    const counts = new Array<number>(binCount).fill(0);
    for (const score of scores) {
      const bin = Math.min(binCount - 1, Math.max(0, Math.floor((score - low) / width)));
      counts[bin]!++;
    }
    return counts.map((count, i) => ({
      low: low + i * width,
      high: low + (i + 1) * width,
      share: count / Math.max(1, scores.length),
      fill,
    }));
  });
  return draw(
    {
      x: { label: 'Score', domain: [low, high], ticks: 6 },
      y: { label: 'Share', grid: true, ticks: 5, tickFormat: (value: number) => share(value) },
      marks: [
        Plot.rect(
          bins.filter((bin) => bin.share > 0),
          {
            x1: 'low',
            x2: 'high',
            y1: () => 0,
            y2: 'share',
            fill: 'fill',
            fillOpacity: 0.55,
            insetLeft: 0.5,
            insetRight: 0.5,
          },
        ),
        Plot.ruleY([0]),
        ...(threshold === null || threshold < low || threshold > high
          ? []
          : [Plot.ruleX([threshold], { strokeWidth: 1.5, strokeDasharray: '4 3' })]),
      ],
    },
    'Histogram of the scores of members and of non-members',
  );
}
