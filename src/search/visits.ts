import { type Assignments, noCell, type Partition } from './partition.ts';
import { roundingOf } from './tiles.ts';

/** Which rows are compared in which cell. */
export interface Visits {
  /** Rows in the order of their cells and then of their positions; rows that are all 0 stand in no cell. */
  readonly order: Uint32Array;
  /** [cells + 1]: the slots of cell c in that order are starts[c] … starts[c + 1] − 1. */
  readonly starts: Uint32Array;
  /** [cells + 1]: the same for the visitors of a cell. */
  readonly visitorStarts: Uint32Array;
  /** Slots of the rows that visit each cell beside their own, in their order. */
  readonly visitors: Uint32Array;
  /** [rows]: 1 for a row all of whose pairs are certain to be found. */
  readonly certified: Uint8Array;
  /** Whether the row in a slot visits a cell that is not its own. */
  visits(slot: number, cell: number): boolean;
}

export interface VisitOptions {
  readonly threshold: number;
  readonly longest: number;
  /**
   * How far beyond its own cell a row looks, as a share of how far a partner can be: 1 looks everywhere where there can be one,
   * 0 nowhere.
   */
  readonly reach: number;
}

/**
 * The cells in which a row's partners can lie.
 *
 * Let x and y have length 1, an angle of θ at most between them (cos θ = threshold, for rows of length 1), and c_i and c_j be
 * their nearest centroids. Then y · (c_j − c_i) ≥ 0, and y is at most θ away from x, so that
 * (1) x · c_i − x · c_j ≤ sin θ · |c_i − c_j|: x lies no further behind the plane between both cells; and
 * (2) the angle of x and c_j is at most θ plus the largest angle of a row in cell j and c_j.
 * A cell that fails one of them holds no partner of x. Of the others those are visited that are among the nearest
 * (`assignments.probes`) and within `reach` of (1). A row all of whose possible cells are visited is certified: partners that
 * it would not reach do not exist.
 */
export function planVisits(
  assignments: Assignments,
  { cells: cellCount, centroids, dimension }: Partition,
  options: VisitOptions,
): Visits {
  const { probes, cells, similarities, lengths } = assignments;
  const { threshold, longest, reach } = options;
  const count = lengths.length;
  const rounding = roundingOf(dimension);
  const distance = (a: number, b: number) => {
    let squares = 0;
    for (let i = 0; i < dimension; i++)
      squares += (centroids[a * dimension + i]! - centroids[b * dimension + i]!) ** 2;
    return Math.sqrt(squares);
  };
  const radii = cellRadii(assignments, cellCount, rounding);
  const widest = radii.reduce((most, radius) => Math.max(most, radius), 0);
  // Of each row, which of its nearest cells it visits, as bits.
  const chosen = new Uint32Array(count);
  const visitorStarts = new Uint32Array(cellCount + 1);
  const known = new Map<number, number>();
  const certified = new Uint8Array(count);
  for (let row = 0; row < count; row++) {
    const at = row * probes;
    const own = cells[at]!;
    if (own === noCell) {
      certified[row] = 1;
      continue;
    }
    const cosine = (threshold * (1 - 4 * rounding)) / (lengths[row]! * longest);
    const angle = Math.acos(Math.min(1, cosine));
    const sine = Math.sin(angle);
    /** Whether a centroid so similar, of a cell so wide, is not too far. */
    const inReach = (similarity: number, radius: number) =>
      angle + radius >= Math.PI || similarity >= Math.cos(angle + radius) - 8 * rounding;
    let sure = true;
    for (let i = 1; i < probes; i++) {
      const cell = cells[at + i]!;
      if (!inReach(similarities[at + i]!, radii[cell]!)) continue;
      const key = Math.min(own, cell) * cellCount + Math.max(own, cell);
      const apart = known.get(key) ?? distance(own, cell);
      if (known.size < mostDistances) known.set(key, apart);
      const behind = similarities[at]! - similarities[at + i]!;
      if (behind > sine * apart + 8 * rounding) continue;
      if (behind > reach * sine * apart) {
        sure = false;
        continue;
      }
      chosen[row]! |= 1 << i;
      visitorStarts[cell + 1]!++;
    }
    // Of the cells that are not among the nearest it is only known that they are no nearer: none is twice a length away.
    const last = similarities[at + probes - 1]!;
    const beyond =
      probes < cellCount && inReach(last, widest) && similarities[at]! - last <= 2 * sine + 8 * rounding;
    if (sure && !beyond) certified[row] = 1;
  }
  const { order, starts } = cellOrder(assignments, cellCount);
  for (let cell = 0; cell < cellCount; cell++) visitorStarts[cell + 1]! += visitorStarts[cell]!;
  const visitors = new Uint32Array(visitorStarts[cellCount]!);
  const filled = visitorStarts.slice();
  for (const [slot, row] of order.entries())
    for (let i = 1; i < probes; i++)
      if (chosen[row]! & (1 << i)) visitors[filled[cells[row * probes + i]!]!++] = slot;
  return {
    order,
    starts,
    visitorStarts,
    visitors,
    certified,
    visits(slot, cell) {
      const row = order[slot]!;
      for (let i = 1; i < probes; i++)
        if (cells[row * probes + i] === cell) return (chosen[row]! & (1 << i)) !== 0;
      return false;
    },
  };
}

/** Distances between centroids that are kept: most rows have the same few neighbouring cells. */
const mostDistances = 2 ** 20;

/** Of each cell the largest angle between its centroid and a row of it, rounded up. */
function cellRadii({ probes, cells, similarities }: Assignments, count: number, rounding: number) {
  const radii = new Float64Array(count);
  for (let at = 0; at < cells.length; at += probes) {
    const cell = cells[at]!;
    if (cell === noCell) continue;
    const angle = Math.acos(Math.max(-1, Math.min(1, similarities[at]! - 4 * rounding)));
    radii[cell] = Math.max(radii[cell]!, angle);
  }
  return radii;
}

function cellOrder({ probes, cells, lengths }: Assignments, count: number) {
  const starts = new Uint32Array(count + 1);
  for (let row = 0; row < lengths.length; row++) {
    const cell = cells[row * probes]!;
    if (cell !== noCell) starts[cell + 1]!++;
  }
  for (let cell = 0; cell < count; cell++) starts[cell + 1]! += starts[cell]!;
  const order = new Uint32Array(starts[count]!);
  const filled = starts.slice();
  for (let row = 0; row < lengths.length; row++) {
    const cell = cells[row * probes]!;
    if (cell !== noCell) order[filled[cell]!++] = row;
  }
  return { order, starts };
}
