import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { captionAgreement, type Level, levels, type Modality, modalityOf } from '../../dedup/index.ts';
import { atomically, copyTables, readTable, writeTable } from '../../tables/index.ts';
import { shardName } from '../stage.ts';
import {
  type DuplicatedRow,
  duplicatedColumns,
  itemColumns,
  type MemberRow,
  memberColumns,
} from './columns.ts';
import type { EdgesInput } from './edges.ts';
import type { FinishedGroup, LevelEdges } from './grouping.ts';
import { piecePath } from './items.ts';
import type { LoadedItems } from './loaded.ts';

/** A group with what its captions say. */
export interface CaptionedGroup extends FinishedGroup {
  readonly captions: number;
  /** This and the next are null where no item has a caption. */
  readonly captionShare: number | null;
  readonly modality: Modality | null;
}

/** Counts the different captions of each group; a lacking one is one of them, unless all are lacking. */
export function withCaptions({ items }: EdgesInput, groups: readonly FinishedGroup[]): CaptionedGroup[] {
  return groups.map((group) => {
    if (!group.members.some((item) => items.captioned[item] === 1))
      return { ...group, captions: 0, captionShare: null, modality: null };
    const agreement = captionAgreement(Array.from(group.members, (item) => captionKey(items.caption, item)));
    return {
      ...group,
      captions: agreement.captions,
      captionShare: agreement.share,
      modality: modalityOf(agreement, group.members.length),
    };
  });
}

function captionKey(captions: Uint8Array, item: number): string {
  return Buffer.from(captions.buffer, captions.byteOffset + item * 16, 16).toString('latin1');
}

/** The strictest level at which each item has an edge, as a position in `levels`; 255 for none. */
function levelOfItems(count: number, edges: LevelEdges): Uint8Array {
  const strictest = new Uint8Array(count).fill(255);
  edges.level.forEach((level, edge) => {
    for (const item of [edges.a[edge]!, edges.b[edge]!])
      if (level < strictest[item]!) strictest[item] = level;
  });
  return strictest;
}

/**
 * Writes groups.parquet (by group), keep.txt (in the dataset's order) and candidates.parquet, piece by piece: in memory are
 * the groups, not what is known of their items.
 */
export async function writeResults(
  input: EdgesInput,
  groups: readonly CaptionedGroup[],
  edges: LevelEdges,
): Promise<{ readonly kept: number; readonly candidates: number }> {
  const { folder, items, signal } = input;
  const { count } = items;
  const groupOf = new Int32Array(count).fill(-1);
  const removed = new Uint8Array(count);
  groups.forEach(({ members, kept }, group) => {
    members.forEach((item, i) => {
      groupOf[item] = group;
      removed[item] = kept[i] === 1 ? 0 : 1;
    });
  });
  const strictest = levelOfItems(count, edges);
  const best = await bestCaptions(input, groups, groupOf);
  const duplicated: Duplicated[] = [];
  const members = join(folder.tables, 'members');
  await rm(members, { recursive: true, force: true });
  const files: string[] = [];
  let kept = 0;
  const inOrder = items.pieces.filter(({ from }) => from !== undefined).sort((x, y) => x.from! - y.from!);
  await atomically(join(folder.path, 'keep.txt'), async (temporary) => {
    const stream = createWriteStream(temporary);
    const failed = once(stream, 'error').then(([error]) => {
      throw error;
    });
    failed.catch(() => {});
    for (const piece of inOrder) {
      signal?.throwIfAborted();
      const rows: MemberRow[] = [];
      const lines: string[] = [];
      for (const row of await readTable(piecePath(folder, 'items', piece), itemColumns)) {
        const { item } = row;
        if (items.present[item] === 0) continue;
        if (removed[item] === 0) {
          lines.push(`${lineOf(row.key)}\n`);
          kept += 1;
        }
        const group = groupOf[item]!;
        const caption = best.get(captionKey(items.caption, item));
        if (caption !== undefined) addRow(caption, items, item);
        if (caption?.item === item)
          duplicated.push({
            key: row.key,
            caption: row.caption,
            dataset_index: items.datasetIndex[item]!,
            copies: caption.copies,
            caption_copies: caption.count,
            group: caption.group,
            modality: groups[caption.group]!.modality,
            of: caption,
          });
        if (group < 0) continue;
        rows.push({
          ...memberOf(groups[group]!, group),
          item,
          dataset_index: items.datasetIndex[item]!,
          key: row.key,
          caption: row.caption,
          keep: removed[item] === 0,
          level: levels[strictest[item]!] ?? ('file' satisfies Level),
          sha256: row.sha256,
          width: row.width,
          height: row.height,
        });
      }
      if (!stream.write(lines.join(''))) await Promise.race([once(stream, 'drain'), failed]);
      if (rows.length === 0) continue;
      const file = join(members, shardName(files.length));
      await writeTable(file, memberColumns, rows);
      files.push(file);
    }
    stream.end();
    await Promise.race([once(stream, 'finish'), failed]);
  });
  if (files.length === 0) await writeTable(join(folder.path, 'groups.parquet'), memberColumns, []);
  else await copyTables(files, join(folder.path, 'groups.parquet'), ['group', 'dataset_index']);
  await rm(members, { recursive: true, force: true });
  const top = dealtOut(duplicated, input.config.top).map(
    ({ of, ...row }, i): DuplicatedRow => ({ ...row, rank: i + 1, rows: JSON.stringify(of.rows) }),
  );
  await writeTable(join(folder.path, 'candidates.parquet'), duplicatedColumns, top);
  return { kept, candidates: top.length };
}

/** A key as a line of text: one with a line break or a quote at its start as JSON. */
function lineOf(key: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: keys come from outside
  return /[\u0000-\u001f\u2028\u2029]|^"/.test(key) ? JSON.stringify(key) : key;
}

function memberOf(group: CaptionedGroup, number: number) {
  return {
    group: number,
    rate: group.members.length,
    captions: group.captions,
    caption_share: group.captionShare,
    modality: group.modality,
    most_bits: group.mostBits,
    least_cosine: group.leastCosine,
  };
}

interface BestCaption {
  /** The largest group that has the caption, and its rate. */
  group: number;
  copies: number;
  /** The first item of that group which has it. */
  item: number;
  /** Items of the dataset that have it. */
  count: number;
  /** Where the first of each different file stands, and which those are. */
  readonly rows: number[];
  readonly contents: Set<string>;
}

type Duplicated = Omit<DuplicatedRow, 'rank' | 'rows'> & { readonly group: number; readonly of: BestCaption };

/**
 * Places are dealt out to groups in proportion to their copies (D'Hondt's method): the k-th caption of a group counts for a k-th of
 * its copies. By copies alone, one picture under three hundred captions would fill a list of three hundred.
 */
function dealtOut(captions: readonly Duplicated[], places: number): Duplicated[] {
  const before = (x: Duplicated, y: Duplicated) =>
    y.copies - x.copies || y.caption_copies - x.caption_copies || x.dataset_index - y.dataset_index;
  const listed = new Map<number, number>();
  return captions
    .toSorted(before)
    .map((row) => {
      const place = (listed.get(row.group) ?? 0) + 1;
      listed.set(row.group, place);
      return { row, share: row.copies / place };
    })
    .sort((x, y) => y.share - x.share || before(x.row, y.row))
    .slice(0, places)
    .map(({ row }) => row);
}

/** Different pictures of a caption that are listed. */
const mostRows = 16;

function addRow({ rows, contents }: BestCaption, { content, datasetIndex }: LoadedItems, item: number): void {
  if (rows.length === mostRows) return;
  const name = Buffer.from(content.subarray(16 * item, 16 * item + 16)).toString('latin1');
  if (contents.has(name)) return;
  contents.add(name);
  rows.push(datasetIndex[item]!);
}

/** Of every caption that stands in a group, where it is most duplicated. Captions without a word are no candidates. */
async function bestCaptions(
  { items }: EdgesInput,
  groups: readonly CaptionedGroup[],
  groupOf: Int32Array,
): Promise<Map<string, BestCaption>> {
  const best = new Map<string, BestCaption>();
  // Groups stand by their rate: the first one with a caption is the largest.
  groups.forEach(({ members }, group) => {
    for (const item of members) {
      if (items.captioned[item] === 0) continue;
      const key = captionKey(items.caption, item);
      if (!best.has(key))
        best.set(key, { group, copies: members.length, item, count: 0, rows: [], contents: new Set() });
    }
  });
  for (let item = 0; item < groupOf.length; item++)
    if (items.present[item] === 1) {
      const known = best.get(captionKey(items.caption, item));
      if (known !== undefined) known.count += 1;
    }
  return best;
}
