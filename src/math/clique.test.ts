import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { graphWhere, isEdge } from './clique-graph.ts';
import {
  bottleneckClique,
  createRandom,
  type Graph,
  graphBelow,
  maximumClique,
  meanPairDistance,
  medoid,
  pairIndex,
} from './index.ts';

/** All subsets, the plain way. */
function bruteForce(graph: Graph): number {
  let best = 0;
  for (let set = 0; set < 2 ** graph.vertices; set++) {
    const members = Array.from({ length: graph.vertices }, (_, v) => v).filter((v) => (set >> v) & 1);
    if (members.length > best && isClique(graph, members)) best = members.length;
  }
  return best;
}

function isClique(graph: Graph, members: readonly number[]): boolean {
  return members.every((u, at) => members.slice(0, at).every((v) => isEdge(graph, u, v)));
}

/** A graph of up to `most` vertices, of any density. */
const graphs = (most: number) =>
  fc
    .record({
      vertices: fc.integer({ min: 0, max: most }),
      density: fc.double({ min: 0, max: 1, noNaN: true }),
      seed: fc.nat(),
    })
    .map(({ vertices, density, seed }) => {
      const random = createRandom(seed);
      return graphWhere(vertices, () => random.uniform() < density);
    });

describe('maximumClique', () => {
  it('finds what trying all subsets finds, and proves it', () => {
    fc.assert(
      fc.property(graphs(11), (graph) => {
        const clique = maximumClique(graph);
        expect(isClique(graph, clique.members)).toBe(true);
        expect(clique.members).toEqual([...clique.members].sort((a, b) => a - b));
        expect(clique.members.length).toBe(bruteForce(graph));
        expect(clique.upperBound).toBe(clique.members.length);
      }),
      { numRuns: 150 },
    );
  });

  it('with atLeast answers whether there is one of that size, and what it says is true', () => {
    fc.assert(
      fc.property(graphs(11), fc.integer({ min: 1, max: 8 }), (graph, atLeast) => {
        const most = bruteForce(graph);
        const { members, upperBound } = maximumClique(graph, { atLeast });
        expect(isClique(graph, members)).toBe(true);
        expect(members.length >= atLeast).toBe(most >= atLeast);
        expect(upperBound).toBeGreaterThanOrEqual(most);
        if (most < atLeast) expect(upperBound).toBeLessThan(atLeast);
      }),
      { numRuns: 150 },
    );
  });

  it('with any limit never says what is not so', () => {
    fc.assert(
      fc.property(graphs(11), fc.integer({ min: 1, max: 6 }), (graph, limit) => {
        const most = bruteForce(graph);
        const { members, upperBound, searched } = maximumClique(graph, { limit });
        expect(isClique(graph, members)).toBe(true);
        expect(members.length).toBeLessThanOrEqual(most);
        expect(upperBound).toBeGreaterThanOrEqual(most);
        expect(searched).toBeLessThanOrEqual(limit);
      }),
      { numRuns: 150 },
    );
  });

  it.each<[string, Graph, number]>([
    ['no vertex', graphWhere(0, () => true), 0],
    ['no edge', graphWhere(70, () => false), 1],
    ['complete', graphWhere(500, () => true), 500],
    // Turán's T(n, r): parts of equal size, edges between parts only.
    ['Turán (93, 7)', graphWhere(93, (i, j) => i % 7 !== j % 7), 7],
    // The Kneser graph of pairs of 5: disjoint pairs are neighbours; it has no triangle.
    ['Petersen', kneser(5), 2],
    ['Kneser (8, 2)', kneser(8), 4],
    ['a ring of 100', graphWhere(100, (i, j) => i - j === 1 || i - j === 99), 2],
    // Hamming(8, 4) of DIMACS: words of 8 bits at least 4 apart; largest clique 16.
    ['hamming8-4', graphWhere(256, (i, j) => bitsOf(i ^ j) >= 4), 16],
    ['hamming10-2', graphWhere(1024, (i, j) => bitsOf(i ^ j) >= 2), 512],
    // johnson8-2-4 of DIMACS: words of 8 bits with two ones, at least 4 apart.
    ['johnson8-2-4', johnson(8), 4],
  ])('%s', (_, graph, size) => {
    const clique = maximumClique(graph);
    expect(isClique(graph, clique.members)).toBe(true);
    expect([clique.members.length, clique.upperBound]).toEqual([size, size]);
  });

  it('finds a planted clique among 1,000 vertices and no larger one', () => {
    const random = createRandom(7);
    const planted = new Set(random.shuffle(Array.from({ length: 1000 }, (_, v) => v)).slice(0, 40));
    const graph = graphWhere(1000, (i, j) => (planted.has(i) && planted.has(j)) || random.uniform() < 0.2);
    const { members, upperBound } = maximumClique(graph);
    expect(new Set(members)).toEqual(planted);
    expect(upperBound).toBe(40);
  });

  it('gives up on a graph made to be hard, with a clique and a bound', () => {
    const random = createRandom(1);
    const graph = graphWhere(400, () => random.uniform() < 0.9);
    const { members, upperBound, searched } = maximumClique(graph, { limit: 2000 });
    expect(searched).toBe(2000);
    expect(isClique(graph, members)).toBe(true);
    expect(upperBound).toBeGreaterThan(members.length);
    expect(upperBound).toBeLessThan(400);
    expect(maximumClique(graph, { limit: 2000 }).members).toEqual(members);
    // What is in reach is found all the same, and what is out of reach is ruled out.
    expect(maximumClique(graph, { limit: 2000, atLeast: 20 }).members.length).toBeGreaterThanOrEqual(20);
  });

  it.each([{ limit: 0 }, { limit: 1.5 }, { atLeast: 0 }, { atLeast: 1.5 }])('refuses %o', (options) => {
    expect(() =>
      maximumClique(
        graphWhere(2, () => true),
        options,
      ),
    ).toThrow(/whole number from 1 on/);
  });
});

describe('bottleneckClique', () => {
  /** Items on a grid, so that many distances are equal. */
  const items = fc.record({
    points: fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { minLength: 2, maxLength: 9 }),
    size: fc.integer({ min: 2, max: 5 }),
  });
  const triangle = (points: readonly (readonly [number, number])[]) =>
    Float64Array.from(
      points.flatMap(([x, y], i) => points.slice(0, i).map(([u, v]) => Math.hypot(x - u, y - v))),
    );

  it('is where the clique test turns from no to yes', () => {
    fc.assert(
      fc.property(items, ({ points, size }) => {
        const distances = triangle(points);
        const found = bottleneckClique(distances, points.length, size);
        expect(found === undefined).toBe(points.length < size);
        if (found === undefined) return;
        const { distance, members, lowerBound } = found;
        expect(lowerBound).toBe(distance);
        expect(members.length).toBe(size);
        const pairs = members.flatMap((i, at) =>
          members.slice(0, at).map((j) => distances[pairIndex(i, j)]!),
        );
        expect(Math.max(...pairs)).toBe(distance);
        expect(bruteForce(graphBelow(distances, points.length, distance))).toBeLessThan(size);
      }),
      { numRuns: 200 },
    );
  });

  it('says what is proven when its searches give up', () => {
    const random = createRandom(3);
    const distances = Float64Array.from({ length: (120 * 119) / 2 }, () => random.uniform());
    const exact = bottleneckClique(distances, 120, 9)!;
    const hasty = bottleneckClique(distances, 120, 9, { limit: 2 })!;
    expect(exact.lowerBound).toBe(exact.distance);
    expect(hasty.distance).toBeGreaterThanOrEqual(exact.distance);
    expect(hasty.lowerBound).toBeLessThanOrEqual(exact.distance);
  });

  it('is 0 for equal items, and needs as many distances as there are pairs', () => {
    expect(bottleneckClique(new Float64Array(45), 10, 10)).toEqual({
      distance: 0,
      members: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      lowerBound: 0,
    });
    expect(() => bottleneckClique(new Float64Array(44), 10, 2)).toThrow(/45 distances, not 44/);
    expect(() => bottleneckClique(new Float64Array(1), 2, 1)).toThrow(/2 items or more/);
  });
});

describe('medoid and meanPairDistance', () => {
  // Items at 0, 1, 3, 10 on a line.
  const distances = Float64Array.of(1, 3, 2, 10, 9, 7);
  it('are those of the members alone', () => {
    expect(medoid(distances, [3, 0, 1, 2])).toBe(1);
    expect(medoid(distances, [2, 3])).toBe(2);
    expect(medoid(distances, [])).toBeUndefined();
    expect(meanPairDistance(distances, [0, 1, 2])).toBe(2);
    expect(meanPairDistance(distances, [2])).toBe(0);
  });
});

function bitsOf(word: number): number {
  return word.toString(2).replaceAll('0', '').length;
}

/** Pairs of n things, neighbours where they share none. */
function kneser(n: number): Graph {
  const pairs = Array.from({ length: n }, (_, i) => Array.from({ length: i }, (_, j) => [i, j])).flat();
  return graphWhere(pairs.length, (a, b) => !pairs[a]!.some((x) => pairs[b]!.includes(x)));
}

function johnson(bits: number): Graph {
  const words = Array.from({ length: 2 ** bits }, (_, word) => word).filter((word) => bitsOf(word) === 2);
  return graphWhere(words.length, (i, j) => bitsOf(words[i]! ^ words[j]!) >= 4);
}
