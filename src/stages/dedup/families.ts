import { join } from 'node:path';
import { groupOfItems, linkedGroups } from '../../dedup/index.ts';
import type { Mask } from '../../images/index.ts';
import { assembleFamilies, copyCollection, type TemplateFamily } from '../../labels/index.ts';
import { distinctBits, hammingPairs } from '../../search/index.ts';
import { readTable, writeTable } from '../../tables/index.ts';
import { remembered } from '../data.ts';
import { storeMask } from '../families.ts';
import { type DedupFamilyRow, dedupFamilyColumns, itemColumns } from './columns.ts';
import { captionsOf, type EdgesInput } from './edges.ts';
import type { FinishedGroup } from './grouping.ts';
import { piecePath } from './items.ts';

/** Fields of the grid that two variants of a template have in common at least, of nine. */
const fieldsInCommon = 2;
/** Other pictures that share so many fields with one, before it is looked at: a family has at least three variants. */
const fewestOthers = 3;
/** Bits in which two hashes of a field may differ to be the same. */
const fieldRadius = 4;
/** Different files of one duplicate group that are looked at. */
const fewOfGroup = 8;
/** A field that more pictures share than this is a plain corner or a common frame: it names no candidates. */
const mostSharing = 2_000;

/**
 * Template-like families: pictures that are the same outside a region. Of a duplicate group a few stand for all, and bring the
 * others: variants of a template may be near enough to each other to be duplicates. Pictures with the same hash at the same fields of a
 * 3 × 3 grid are candidates; whether they agree, and where, is found by their pixels (labels: `assembleFamilies`). Writes
 * families.parquet.
 */
export async function writeFamilies(
  input: EdgesInput,
  groups: readonly Pick<FinishedGroup, 'members'>[],
  onProgress?: (done: number, total: number) => void,
): Promise<TemplateFamily[]> {
  const { dataset, items, signal, folder } = input;
  const { seeds, candidatesOf } = await candidates(input, groups);
  const position = (item: number) => items.datasetIndex[item]!;
  const item = new Map<number, number>();
  for (let at = 0; at < items.count; at++) if (items.present[at] === 1) item.set(position(at), at);
  // A picture is compared with many others, and those lie anywhere.
  const collection = copyCollection(remembered(dataset));
  function* looked() {
    for (const [at, seed] of seeds.entries()) {
      onProgress?.(at, seeds.length);
      yield position(seed);
    }
    onProgress?.(seeds.length, seeds.length);
  }
  const families = await assembleFamilies(
    looked(),
    (seed) => candidatesOf(item.get(seed)!).map(position),
    collection,
    signal,
  );
  const groupOf = new Map<number, Uint32Array>();
  for (const { members: those } of groups) for (const at of those) groupOf.set(at, those);
  // Who belongs to a family, brings its duplicates.
  const copiesOf = (at: number) => [...(groupOf.get(at) ?? [at])];
  const whole = families
    .map(({ members, ...rest }) => ({
      ...rest,
      those: Uint32Array.from(new Set(members.flatMap((index) => copiesOf(item.get(index)!)))).sort(),
    }))
    .sort((x, y) => y.those.length - x.those.length || x.seed - y.seed);
  const rows: DedupFamilyRow[] = [];
  for (const [family, { those, seed, mask, varying }] of whole.entries()) {
    const named = await keysOf(input, those);
    const captions = await captionsOf(input, those);
    const digest = await storeMask(folder, mask as Mask);
    those.forEach((at, i) => {
      rows.push({
        family,
        item: at,
        dataset_index: position(at),
        key: named[i]!,
        caption: captions[i]!,
        rate: those.length,
        seed: position(at) === seed,
        varying,
        mask: digest,
      });
    });
  }
  await writeTable(join(folder.path, 'families.parquet'), dedupFamilyColumns, rows);
  return families;
}

async function keysOf({ folder, items }: EdgesInput, of: Uint32Array): Promise<string[]> {
  const keys: string[] = [];
  for (const piece of items.pieces) {
    const here = of.filter((at) => at >= piece.first && at < piece.first + piece.rows);
    if (here.length === 0) continue;
    const { key, item } = itemColumns;
    const rows = await readTable(piecePath(folder, 'items', piece), { item, key });
    for (const at of here) keys.push(rows[at - piece.first]!.key);
  }
  return keys;
}

/** Items that share fields with several others, those with most first, and with which. */
async function candidates(input: EdgesInput, groups: readonly Pick<FinishedGroup, 'members'>[]) {
  const { folder, items, config, signal } = input;
  const { item, fields } = itemColumns;
  const left = new Uint8Array(items.count);
  for (const { members } of groups) {
    const contents = new Set<string>();
    for (const at of members) {
      const content = Buffer.from(items.content.subarray(16 * at, 16 * at + 16)).toString('hex');
      if (contents.has(content) || contents.size === fewOfGroup) left[at] = 1;
      else contents.add(content);
    }
  }
  const hashes = Array.from({ length: 9 }, () => ({ items: [] as number[], rows: [] as string[] }));
  for (const piece of items.pieces) {
    if (piece.from === undefined) continue;
    for (const row of await readTable(piecePath(folder, 'items', piece), { item, fields })) {
      if (left[row.item] === 1) continue;
      for (let at = 0; at < 9; at++) {
        const hash = row.fields?.slice(16 * at, 16 * at + 16);
        if (hash === undefined || hash.startsWith('-')) continue;
        hashes[at]!.items.push(row.item);
        hashes[at]!.rows.push(hash);
      }
    }
  }
  // Of each field the pictures that are alike there, and the group of each picture.
  const alike: Map<number, Uint32Array>[] = [];
  for (const { items: of, rows } of hashes) {
    signal?.throwIfAborted();
    const { of: distinctOf, distinct } = distinctBits(Buffer.from(rows.join(''), 'hex'), 8);
    const strings = distinct.length / 8;
    const groups = groupOfItems(
      strings,
      await linkedGroups(strings, pairsWithin(distinct, Math.min(fieldRadius, config.tileRadius), signal)),
    );
    const sets = new Map<number, number[]>();
    of.forEach((at, i) => {
      const string = distinctOf[i]!;
      // A string without a neighbour stands for itself: below zero, so that no group has its number.
      const name = groups[string]! >= 0 ? groups[string]! : -1 - string;
      const set = sets.get(name);
      if (set === undefined) sets.set(name, [at]);
      else set.push(at);
    });
    const ofItem = new Map<number, Uint32Array>();
    for (const set of sets.values()) {
      if (set.length < 2 || set.length > mostSharing) continue;
      const list = Uint32Array.from(set);
      for (const at of set) ofItem.set(at, list);
    }
    alike.push(ofItem);
  }
  const votesOf = (seed: number) => {
    const votes = new Map<number, number>();
    for (const field of alike)
      for (const other of field.get(seed) ?? [])
        if (other !== seed) votes.set(other, (votes.get(other) ?? 0) + 1);
    return [...votes].filter(([, count]) => count >= fieldsInCommon);
  };
  const seeds: { item: number; others: number }[] = [];
  for (let at = 0; at < items.count; at++) {
    if (at % 1024 === 0) signal?.throwIfAborted();
    const others = votesOf(at).length;
    if (others >= fewestOthers) seeds.push({ item: at, others });
  }
  seeds.sort((x, y) => y.others - x.others || x.item - y.item);
  return {
    seeds: seeds.map(({ item }) => item),
    candidatesOf: (seed: number) =>
      votesOf(seed)
        .sort(([a, first], [b, second]) => second - first || a - b)
        .map(([at]) => at),
  };
}

function* pairsWithin(distinct: Uint8Array, radius: number, signal: AbortSignal | undefined) {
  for (const { a, b, distance } of hammingPairs(distinct, 8, radius, { signal }))
    yield { a, b, score: Float64Array.from(distance) };
}
