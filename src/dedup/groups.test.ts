import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  completeParts,
  type Edges,
  edgesOfGroups,
  groupOfItems,
  groupsFrom,
  linkedGroups,
  membersOf,
  unionFind,
} from './index.ts';

const count = 24;
const pairs = fc.array(fc.tuple(fc.nat(count - 1), fc.nat(count - 1)), { maxLength: 30 });

function edges(list: readonly (readonly [number, number])[]): Edges {
  return {
    a: Uint32Array.from(list, ([a]) => a),
    b: Uint32Array.from(list, ([, b]) => b),
    score: new Float64Array(list.length),
  };
}

/** Which items can be reached from which, by walking: what groups must be. */
function reachable(list: readonly (readonly [number, number])[]): number[] {
  const name = Array.from({ length: count }, (_, item) => item);
  for (let changed = true; changed; ) {
    changed = false;
    for (const [a, b] of list) {
      const least = Math.min(name[a]!, name[b]!);
      if (name[a] !== least || name[b] !== least) changed = true;
      name[a] = least;
      name[b] = least;
    }
  }
  return name;
}

describe('linkedGroups', () => {
  it('joins what a chain of edges joins, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(pairs, async (list) => {
        const groups = await linkedGroups(count, [edges(list)]);
        const name = reachable(list);
        const of = groupOfItems(count, groups);
        for (let a = 0; a < count; a++) {
          const alone = name.filter((other) => other === name[a]).length === 1;
          expect(of[a] === -1).toBe(alone);
          for (let b = 0; b < a; b++) if (!alone) expect(of[a] === of[b]).toBe(name[a] === name[b]);
        }
        for (let group = 0; group < groups.count; group++) {
          const members = [...membersOf(groups, group)];
          expect(members).toEqual([...members].sort((x, y) => x - y));
          expect(members.length).toBeGreaterThan(1);
          if (group > 0) expect(membersOf(groups, group - 1)[0]).toBeLessThan(members[0]!);
        }
      }),
    );
  });

  it('does not depend on the order of the edges, nor on how they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(pairs, async (list) => {
        const whole = await linkedGroups(count, [edges(list)]);
        const other = [...list].reverse().map(([a, b]) => edges([[b, a]]));
        expect(await linkedGroups(count, other)).toEqual(whole);
        const lists = Array.from({ length: whole.count }, (_, group) => membersOf(whole, group));
        expect(groupsFrom([...lists].reverse())).toEqual(whole);
      }),
    );
  });

  it('names a set by its smallest item', () => {
    const sets = unionFind(5);
    expect(sets.join(3, 4)).toBe(true);
    expect(sets.join(4, 1)).toBe(true);
    expect(sets.join(1, 3)).toBe(false);
    expect([0, 1, 2, 3, 4].map(sets.find)).toEqual([0, 1, 2, 1, 1]);
  });

  it('finds the edges of each group', async () => {
    await fc.assert(
      fc.asyncProperty(pairs, async (list) => {
        const proper = list.filter(([a, b]) => a !== b);
        const all = edges(proper);
        const groups = await linkedGroups(count, [all]);
        const of = groupOfItems(count, groups);
        const { starts, order } = edgesOfGroups(of, groups.count, all);
        expect([...order].sort((x, y) => x - y)).toEqual(proper.map((_, i) => i));
        for (let group = 0; group < groups.count; group++)
          for (const edge of order.subarray(starts[group]!, starts[group + 1]!))
            expect(of[all.a[edge]!]).toBe(group);
      }),
    );
  });
});

describe('completeParts', () => {
  it('leaves no pair in a part that is not alike, and loses no item', () => {
    fc.assert(
      fc.property(pairs, (list) => {
        const known = new Set(list.flatMap(([a, b]) => [`${a} ${b}`, `${b} ${a}`]));
        const alike = (a: number, b: number) => known.has(`${a} ${b}`);
        const items = Uint32Array.from({ length: count }, (_, item) => item);
        const parts = completeParts(items, alike);
        expect(parts.flatMap((part) => [...part]).sort((x, y) => x - y)).toEqual([...items]);
        for (const part of parts)
          for (const a of part) for (const b of part) if (a !== b) expect(alike(a, b)).toBe(true);
        // No two parts could be one: then the greedy choice would have taken the second in.
        for (const [i, part] of parts.entries())
          for (const other of parts.slice(i + 1))
            expect([...part].every((a) => [...other].every((b) => alike(a, b)))).toBe(false);
      }),
    );
  });

  it('cuts a chain whose ends differ', () => {
    const alike = (a: number, b: number) => Math.abs(a - b) <= 1;
    expect(completeParts(Uint32Array.of(0, 1, 2), alike).map((part) => [...part])).toEqual([[0, 1], [2]]);
  });
});
