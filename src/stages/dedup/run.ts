import { readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '../../datasets/index.ts';
import {
  type KeepRule,
  type Level,
  type Linkage,
  levels,
  type Modality,
  modalities,
} from '../../dedup/index.ts';
import type { Descriptor } from '../../descriptors/index.ts';
import { VerbatimError } from '../../errors.ts';
import { openNpyRows } from '../../search/index.ts';
import { writeJsonAtomic } from '../../tables/index.ts';
import type { RunDescription } from '../run-folder.ts';
import type { StageProgress } from '../stage.ts';
import { type CaptionedGroup, withCaptions, writeResults } from './collect.ts';
import type { DedupConfig, ResolvedDedupConfig } from './config.ts';
import { descriptorEdges } from './descriptor-edges.ts';
import { batchRanges, captionEdges, type EdgesInput, fileEdges, perceptualEdges } from './edges.ts';
import { writeFamilies } from './families.ts';
import { type LevelEdges, makeGroups, readEdges } from './grouping.ts';
import { describeItems } from './items.ts';
import { loadItems } from './loaded.ts';
import { partEdges, readParts } from './parts.ts';
import { piecesOf } from './pieces.ts';
import { type DedupFolder, finishBatch, openDedup } from './state.ts';
import type { GroupPairs } from './worst-pairs.ts';

export interface DedupOptions {
  readonly dataset: Dataset;
  readonly config: DedupConfig;
  /** Level `descriptor`; undefined where it is not asked for, or the dataset brings vectors. */
  readonly descriptor: Descriptor | undefined;
  readonly output: string;
  /** Where a copy of what is kept goes, in the format of the dataset; a new folder (or file). */
  readonly write?: string;
  readonly verbatim: string;
  readonly versions: RunDescription['versions'];
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onOpen?: (folder: DedupFolder) => void;
  readonly onProgress?: ((progress: StageProgress) => void) | undefined;
}

/** What was found: the content of summary.json. */
export interface DedupSummary {
  readonly dataset: { readonly name: string; readonly format: string; readonly rows: number };
  /** Rows that have a picture (or caption) that could be read, and that have none. */
  readonly items: number;
  readonly failed: number;
  /** What of the dataset could not be opened; `rows` is null where it is not known how many. */
  readonly skipped: readonly {
    readonly where: string;
    readonly what: string;
    readonly rows: number | null;
  }[];
  readonly levels: readonly Level[];
  readonly linkage: Linkage;
  readonly keep: KeepRule;
  /** Pairs and items with a pair, by level. */
  readonly byLevel: Readonly<Record<string, { readonly pairs: number; readonly items: number }>>;
  readonly groups: number;
  /** Items that stand in a group. */
  readonly grouped: number;
  /** Share of the items that stand in a group. */
  readonly duplicationRate: number;
  readonly kept: number;
  readonly removed: number;
  /** How many groups have each rate, and how many items they hold: [rate, groups, items], ascending. */
  readonly histogram: readonly (readonly [number, number, number])[];
  /** Groups by their captions (Webster 2023, §5.2); those without any stand in none. */
  readonly modalities: Readonly<Record<Modality, { readonly groups: number; readonly items: number }>>;
  /** Mean over groups of the share of items that have the group's most frequent caption; null where none has any. */
  readonly meanCaptionShare: number | null;
  /** Groups that hold a pair which alone would not make them: chains. */
  readonly chained: number;
  /** Pictures found in a smaller part of another: tables/edges-tiles. */
  readonly parts: number;
  readonly families: number | null;
  readonly candidates: number;
  /** Level `descriptor`: whether every pair is found. */
  readonly completeness: unknown;
}

/**
 * Finds the duplicates of a dataset: describes each item, compares them at the levels asked for, groups them and chooses
 * what is kept. The folder may hold the results of an earlier, smaller state of the dataset: only what is new is described and
 * compared then. A killed run goes on and ends with the same bytes.
 *
 * @throws VerbatimError when the folder holds something else, the levels do not fit the dataset, or nothing can be read
 */
export async function findDuplicates(options: DedupOptions): Promise<DedupSummary> {
  const { dataset, signal, onProgress } = options;
  if (options.write !== undefined) await requireNew(dataset, options.write);
  const config: ResolvedDedupConfig = { ...options.config, levels: levelsFor(dataset, options.config) };
  const wantsVectors = config.levels.includes('descriptor');
  const embeddings =
    wantsVectors && dataset.embeddings !== undefined ? await openEmbeddings(dataset) : undefined;
  const descriptor = wantsVectors && embeddings === undefined ? options.descriptor : undefined;
  const folder = await openDedup(options.output, {
    ...options,
    config,
    descriptor: embeddings ? 'embeddings' : (descriptor?.id ?? 'none'),
  });
  try {
    options.onOpen?.(folder);
    const pieces = piecesOf(folder, dataset, config.shardSize);
    await describeItems(
      {
        folder,
        dataset,
        config,
        descriptor,
        embeddings: embeddings?.read,
        threads: options.threads,
        signal,
        onProgress,
      },
      pieces,
    );
    const items = await loadItems(folder, dataset, config.shardSize);
    const input: EdgesInput = {
      folder,
      dataset,
      config,
      items,
      threads: options.threads,
      signal,
      onProgress,
    };
    if (items.present.every((there) => there === 0) && items.count > 0)
      throw new VerbatimError(
        `none of the ${items.count} rows of ${dataset.name} can be read; ${join(options.output, 'tables/items')}, column error, says why`,
      );
    for (const range of batchRanges(folder)) {
      if (folder.description.batches[range.batch]!.compared) continue;
      for (const level of config.levels) await compare[level](input, range);
      await finishBatch(folder, range.batch);
    }
    const parts = config.levels.includes('tiles') ? await readParts(input) : [];
    const edges = await readEdges(input, parts);
    const stage = (name: string) => (done: number, total: number) =>
      onProgress?.({ stage: name, done, total, resumed: 0, failed: 0, evaluations: 0 });
    const groups = withCaptions(input, await makeGroups(input, edges, parts, stage('groups')));
    const written = await writeResults(input, groups, edges);
    const families = config.families ? await writeFamilies(input, groups, stage('families')) : undefined;
    const summary = await summarize(input, groups, edges, {
      ...written,
      families: families?.length ?? null,
      parts: parts.length,
    });
    await writeJsonAtomic(join(folder.path, 'summary.json'), summary);
    if (options.write !== undefined) await writeKept(input, groups, options.write, stage('copy'));
    return summary;
  } finally {
    await embeddings?.close();
    await folder.release();
  }
}

const compare: Readonly<
  Record<Level, (input: EdgesInput, range: ReturnType<typeof batchRanges>[number]) => Promise<void>>
> = {
  file: fileEdges,
  perceptual: perceptualEdges,
  descriptor: descriptorEdges,
  tiles: partEdges,
  caption: captionEdges,
};

/** The levels that are compared, in their order. @throws VerbatimError (exit code 2) where the dataset has not what one needs */
export function levelsFor(dataset: Dataset, config: Pick<DedupConfig, 'levels'>): Level[] {
  const { hasPictures, embeddings } = dataset;
  const fallback: Level[] = hasPictures
    ? ['file', 'perceptual']
    : [embeddings === undefined ? 'caption' : 'descriptor'];
  const chosen = config.levels ?? fallback;
  for (const level of chosen) {
    const fits = level === 'caption' || hasPictures || (level === 'descriptor' && embeddings !== undefined);
    if (!fits)
      throw new VerbatimError(
        `level ${level} compares pictures, but ${dataset.name} (${dataset.format}) holds ${embeddings === undefined ? 'captions' : 'captions and vectors'} only; use --level ${fallback.join(',')}`,
        { exitCode: 2 },
      );
  }
  if (chosen.includes('caption') && chosen.length > 1)
    throw new VerbatimError(
      'level caption groups rows by their captions alone, whatever they show; use it by itself, in an output folder of its own',
      { exitCode: 2 },
    );
  return levels.filter((level) => chosen.includes(level));
}

/** The dataset's own vectors, each made as long as 1: [rows, dimension] float32 of any stretch of one shard. */
async function openEmbeddings(dataset: Dataset) {
  const opened = new Map<number, Awaited<ReturnType<typeof openNpyRows>>>();
  const { paths } = dataset.embeddings!;
  const dimension = await openNpyRows(paths).then(async (rows) => {
    await rows.close();
    return rows.dimension;
  });
  return {
    async read(from: number, to: number): Promise<Float32Array> {
      const shard = dataset.shards.findIndex((one) => one.from <= from && from < one.to);
      let rows = opened.get(shard);
      if (rows === undefined) {
        for (const other of opened.values()) await other.close();
        opened.clear();
        rows = await openNpyRows([paths[shard]!]);
        opened.set(shard, rows);
      }
      const { from: first } = dataset.shards[shard]!;
      const data = await rows.rows(Array.from({ length: to - from }, (_, i) => from - first + i));
      for (let at = 0; at < data.length; at += dimension) {
        const row = data.subarray(at, at + dimension);
        let square = 0;
        for (const value of row) square += value * value;
        // What is not a number describes nothing, and pairs with nothing.
        const scale = Number.isFinite(square) && square > 0 ? 1 / Math.sqrt(square) : 0;
        row.forEach((value, i) => {
          row[i] = scale === 0 ? 0 : value * scale;
        });
      }
      return data;
    },
    close: async () => {
      for (const rows of opened.values()) await rows.close();
    },
  };
}

async function summarize(
  input: EdgesInput,
  groups: readonly CaptionedGroup[],
  edges: LevelEdges,
  written: {
    readonly kept: number;
    readonly candidates: number;
    readonly families: number | null;
    readonly parts: number;
  },
): Promise<DedupSummary> {
  const { dataset, items, config, folder } = input;
  const present = items.present.reduce((sum, there) => sum + there, 0);
  const byRate = new Map<number, number>();
  for (const { members } of groups) byRate.set(members.length, (byRate.get(members.length) ?? 0) + 1);
  const grouped = groups.reduce((sum, { members }) => sum + members.length, 0);
  const shares = groups.flatMap(({ captionShare }) => captionShare ?? []);
  return {
    dataset: { name: dataset.name, format: dataset.format, rows: dataset.size },
    items: present,
    failed: items.failed,
    skipped: dataset.problems,
    levels: config.levels,
    linkage: config.linkage,
    keep: config.keep,
    byLevel: Object.fromEntries(config.levels.map((level) => [level, ofLevel(items.count, edges, level)])),
    groups: groups.length,
    grouped,
    duplicationRate: present === 0 ? 0 : grouped / present,
    kept: written.kept,
    removed: present - written.kept,
    histogram: [...byRate].sort(([x], [y]) => x - y).map(([rate, n]) => [rate, n, rate * n] as const),
    modalities: Object.fromEntries(
      modalities.map((name) => {
        const those = groups.filter(({ modality }) => modality === name);
        return [
          name,
          { groups: those.length, items: those.reduce((sum, one) => sum + one.members.length, 0) },
        ];
      }),
    ) as DedupSummary['modalities'],
    meanCaptionShare:
      shares.length === 0 ? null : shares.reduce((sum, share) => sum + share, 0) / shares.length,
    chained: groups.filter((group) => isChained(config, { ...group, items: group.members.length })).length,
    parts: written.parts,
    families: written.families,
    candidates: written.candidates,
    completeness: config.levels.includes('descriptor') ? await readCompleteness(folder) : null,
  };
}

/**
 * Whether some pair of a group is alike at none of the levels: only where the levels measure all pairs can that be said. Two items
 * have an edge, of whatever level, and so have all pairs that complete linkage leaves together.
 */
export function isChained(
  config: Pick<ResolvedDedupConfig, 'levels' | 'linkage' | 'radius' | 'threshold'>,
  { items, mostBits, leastCosine }: { readonly items: number } & GroupPairs,
): boolean {
  const on = (level: Level) => config.levels.includes(level);
  if (items === 2 || config.linkage === 'complete' || on('tiles')) return false;
  if (on('perceptual') && mostBits !== null && mostBits <= config.radius) return false;
  if (on('descriptor') && leastCosine !== null && leastCosine >= config.threshold) return false;
  return (on('perceptual') && mostBits !== null) || (on('descriptor') && leastCosine !== null);
}

function ofLevel(count: number, edges: LevelEdges, level: Level) {
  const number = levels.indexOf(level);
  const has = new Uint8Array(count);
  let pairs = 0;
  edges.level.forEach((one, edge) => {
    if (one !== number) return;
    pairs += 1;
    has[edges.a[edge]!] = 1;
    has[edges.b[edge]!] = 1;
  });
  return { pairs, items: has.reduce((sum, one) => sum + one, 0) };
}

async function readCompleteness({ path }: DedupFolder): Promise<unknown> {
  const text = await readFile(join(path, 'completeness.json'), 'utf8').catch(() => undefined);
  return text === undefined ? null : JSON.parse(text);
}

/** @throws VerbatimError (exit code 2) when a copy cannot be written: before hours are spent */
async function requireNew(dataset: Dataset, output: string): Promise<void> {
  if (dataset.copyTo === undefined)
    throw new VerbatimError(`a copy of ${dataset.name} (${dataset.format}) cannot be written; use keep.txt`, {
      exitCode: 2,
    });
  const there = await stat(output).catch(() => undefined);
  if (there !== undefined)
    throw new VerbatimError(`${output} is there already; a copy is written to a new place`, { exitCode: 2 });
}

async function writeKept(
  { dataset, items, signal }: EdgesInput,
  groups: readonly CaptionedGroup[],
  output: string,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  const keep = new Uint8Array(dataset.size);
  for (let item = 0; item < items.count; item++)
    if (items.present[item] === 1) keep[items.datasetIndex[item]!] = 1;
  for (const { members, kept } of groups)
    members.forEach((item, i) => {
      if (kept[i] === 0) keep[items.datasetIndex[item]!] = 0;
    });
  // Renamed last, so that what is there is whole: a copy that was stopped is begun again.
  const unfinished = `${output.replace(/[/\\]+$/, '')}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  try {
    await dataset.copyTo!(unfinished, (index) => keep[index] === 1, {
      ...(signal && { signal }),
      onProgress,
    });
    await rename(unfinished, output);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
}
