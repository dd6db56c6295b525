import { join } from 'node:path';
import type { Dataset } from '../../../datasets/index.ts';
import {
  type DedupFamilyRow,
  type DedupSummary,
  type DuplicatedRow,
  dedupConfigSchema,
  dedupFamilyColumns,
  duplicatedColumns,
  itemColumns,
  type MemberRow,
  memberColumns,
  type PartRow,
  partColumns,
} from '../../../stages/index.ts';
import { writeJsonAtomic, writeTable } from '../../../tables/index.ts';

/** A group as a test describes it: the items by their position in the dataset. */
export interface TestGroup {
  readonly captions: readonly string[];
  /** Digest of each item's file; default: each its own. */
  readonly files?: readonly string[];
  /** Positions in the group that stay; default: the first. */
  readonly keep?: readonly number[];
  readonly modality?: MemberRow['modality'];
  readonly mostBits?: number | null;
  readonly leastCosine?: number | null;
  readonly key?: (at: number) => string;
}

export interface TestFolder {
  readonly dataset: Pick<Dataset, 'shards' | 'size' | 'hasPictures'>;
  readonly groups?: readonly TestGroup[];
  readonly candidates?: readonly DuplicatedRow[];
  readonly parts?: readonly PartRow[];
  readonly families?: readonly DedupFamilyRow[];
  readonly config?: Readonly<Record<string, unknown>>;
  readonly summary?: Partial<DedupSummary>;
  /** Errors by item. */
  readonly errors?: ReadonlyMap<number, string>;
  /** A shard that the folder had before those of the dataset, and that is gone: rows. */
  readonly gone?: number;
}

/** Writes the tables and the summary of a dedup folder by hand; groups take the dataset's rows one after another. */
export async function writeDedupFolder(path: string, folder: TestFolder): Promise<DedupSummary> {
  const {
    dataset,
    groups = [],
    candidates = [],
    parts = [],
    families,
    errors = new Map(),
    gone = 0,
  } = folder;
  const levels = ['file', 'perceptual'];
  const config = { ...dedupConfigSchema.parse({ levels, shardSize: 4, ...folder.config }), format: 'fake' };
  const shard = (name: string, rows: number, isGone: boolean) => ({
    name,
    digest: name,
    rows,
    batch: 0,
    gone: isGone,
  });
  await writeJsonAtomic(join(path, 'run.json'), {
    command: 'dedup',
    verbatim: '0.1.0',
    versions: { '@duckdb/node-api': '1' },
    model: { name: 'pixels', digest: 'none' },
    dataset: { name: 'fake', digest: 'f'.repeat(64), size: dataset.size },
    heldOut: null,
    config,
    shards: [
      ...(gone > 0 ? [shard('gone', gone, true)] : []),
      ...dataset.shards.map(({ name, from, to }) => shard(name, to - from, false)),
    ],
    batches: [{ against: '', compared: true }],
  });
  let at = 0;
  const members = groups.flatMap((group, number) => membersOf(group, number, gone, () => at++));
  await writeTable(join(path, 'groups.parquet'), memberColumns, members);
  await writeTable(join(path, 'candidates.parquet'), duplicatedColumns, candidates);
  if (families !== undefined) await writeTable(join(path, 'families.parquet'), dedupFamilyColumns, families);
  if (parts.length > 0)
    await writeTable(join(path, 'tables/edges-tiles/0000/00000.parquet'), partColumns, parts);
  await writeItems(path, dataset, gone, config.shardSize, errors);
  const kept = members.filter(({ keep }) => keep).length;
  const items = dataset.size - errors.size;
  const rates = new Map<number, number>();
  for (const { captions } of groups) rates.set(captions.length, (rates.get(captions.length) ?? 0) + 1);
  const kind = (name: string) => {
    const those = groups.filter(({ modality = 'image-and-text' }) => modality === name);
    return {
      groups: those.length,
      items: those.reduce((sum, { captions }) => sum + captions.length, 0),
    };
  };
  const summary: DedupSummary = {
    dataset: { name: 'fake', format: 'fake', rows: dataset.size },
    items,
    failed: errors.size,
    skipped: [],
    levels: config.levels!,
    linkage: config.linkage,
    keep: config.keep,
    byLevel: Object.fromEntries(config.levels!.map((level) => [level, { pairs: 0, items: 0 }])),
    groups: groups.length,
    grouped: members.length,
    duplicationRate: items === 0 ? 0 : members.length / items,
    kept: items - members.length + kept,
    removed: members.length - kept,
    histogram: [...rates].sort(([x], [y]) => x - y).map(([rate, n]) => [rate, n, rate * n] as const),
    modalities: {
      'image-and-text': kind('image-and-text'),
      mixed: kind('mixed'),
      'image-only': kind('image-only'),
    },
    meanCaptionShare: groups.length === 0 ? null : 0.5,
    chained: 0,
    parts: parts.length,
    families: families === undefined ? null : new Set(families.map(({ family }) => family)).size,
    candidates: candidates.length,
    completeness: null,
    ...folder.summary,
  };
  await writeJsonAtomic(join(path, 'summary.json'), summary);
  return summary;
}

function membersOf(group: TestGroup, number: number, gone: number, next: () => number): MemberRow[] {
  const { captions, files, keep = [0], modality = 'image-and-text' } = group;
  return captions.map((caption, i) => {
    const index = next();
    return {
      group: number,
      item: gone + index,
      dataset_index: index,
      key: group.key?.(i) ?? `key ${index}`,
      caption,
      rate: captions.length,
      keep: keep.includes(i),
      level: 'file',
      captions: new Set(captions).size,
      caption_share: 0.5,
      modality,
      most_bits: group.mostBits ?? null,
      least_cosine: group.leastCosine ?? null,
      sha256: files === undefined ? `file ${index}` : files[i]!,
      width: 48,
      height: 48,
    };
  });
}

async function writeItems(
  path: string,
  { shards }: TestFolder['dataset'],
  gone: number,
  shardSize: number,
  errors: ReadonlyMap<number, string>,
): Promise<void> {
  let file = Math.ceil(gone / shardSize);
  for (const { from, to } of shards)
    for (let first = from; first < to; first += shardSize) {
      const rows = Array.from({ length: Math.min(shardSize, to - first) }, (_, i) => ({
        item: gone + first + i,
        key: `key ${first + i}`,
        caption: `caption ${first + i}`,
        sha256: null,
        md5: null,
        bytes: null,
        width: null,
        height: null,
        phash: null,
        fields: null,
        described: false,
        error: errors.get(first + i) ?? null,
      }));
      const name = `tables/items/0000/${String(file++).padStart(5, '0')}.parquet`;
      await writeTable(join(path, name), itemColumns, rows);
    }
}
