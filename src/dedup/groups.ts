import type { Edges, Groups } from './types.ts';
import { unionFind } from './union-find.ts';

/**
 * The groups that edges make of items 0 … count − 1: two items are in one group when a chain of edges leads from one to
 * the other. Items without an edge are in none. 12 bytes per item.
 */
export async function linkedGroups(
  count: number,
  edges: AsyncIterable<Edges> | Iterable<Edges>,
): Promise<Groups> {
  const sets = unionFind(count);
  for await (const { a, b } of edges) for (let i = 0; i < a.length; i++) sets.join(a[i]!, b[i]!);
  const sizes = new Uint32Array(count);
  for (let item = 0; item < count; item++) sizes[sets.find(item)]! += 1;
  let groups = 0;
  let grouped = 0;
  for (const size of sizes)
    if (size > 1) {
      groups += 1;
      grouped += size;
    }
  const offsets = new Uint32Array(groups + 1);
  const members = new Uint32Array(grouped);
  // The size of a set's first item becomes the place where its next item goes.
  let group = 0;
  let place = 0;
  for (let item = 0; item < count; item++) {
    const root = sets.find(item);
    if (root === item && sizes[item]! > 1) {
      offsets[group++] = place;
      const size = sizes[item]!;
      sizes[item] = place;
      members[sizes[item]!++] = item;
      place += size;
    } else if (root !== item) members[sizes[root]!++] = item;
  }
  offsets[groups] = place;
  return { count: groups, offsets, members };
}

/** Groups of the given items, brought into the order that `Groups` promises; those of one item are left out. */
export function groupsFrom(lists: readonly (readonly number[] | Uint32Array)[]): Groups {
  const several = lists.filter(({ length }) => length > 1).map((list) => Uint32Array.from(list).sort());
  several.sort((x, y) => x[0]! - y[0]!);
  const offsets = new Uint32Array(several.length + 1);
  several.forEach((list, i) => {
    offsets[i + 1] = offsets[i]! + list.length;
  });
  const members = new Uint32Array(offsets[several.length]!);
  several.forEach((list, i) => {
    members.set(list, offsets[i]!);
  });
  return { count: several.length, offsets, members };
}

/** The items of one group, ascending. */
export function membersOf({ offsets, members }: Groups, group: number): Uint32Array {
  return members.subarray(offsets[group]!, offsets[group + 1]!);
}

/** The group of each item; −1 for those in none. */
export function groupOfItems(count: number, groups: Groups): Int32Array {
  const of = new Int32Array(count).fill(-1);
  for (let group = 0; group < groups.count; group++)
    for (const item of membersOf(groups, group)) of[item] = group;
  return of;
}

/** The edges of every group, by position in the edges' columns: those of group g at `order[starts[g]] …`. */
export function edgesOfGroups(
  of: Int32Array,
  groups: number,
  { a }: Pick<Edges, 'a'>,
): { readonly starts: Uint32Array; readonly order: Uint32Array } {
  const starts = new Uint32Array(groups + 1);
  for (const item of a) starts[of[item]! + 1]! += 1;
  for (let group = 0; group < groups; group++) starts[group + 1]! += starts[group]!;
  const next = starts.slice();
  const order = new Uint32Array(a.length);
  a.forEach((item, edge) => {
    order[next[of[item]!]!++] = edge;
  });
  return { starts, order };
}

/**
 * Cuts a group so that within each part every two items are alike: greedily, beginning with the item that is like most
 * others (of equals the one given first), taking in whoever is like all that are in. So no part holds a pair that was not
 * compared, and a chain a – b – c whose ends differ is cut.
 *
 * @param alike exact and symmetric
 */
export function completeParts(members: Uint32Array, alike: (a: number, b: number) => boolean): Uint32Array[] {
  const degree = new Map<number, number>();
  for (const a of members) {
    let like = 0;
    for (const b of members) if (a !== b && alike(a, b)) like += 1;
    degree.set(a, like);
  }
  // Sorting is stable: equals stay in the order in which they came.
  let left = [...members].sort((a, b) => degree.get(b)! - degree.get(a)!);
  const parts: Uint32Array[] = [];
  while (left.length > 0) {
    const part: number[] = [];
    const rest: number[] = [];
    for (const item of left) (part.every((other) => alike(other, item)) ? part : rest).push(item);
    const taken = new Set(part);
    parts.push(members.filter((item) => taken.has(item)));
    left = rest;
  }
  return parts;
}
