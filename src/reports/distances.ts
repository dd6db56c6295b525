import type { Rule } from '../labels/index.ts';
import type { Caption } from './captions.ts';
import { isFound } from './findings.ts';

/** How many judged captions have their smallest distance in [low, high), by what became of them. */
export interface DistanceBin {
  readonly low: number;
  readonly high: number;
  readonly found: number;
  readonly notFound: number;
  readonly neverSeen: number;
}

const binCount = 24;

/** The last bin ends at a whole multiple of one over this: hundredths of RMS, hundreds of a sum of squares. */
const stepsPerUnit: Readonly<Record<Rule, number>> = { calibrated: 100, reference: 0.01 };

/**
 * Histogram of the judged captions' smallest distance under the deciding rule, in its own unit: 24 equal bins
 * from 0 to the largest distance, rounded up. Empty when nothing was judged.
 */
export function distanceBins(captions: readonly Caption[]): DistanceBin[] {
  const judged = captions.filter((caption) => caption.best !== undefined);
  if (judged.length === 0) return [];
  const largest = Math.max(...judged.map((caption) => caption.best!.distance!));
  const steps = stepsPerUnit[judged[0]!.rule];
  const end = Math.max(1, Math.ceil(largest * steps)) / steps;
  const bins = Array.from({ length: binCount }, (_, i) => ({
    low: (end * i) / binCount,
    high: (end * (i + 1)) / binCount,
    found: 0,
    notFound: 0,
    neverSeen: 0,
  }));
  for (const caption of judged) {
    const at = Math.min(binCount - 1, Math.floor((caption.best!.distance! / end) * binCount));
    const bin = bins[at]!;
    if (caption.neverSeen) bin.neverSeen++;
    else if (isFound(caption)) bin.found++;
    else bin.notFound++;
  }
  return bins;
}
