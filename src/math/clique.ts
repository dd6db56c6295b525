import { type Graph, graphWhere, isEdge } from './clique-graph.ts';

/** Nodes of the search tree after which `maximumClique` says what it knows: about a second on graphs of 500 vertices. */
const mostNodes = 200_000;

export interface CliqueOptions {
  /** Stop at the first clique of so many vertices; what is smaller is then not told apart. */
  readonly atLeast?: number;
  /** Nodes of the search tree at most, a whole number from 1 on. Default 200,000. */
  readonly limit?: number;
}

export interface Clique {
  /** The largest clique that was found, ascending. */
  readonly members: readonly number[];
  /** No clique of the graph has more vertices: proven, also where the search gave up. */
  readonly upperBound: number;
  /** Nodes of the search tree that were looked at. */
  readonly searched: number;
}

/**
 * A maximum clique, exactly: branch and bound over sets of bits, pruned by greedy colouring (Tomita and Seki, "An
 * efficient branch-and-bound algorithm for finding a maximum clique", 2003; in bits San Segundo, Rodríguez-Losada and
 * Jiménez, "An exact bit-parallel algorithm for the maximum clique problem", 2011), over vertices in the order of their
 * cores. The problem is NP-hard: where `limit` ends the search, what is found stands beside what is proven. The same
 * graph and options give the same clique.
 *
 * @throws RangeError for a limit or size that is no whole number from 1 on
 */
export function maximumClique(graph: Graph, options: CliqueOptions = {}): Clique {
  const { atLeast = Math.max(1, graph.vertices), limit = mostNodes } = options;
  for (const [name, value] of Object.entries({ atLeast, limit }))
    if (!Number.isInteger(value) || value < 1)
      throw new RangeError(`maximumClique: ${name} must be a whole number from 1 on; got ${value}.`);
  const { vertices } = graph;
  if (vertices === 0) return { members: [], upperBound: 0, searched: 0 };
  const { order, cores } = coreOrder(graph);
  let found = greedyClique(graph, order);
  const wanted = options.atLeast ?? found.length + 1;
  const coreBound = Math.max(...cores) + 1;
  const result = (upperBound: number, searched: number): Clique => ({
    members: [...found].sort((a, b) => a - b),
    upperBound: Math.max(found.length, Math.min(coreBound, upperBound)),
    searched,
  });
  if (found.length >= atLeast || coreBound <= found.length) return result(coreBound, 0);

  // A member of a clique of s vertices has at least s − 1 neighbours that have as many among themselves.
  const kept = order.filter((vertex) => cores[vertex]! + 1 >= Math.max(wanted, found.length + 1));
  const part = graphWhere(kept.length, (i, j) => isEdge(graph, kept[i]!, kept[j]!));
  const search = branchAndBound(part, {
    // Without `atLeast` anything larger than what is found counts; with it only what is large enough.
    beyond: Math.max(found.length, (options.atLeast ?? 0) - 1),
    atLeast,
    limit,
  });
  if (search.members.length > found.length) found = search.members.map((vertex) => kept[vertex]!);
  return result(search.upperBound, search.searched);
}

/** Vertices by decreasing core, the last to be removed first, and of each the core that it is in (Matula and Beck 1983). */
function coreOrder({ vertices, words, rows }: Graph): { order: number[]; cores: Int32Array } {
  const degrees = Int32Array.from({ length: vertices }, (_, vertex) => {
    let degree = 0;
    for (let word = 0; word < words; word++) degree += popcount(rows[vertex * words + word]!);
    return degree;
  });
  const cores = new Int32Array(vertices);
  const removed = new Uint8Array(vertices);
  const order: number[] = [];
  let core = 0;
  for (let step = 0; step < vertices; step++) {
    let next = -1;
    for (let vertex = 0; vertex < vertices; vertex++)
      if (!removed[vertex] && (next < 0 || degrees[vertex]! < degrees[next]!)) next = vertex;
    core = Math.max(core, degrees[next]!);
    cores[next] = core;
    removed[next] = 1;
    order.push(next);
    for (let word = 0; word < words; word++)
      for (let bits = rows[next * words + word]!; bits !== 0; bits &= bits - 1)
        degrees[32 * word + 31 - Math.clz32(bits & -bits)]!--;
  }
  return { order: order.reverse(), cores };
}

/** Takes each vertex that is a neighbour of all that were taken. */
function greedyClique(graph: Graph, order: readonly number[]): number[] {
  const clique: number[] = [];
  for (const vertex of order) if (clique.every((other) => isEdge(graph, vertex, other))) clique.push(vertex);
  return clique;
}

interface SearchOptions {
  /** Cliques of no more vertices are of no interest. */
  readonly beyond: number;
  readonly atLeast: number;
  readonly limit: number;
}

function branchAndBound({ vertices, words, rows }: Graph, { beyond, atLeast, limit }: SearchOptions): Clique {
  const current = new Int32Array(vertices + 1);
  let members: readonly number[] = [];
  let best = beyond;
  let searched = 0;
  const levels: { candidates: Int32Array; order: Int32Array; colours: Int32Array }[] = [];
  const levelOf = (size: number) =>
    (levels[size] ??= {
      candidates: new Int32Array(words),
      order: new Int32Array(vertices),
      colours: new Int32Array(vertices),
    });
  const uncoloured = new Int32Array(words);
  const free = new Int32Array(words);

  /** Colours the candidates greedily; those whose colour alone does not rule them out are listed, colours ascending. */
  function colour(size: number): number {
    const { candidates, order, colours } = levelOf(size);
    const ruledOut = best - size;
    let count = 0;
    let left = 0;
    for (let word = 0; word < words; word++) left |= uncoloured[word] = candidates[word]!;
    for (let shade = 1; left !== 0; shade++) {
      free.set(uncoloured);
      for (let word = 0; word < words; word++)
        while (free[word] !== 0) {
          const bit = 31 - Math.clz32(free[word]! & -free[word]!);
          const vertex = 32 * word + bit;
          uncoloured[word]! &= ~(1 << bit);
          free[word]! &= ~(1 << bit);
          // Vertices before this word are gone from `free` already.
          for (let other = word; other < words; other++) free[other]! &= ~rows[vertex * words + other]!;
          if (shade <= ruledOut) continue;
          order[count] = vertex;
          colours[count++] = shade;
        }
      left = 0;
      for (let word = 0; word < words; word++) left |= uncoloured[word]!;
    }
    return count;
  }

  /** Looks at all cliques that hold `current` up to `size`; gives what those left out may have at most, 0 for none left out. */
  function expand(size: number): number {
    if (++searched > limit) return Number.POSITIVE_INFINITY;
    const { candidates, order, colours } = levelOf(size);
    const count = colour(size);
    for (let at = count - 1; at >= 0; at--) {
      const bound = size + colours[at]!;
      if (bound <= best) return 0;
      const vertex = order[at]!;
      current[size] = vertex;
      const next = levelOf(size + 1).candidates;
      let any = 0;
      for (let word = 0; word < words; word++)
        any |= next[word] = candidates[word]! & rows[vertex * words + word]!;
      let leftOut = 0;
      if (any !== 0) leftOut = Math.min(bound, expand(size + 1));
      else if (size + 1 > best) {
        best = size + 1;
        members = Array.from(current.subarray(0, best));
      }
      const below = at > 0 ? size + colours[at - 1]! : 0;
      if (leftOut > 0 || best >= atLeast) return Math.max(leftOut, below);
      candidates[vertex >> 5]! &= ~(1 << (vertex & 31));
    }
    return 0;
  }

  const { candidates } = levelOf(0);
  for (let vertex = 0; vertex < vertices; vertex++) candidates[vertex >> 5]! |= 1 << (vertex & 31);
  const leftOut = vertices === 0 ? 0 : expand(0);
  return { members, upperBound: Math.max(best, leftOut), searched: Math.min(searched, limit) };
}

function popcount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
