/** An undirected graph without loops, as sets of bits: bit v % 32 of rows[u · words + ⌊v / 32⌋] is the edge of u and v. */
export interface Graph {
  readonly vertices: number;
  /** 32-bit words of a row. */
  readonly words: number;
  readonly rows: Int32Array;
}

/** The graph of the pairs j < i for which `edge(i, j)` holds. */
export function graphWhere(vertices: number, edge: (i: number, j: number) => boolean): Graph {
  const words = Math.ceil(vertices / 32);
  const rows = new Int32Array(vertices * words);
  for (let i = 1; i < vertices; i++)
    for (let j = 0; j < i; j++)
      if (edge(i, j)) {
        rows[i * words + (j >> 5)]! |= 1 << (j & 31);
        rows[j * words + (i >> 5)]! |= 1 << (i & 31);
      }
  return { vertices, words, rows };
}

export function isEdge({ words, rows }: Graph, u: number, v: number): boolean {
  return ((rows[u * words + (v >> 5)]! >>> (v & 31)) & 1) === 1;
}

/**
 * Where the distance of items i ≠ j stands in the lower triangle of their distances, row after row: those of item i to
 * all before it follow those of item i − 1, so that what is known stays where it is when items are added.
 */
export function pairIndex(i: number, j: number): number {
  return i > j ? (i * (i - 1)) / 2 + j : (j * (j - 1)) / 2 + i;
}

/** The pairs that are less than `threshold` apart. @param distances see `pairIndex` */
export function graphBelow(distances: ArrayLike<number>, items: number, threshold: number): Graph {
  checkTriangle(distances, items);
  return graphWhere(items, (i, j) => distances[pairIndex(i, j)]! < threshold);
}

/** @throws RangeError where the distances are not those of so many items */
export function checkTriangle(distances: ArrayLike<number>, items: number): void {
  if (distances.length !== (items * (items - 1)) / 2)
    throw new RangeError(
      `${items} items have ${(items * (items - 1)) / 2} distances, not ${distances.length}.`,
    );
}

/** The mean distance of the pairs of some items; 0 for fewer than two. */
export function meanPairDistance(distances: ArrayLike<number>, members: readonly number[]): number {
  let sum = 0;
  for (const [at, i] of members.entries())
    for (const j of members.slice(0, at)) sum += distances[pairIndex(i, j)]!;
  const pairs = (members.length * (members.length - 1)) / 2;
  return pairs === 0 ? 0 : sum / pairs;
}

/** The item that is nearest to the others of a set on average; of equally near ones the lowest. Undefined for none. */
export function medoid(distances: ArrayLike<number>, members: readonly number[]): number | undefined {
  let [best, least] = [undefined as number | undefined, Number.POSITIVE_INFINITY];
  for (const i of [...members].sort((a, b) => a - b)) {
    let sum = 0;
    for (const j of members) if (j !== i) sum += distances[pairIndex(i, j)]!;
    if (sum < least) [best, least] = [i, sum];
  }
  return best;
}
