/**
 * The rows that may be among a query's nearest: those with the largest upper bounds of similarity, as many as there
 * is room for, and the largest bound of a row that is not among them.
 */
export interface Candidates {
  /** A heap: the smallest bound first. */
  readonly bounds: Float64Array;
  readonly positions: Float64Array;
  length: number;
  /** No row left out is more similar than this. */
  leftOut: number;
}

export function noCandidates(room: number): Candidates {
  return {
    bounds: new Float64Array(room),
    positions: new Float64Array(room),
    length: 0,
    leftOut: Number.NEGATIVE_INFINITY,
  };
}

/** Takes a row in and says so, or leaves it out. Where there is no room, the row with the smallest bound makes some. */
export function offer(candidates: Candidates, bound: number, position: number): boolean {
  const { bounds, positions } = candidates;
  if (candidates.length < bounds.length) {
    let at = candidates.length++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (bounds[parent]! <= bound) break;
      bounds[at] = bounds[parent]!;
      positions[at] = positions[parent]!;
      at = parent;
    }
    bounds[at] = bound;
    positions[at] = position;
    return true;
  }
  if (bound <= bounds[0]!) {
    candidates.leftOut = Math.max(candidates.leftOut, bound);
    return false;
  }
  candidates.leftOut = Math.max(candidates.leftOut, bounds[0]!);
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= candidates.length) break;
    if (child + 1 < candidates.length && bounds[child + 1]! < bounds[child]!) child++;
    if (bounds[child]! >= bound) break;
    bounds[at] = bounds[child]!;
    positions[at] = positions[child]!;
    at = child;
  }
  bounds[at] = bound;
  positions[at] = position;
  return true;
}

/** The bound that `rank` rows reach, the largest first; less than all where there are fewer. */
export function boundOfRank({ bounds, length }: Candidates, rank: number): number {
  return rank > length ? Number.NEGATIVE_INFINITY : bounds.slice(0, length).sort()[length - rank]!;
}

/** Positions of the rows whose bounds lie in [least, below). */
export function between({ bounds, positions, length }: Candidates, least: number, below: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < length; i++) if (bounds[i]! >= least && bounds[i]! < below) found.push(positions[i]!);
  return found;
}
