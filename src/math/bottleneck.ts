import { type CliqueOptions, maximumClique } from './clique.ts';
import { checkTriangle, graphWhere, pairIndex } from './clique-graph.ts';

export interface BottleneckClique {
  /** The largest distance within the clique: no set of so many items that was found has a smaller one. */
  readonly distance: number;
  /** Ascending. */
  readonly members: readonly number[];
  /** No such set has a smaller largest distance than this: equal to `distance` unless a search gave up. */
  readonly lowerBound: number;
}

/**
 * The `size` items whose largest distance is least: the smallest threshold at which the graph of pairs within it has a
 * clique of that size. A clique among pairs *below* t exists exactly when `distance` < t, so this is the continuous
 * score of which the clique test is one cut.
 *
 * Bisection over the distinct distances between two bounds: each member of a clique has its size − 1 others within the
 * clique's distance, so that is no less than the size-th smallest of all items' distances to their (size − 1)-th
 * neighbour; and an item with its neighbours is a set of that size.
 *
 * @param distances see `pairIndex`
 * @param size 2 … ; undefined where there are fewer items
 */
export function bottleneckClique(
  distances: ArrayLike<number>,
  items: number,
  size: number,
  options: Pick<CliqueOptions, 'limit'> = {},
): BottleneckClique | undefined {
  checkTriangle(distances, items);
  if (!Number.isInteger(size) || size < 2)
    throw new RangeError(`bottleneckClique: a clique has 2 items or more; got ${size}.`);
  if (items < size) return undefined;
  const start = nearestSets(distances, items, size);
  let found = start.best;
  const between = new Set<number>();
  for (let at = 0; at < distances.length; at++) {
    const distance = distances[at]!;
    if (distance >= start.least && distance < found.distance) between.add(distance);
  }
  const thresholds = Float64Array.from(between).sort();
  let [low, high] = [0, thresholds.length];
  // Below `proven` there is none; what a search gave up on is passed over as if there were none.
  let proven = start.least;
  while (low < high) {
    const middle = (low + high) >> 1;
    const threshold = thresholds[middle]!;
    const graph = graphWhere(items, (i, j) => distances[pairIndex(i, j)]! <= threshold);
    const clique = maximumClique(graph, { ...options, atLeast: size });
    if (clique.members.length >= size) {
      // The clique that came may be tighter than what was asked for.
      found = withDistance(distances, clique.members.slice(0, size));
      high = middle;
      while (high > low && thresholds[high - 1]! >= found.distance) high--;
    } else {
      low = middle + 1;
      if (clique.upperBound < size) proven = thresholds[low] ?? found.distance;
    }
  }
  return { ...found, lowerBound: Math.min(proven, found.distance) };
}

type Found = Pick<BottleneckClique, 'distance' | 'members'>;

function withDistance(distances: ArrayLike<number>, members: readonly number[]): Found {
  let distance = 0;
  for (const [at, i] of members.entries())
    for (const j of members.slice(0, at)) distance = Math.max(distance, distances[pairIndex(i, j)]!);
  return { distance, members };
}

/** The best set of an item with its nearest neighbours, and the least that any set's largest distance can be. */
function nearestSets(
  distances: ArrayLike<number>,
  items: number,
  size: number,
): { best: Found; least: number } {
  let best: Found = { distance: Number.POSITIVE_INFINITY, members: [] };
  const reach = new Float64Array(items);
  for (let i = 0; i < items; i++) {
    const others = Array.from({ length: items }, (_, j) => j).filter((j) => j !== i);
    const to = (j: number) => distances[pairIndex(i, j)]!;
    const near = others.sort((a, b) => to(a) - to(b) || a - b).slice(0, size - 1);
    reach[i] = to(near.at(-1)!);
    if (reach[i]! >= best.distance) continue;
    const set = withDistance(
      distances,
      [i, ...near].sort((a, b) => a - b),
    );
    if (set.distance < best.distance) best = set;
  }
  return { best, least: reach.sort()[size - 1]! };
}
