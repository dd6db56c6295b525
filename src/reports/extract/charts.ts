import * as Plot from '@observablehq/plot';
import type { ExtractSummary } from '../../stages/index.ts';
import { integer } from '../format.ts';
import { draw, type Svg } from '../plot.ts';

/** What is drawn in which colour. */
export const kinds = [
  { name: 'generated', title: 'generated', stroke: 'var(--found)', dash: '' },
  { name: 'heldOut', title: 'never seen by the model', stroke: 'var(--unseen)', dash: '5 3' },
] as const;

/**
 * Normalised distances of generated and held-out pictures, each as shares of its own number, with the threshold. The axis is
 * logarithmic, because what matters are the few at the left; a bin without pictures lies at its lower end, half of one picture.
 */
export function distancesChart({ histogram, threshold, heldOut }: ExtractSummary): Svg {
  const drawn = kinds.filter(({ name }) => name === 'generated' || heldOut !== null);
  const end = histogram.at(-1)!.high;
  const totals = new Map(
    drawn.map(({ name }) => [
      name,
      Math.max(
        1,
        histogram.reduce((sum, bin) => sum + bin[name], 0),
      ),
    ]),
  );
  const floor = 0.5 / Math.max(...totals.values());
  const decades = Array.from({ length: 8 }, (_, i) => 10 ** -i).filter((share) => share >= floor);
  const lines = drawn.map(({ name, stroke, dash }) => {
    const points = histogram.flatMap((bin) => {
      const share = Math.max(floor, bin[name] / totals.get(name)!);
      return [
        { x: bin.low, share },
        { x: bin.high, share },
      ];
    });
    return { points, stroke, dash };
  });
  const right = threshold.value > 0.7 * end;
  return draw(
    {
      x: { label: 'Normalised distance to the nearest training picture', domain: [0, end], ticks: 5 },
      y: {
        type: 'log',
        label: 'Share of the pictures',
        domain: [floor, 1],
        grid: true,
        ticks: decades,
        tickFormat: (share: number) => `${Number((share * 100).toPrecision(2))}%`,
      },
      marks: [
        ...lines.map(({ points, stroke, dash }) =>
          Plot.line(points, { x: 'x', y: 'share', stroke, strokeWidth: 2, strokeDasharray: dash }),
        ),
        Plot.ruleX([threshold.value], { strokeWidth: 1.5, strokeDasharray: '4 3' }),
        Plot.text([threshold.value], {
          x: (value: number) => value,
          text: (value: number) => `threshold ${value.toFixed(3)}`,
          frameAnchor: 'top',
          textAnchor: right ? 'end' : 'start',
          dx: right ? -5 : 5,
          dy: 4,
        }),
      ],
    },
    'Histogram of the normalised distances of generated and of held-out pictures, with the threshold',
  );
}

/** Extracted images against the number of generated pictures, which is drawn on a logarithmic axis. */
export function growthChart(growth: ExtractSummary['growth']): Svg {
  const most = Math.max(1, ...growth.map(({ images }) => images));
  const last = growth.at(-1)!.generated;
  const ticks = Array.from({ length: 8 }, (_, i) => 10 ** i).filter((tick) => tick <= last);
  return draw(
    {
      x: {
        type: 'log',
        label: 'Generated pictures',
        domain: [1, Math.max(2, last)],
        ticks,
        tickFormat: (n: number) => integer(n),
      },
      y: {
        label: 'Extracted images',
        domain: [0, most],
        grid: true,
        ticks: Math.min(5, most),
        tickFormat: (n: number) => (Number.isInteger(n) ? integer(n) : ''),
      },
      marks: [
        Plot.ruleY([0]),
        Plot.line(growth, { x: 'generated', y: 'images', stroke: 'var(--found)', strokeWidth: 2 }),
        Plot.dot(growth, { x: 'generated', y: 'images', fill: 'var(--found)', r: 3 }),
      ],
    },
    'Extracted images against the number of generated pictures',
  );
}

/** Generated pictures within a threshold, and how many unrelated ones would be. */
export function thresholdsChart({ thresholds, threshold }: ExtractSummary): Svg {
  const most = Math.max(
    1,
    ...thresholds.map((row) => Math.max(row.generations, row.expectedFalsePositives ?? 0)),
  );
  // A logarithmic axis has no zero: half of one picture is its end.
  const floor = 0.5;
  const expected = thresholds.filter(({ expectedFalsePositives: value }) => value !== null && value >= floor);
  const own = thresholds.filter(({ generations }) => generations > 0);
  return draw(
    {
      x: { label: 'Threshold', domain: [0, thresholds.at(-1)!.threshold], ticks: 5 },
      y: {
        type: 'log',
        label: 'Generated pictures within',
        domain: [floor, most * 1.5],
        grid: true,
        ticks: Array.from({ length: 8 }, (_, i) => 10 ** i).filter((tick) => tick <= most * 1.5),
        tickFormat: (n: number) => integer(n),
      },
      marks: [
        Plot.line(expected, {
          x: 'threshold',
          y: (row: ExtractSummary['thresholds'][number]) => row.expectedFalsePositives!,
          stroke: 'var(--unseen)',
          strokeWidth: 2,
          strokeDasharray: '5 3',
        }),
        Plot.line(own, { x: 'threshold', y: 'generations', stroke: 'var(--found)', strokeWidth: 2 }),
        Plot.dot(own, { x: 'threshold', y: 'generations', fill: 'var(--found)', r: 3 }),
        Plot.ruleX([threshold.value], { strokeWidth: 1.5, strokeDasharray: '4 3' }),
      ],
    },
    'Generated pictures within a threshold, and how many unrelated ones are expected there',
  );
}
