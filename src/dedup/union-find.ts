/** Sets of items 0 … count − 1 that grow together; the smallest item names a set, whatever the order of the joins. */
export interface UnionFind {
  /** Makes the sets of both items one; false when they were one already. */
  join(a: number, b: number): boolean;
  /** The smallest item of the set. */
  find(item: number): number;
}

/** Disjoint sets with halved paths (Tarjan & van Leeuwen 1984): 4 bytes per item, all but constant time per join. */
export function unionFind(count: number): UnionFind {
  const parent = Uint32Array.from({ length: count }, (_, item) => item);
  const find = (item: number): number => {
    let at = item;
    while (parent[at] !== at) {
      const above = parent[parent[at]!]!;
      parent[at] = above;
      at = above;
    }
    return at;
  };
  return {
    find,
    join(a, b) {
      const [first, second] = [find(a), find(b)];
      if (first === second) return false;
      // By the smallest item instead of by size: a group's name must not depend on the order in which edges came.
      if (first < second) parent[second] = first;
      else parent[first] = second;
      return true;
    },
  };
}
