import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '../../datasets/index.ts';
import { levels } from '../../dedup/index.ts';
import { VerbatimError } from '../../errors.ts';
import { removeTemporaries, sha256, writeJsonAtomic } from '../../tables/index.ts';
import { lockFolder } from '../lock.ts';
import {
  type RunDescription,
  type RunFolder,
  readRun,
  refuseForeignFolder,
  runFolder,
} from '../run-folder.ts';
import { edgeKeys, itemKeys, type ResolvedDedupConfig } from './config.ts';

/** A stretch of the dataset as it joined the folder. */
export interface JoinedShard {
  readonly name: string;
  readonly digest: string;
  readonly rows: number;
  /** The batch in which it joined: a batch is what one call of the command found new. */
  readonly batch: number;
  /** The dataset has it no longer, or holds something else under its name: its items count no more. */
  readonly gone: boolean;
}

/** What a dedup folder holds: the content of its run.json. */
export interface DedupDescription extends RunDescription {
  readonly shards: readonly JoinedShard[];
  /** Of each batch a digest of what its edges depend on, the shards and thresholds, and whether all are there. */
  readonly batches: readonly { readonly against: string; readonly compared: boolean }[];
}

/** A dedup folder that is open for writing, and how the dataset lies in it. */
export interface DedupFolder extends RunFolder {
  description: DedupDescription;
  readonly resumed: boolean;
  /** Shards that are new, and that are gone, in this call. */
  readonly joined: number;
  readonly left: number;
  release(): Promise<void>;
}

export interface OpenDedupOptions {
  readonly dataset: Dataset;
  readonly config: ResolvedDedupConfig;
  readonly descriptor: string;
  readonly verbatim: string;
  readonly versions: RunDescription['versions'];
}

/**
 * Opens a folder for the duplicates of a dataset, or goes on with one. What the dataset has more than at the last time
 * becomes a new batch; shards that changed or are gone are marked so, and edges that were made with them, or with other
 * thresholds, are removed: they are made anew of the items that are there.
 *
 * @throws VerbatimError (exit code 2) when the folder holds something else, or items that were described otherwise
 */
export async function openDedup(path: string, options: OpenDedupOptions): Promise<DedupFolder> {
  const release = await lockFolder(path);
  try {
    const before = await existing(path);
    if (before === undefined) await refuseForeignFolder(path);
    else requireSameItems(path, before, options);
    const { description, joined, left } = joinShards(before, options);
    const folder = runFolder(path);
    await removeTemporaries(path);
    if (before !== undefined) await removeStale(folder, before, description);
    await writeJsonAtomic(join(path, 'run.json'), description);
    return { ...folder, description, resumed: before !== undefined, joined, left, release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Says in run.json that all edges of a batch are there. */
export async function finishBatch(folder: DedupFolder, batch: number): Promise<void> {
  const batches = folder.description.batches.map((one, i) =>
    i === batch ? { ...one, compared: true } : one,
  );
  folder.description = { ...folder.description, batches };
  await writeJsonAtomic(join(folder.path, 'run.json'), folder.description);
}

/** Where the centroids of the k-means cells lie, [cells, dimension] float32: trained once, used by all later batches. */
export const partitionName = 'partition.npy';

/** 'edges-file/0002': a batch of a table. */
export function batchTable(name: string, batch: number): string {
  return `${name}/${String(batch).padStart(4, '0')}`;
}

async function existing(path: string): Promise<DedupDescription | undefined> {
  const found = await readRun(path).catch((error: unknown) => {
    if (error instanceof VerbatimError && error.cause === 'no run') return undefined;
    throw error;
  });
  if (found === undefined) return undefined;
  if (found.command !== 'dedup' || !Array.isArray((found as DedupDescription).shards))
    throw new VerbatimError(
      `${path} is the folder of "verbatim ${found.command}"; choose another output folder`,
      { exitCode: 2 },
    );
  return found as DedupDescription;
}

function requireSameItems(path: string, before: DedupDescription, options: OpenDedupOptions): void {
  const { config, descriptor, dataset } = options;
  const differ = (what: string, there: unknown, here: unknown) => {
    throw new VerbatimError(
      `${path} holds other items: ${what} is ${JSON.stringify(there)} there and ${JSON.stringify(here)} here; choose another output folder or delete this one`,
      { exitCode: 2 },
    );
  };
  if (before.model.digest !== descriptor) differ('the descriptor', before.model.digest, descriptor);
  if (before.config['format'] !== dataset.format)
    differ('the format', before.config['format'], dataset.format);
  for (const key of ['levels', ...itemKeys] as const)
    if (JSON.stringify(before.config[key]) !== JSON.stringify(config[key]))
      differ(key, before.config[key], config[key]);
}

function joinShards(before: DedupDescription | undefined, options: OpenDedupOptions) {
  const { dataset, config, descriptor, verbatim, versions } = options;
  const there = new Map(dataset.shards.map((shard) => [shard.name, shard]));
  const shards: JoinedShard[] = [];
  let left = 0;
  for (const shard of before?.shards ?? []) {
    const now = there.get(shard.name);
    // What is gone stays so: when it comes back, it joins again.
    const same =
      !shard.gone && now !== undefined && now.digest === shard.digest && now.to - now.from === shard.rows;
    if (same) there.delete(shard.name);
    if (!same && !shard.gone) left += 1;
    shards.push({ ...shard, gone: shard.gone || !same });
  }
  const joined = there.size;
  const batches = [...(before?.batches ?? [])];
  if (joined > 0 || batches.length === 0) batches.push({ against: '', compared: false });
  for (const { name, digest, from, to } of there.values())
    shards.push({ name, digest, rows: to - from, batch: batches.length - 1, gone: false });
  const description: DedupDescription = {
    command: 'dedup',
    verbatim,
    versions,
    model: { name: config.descriptor, digest: descriptor },
    dataset: { name: dataset.name, digest: dataset.digest, size: dataset.size },
    heldOut: null,
    config: JSON.parse(JSON.stringify({ format: dataset.format, ...config })),
    shards,
    batches: batches.map(({ against, compared }, batch) => {
      const alive = shards.filter((shard) => !shard.gone && shard.batch <= batch);
      const depends = [alive.map(({ name, digest }) => [name, digest]), edgeKeys.map((key) => config[key])];
      const now = sha256(JSON.stringify(depends));
      return { against: now, compared: compared && now === against };
    }),
  };
  return { description, joined, left };
}

/** What is made of all items at the end; run.json says of which. */
const results = ['summary.json', 'groups.parquet', 'keep.txt', 'candidates.parquet', 'families.parquet'];

/**
 * Removes what was made of another state of the dataset or with other options: edges, cells, results. Nobody then takes the
 * results of an earlier state for those of the one that run.json names.
 */
async function removeStale(
  folder: RunFolder,
  before: DedupDescription,
  description: DedupDescription,
): Promise<void> {
  if (JSON.stringify(before) === JSON.stringify(description)) return;
  const stale = new Set<number>();
  for (const [batch, { against }] of description.batches.entries())
    if (before.batches[batch]?.against !== against) stale.add(batch);
  // First of all: who is killed meanwhile and goes back to the earlier options makes their edges anew.
  const batches = before.batches.map((one, batch) =>
    stale.has(batch) ? { against: '', compared: false } : one,
  );
  await writeJsonAtomic(join(folder.path, 'run.json'), { ...before, batches });
  for (const batch of stale)
    for (const level of levels)
      await rm(join(folder.tables, batchTable(`edges-${level}`, batch)), { recursive: true, force: true });
  // Cells are kept for later batches, but not when others are asked for.
  const others = before.config['cells'] === description.config['cells'] ? [] : [partitionName];
  for (const name of [...results, ...others]) await rm(join(folder.path, name), { force: true });
}
