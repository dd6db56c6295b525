import type { Caption } from './captions.ts';
import { isFound } from './findings.ts';

/** How many judged captions have their smallest distance in (low, high], by what became of them. */
export interface DistanceBin {
  readonly low: number;
  readonly high: number;
  readonly found: number;
  readonly notFound: number;
  readonly neverSeen: number;
}

/** About so many bins. */
const binCount = 24;

/**
 * Histogram of the judged captions' smallest distance under the deciding rule, in its own unit, from 0 on: to their own
 * picture, or by the rule 'aligned' to whatever its row names, which has one unit for all. A bin ends at the threshold, so that what is found stands on one side of it; the width is a whole part of it.
 * Empty when nothing was judged.
 */
export function distanceBins(captions: readonly Caption[], threshold: number | null): DistanceBin[] {
  const judged = captions.filter((caption) => distanceOfCaption(caption) !== undefined);
  if (judged.length === 0) return [];
  const largest = Math.max(...judged.map((caption) => distanceOfCaption(caption)!));
  const width =
    threshold === null || threshold === 0 || threshold >= largest
      ? (largest || 1) / binCount
      : threshold / Math.max(1, Math.round((threshold / largest) * binCount));
  const count = Math.max(1, Math.ceil((largest / width) * (1 - 1e-9)));
  const bins = Array.from({ length: count }, (_, i) => ({
    low: width * i,
    high: width * (i + 1),
    found: 0,
    notFound: 0,
    neverSeen: 0,
  }));
  for (const caption of judged) {
    const distance = distanceOfCaption(caption)!;
    // Rounding must not put the threshold itself into the bin behind it.
    const at = Math.max(0, Math.ceil((distance / width) * (1 - 1e-9)) - 1);
    const bin = bins[Math.min(count - 1, at)]!;
    if (caption.neverSeen) bin.neverSeen++;
    else if (isFound(caption)) bin.found++;
    else bin.notFound++;
  }
  return bins;
}

function distanceOfCaption({ rule, own, samples }: Caption): number | undefined {
  if (rule !== 'aligned') return own?.distance;
  const all = samples.flatMap(({ labels }) => labels.aligned?.distance ?? []);
  return all.length === 0 ? undefined : Math.min(...all);
}
