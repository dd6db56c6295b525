import { join } from 'node:path';
import { VerbatimError } from '../errors.ts';
import type { Generator } from '../generators/index.ts';
import { type Columns, isFile, type Row, writeTable } from '../tables/index.ts';
import { appendLog } from './log.ts';
import type { RunFolder } from './run-folder.ts';

export { errorText, rethrowFatal } from './failures.ts';

/** How far a stage is. */
export interface StageProgress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  /** How many of `done` were there already when this process began. */
  readonly resumed: number;
  /** Failed items among those done by this process. */
  readonly failed: number;
  /** Evaluations spent by this process in this stage. */
  readonly evaluations: number;
}

export interface ShardContext {
  /** 0-based number of the shard, as in its file name. */
  readonly index: number;
  /** Throw its reason (`signal.throwIfAborted()`) between batches. */
  readonly signal: AbortSignal | undefined;
  /** Says that so many items of this shard are done, for the progress line. */
  readonly advance: (items: number) => void;
}

export interface StageOptions<C extends Columns, S> {
  readonly folder: RunFolder;
  /** Names the folder below tables/; may have two parts: 'scores/1'. */
  readonly name: string;
  readonly columns: C;
  /** One input per shard. The same run always gives the same list. */
  readonly shards: readonly S[];
  /** The number of the first of them, where a stage goes on after others of its shards. Default 0. */
  readonly firstShard?: number;
  /** Number of items in a shard: what progress counts. */
  readonly items: (shard: S) => number;
  /**
   * Input → rows of one shard. It must depend on its input alone. What goes wrong with one item becomes a
   * row with `error`; what it throws ends the run and leaves this shard missing.
   */
  readonly process: (shard: S, context: ShardContext) => Promise<readonly Row<C>[]>;
  /** Counts evaluations as they are spent: a pipeline's meter. */
  readonly meter?: { readonly evaluations: number };
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: StageProgress) => void) | undefined;
}

export interface StageResult {
  readonly shards: number;
  /** Shards that this process made; the others were there. */
  readonly computed: number;
}

/** The file name of a shard: '00007.parquet', or of what stands beside it. */
export function shardName(index: number, extension = 'parquet'): string {
  return `${String(index).padStart(5, '0')}.${extension}`;
}

/** Cuts rows into shards of at most `size`; no rows give one empty shard, so that the table exists. */
export function cutShards<T>(rows: readonly T[], size: number): T[][] {
  const shards: T[][] = [];
  for (let start = 0; start < rows.length; start += size) shards.push(rows.slice(start, start + size));
  return shards.length > 0 ? shards : [[]];
}

/**
 * Runs a stage: every shard whose file is missing is computed and renamed into place, in order. A shard
 * that exists is whole and is skipped, so a killed run goes on where it was and ends with the same bytes.
 *
 * @throws the signal's reason between shards (or inside one, when `process` looks at the signal).
 */
export async function runStage<C extends Columns, S>(options: StageOptions<C, S>): Promise<StageResult> {
  const { folder, name, columns, shards, firstShard = 0, meter, signal } = options;
  if (!/^[a-z0-9-]+(\/[a-z0-9-]+)?$/.test(name)) throw new VerbatimError(`'${name}' is no name for a stage`);
  const total = shards.reduce((sum, shard) => sum + options.items(shard), 0);
  const startEvaluations = meter?.evaluations ?? 0;
  const paths = shards.map((_, index) => join(folder.tables, name, shardName(firstShard + index)));
  const present = await Promise.all(paths.map(isFile));
  const resumed = shards.reduce((sum, shard, i) => sum + (present[i] ? options.items(shard) : 0), 0);

  let done = resumed;
  let failed = 0;
  const report = (extra: number) =>
    options.onProgress?.({
      stage: name,
      done: done + extra,
      total,
      resumed,
      failed,
      evaluations: (meter?.evaluations ?? 0) - startEvaluations,
    });

  report(0);
  for (const [index, shard] of shards.entries()) {
    if (present[index]) continue;
    signal?.throwIfAborted();
    const started = performance.now();
    const before = meter?.evaluations ?? 0;
    let advanced = 0;
    const advance = (items: number) => {
      advanced += items;
      // A shard's last item is done when the shard is in place: that report follows.
      if (advanced < options.items(shard)) report(advanced);
    };
    const rows = await options.process(shard, { index: firstShard + index, signal, advance });
    await writeTable(paths[index]!, columns, rows);
    const shardFailed = rows.filter((row) => typeof row['error'] === 'string').length;
    await appendLog(folder.log, {
      stage: name,
      shard: firstShard + index,
      rows: rows.length,
      failed: shardFailed,
      evaluations: (meter?.evaluations ?? 0) - before,
      seconds: (performance.now() - started) / 1000,
    });
    done += options.items(shard);
    failed += shardFailed;
    report(0);
  }
  return { shards: shards.length, computed: present.filter((there) => !there).length };
}

/**
 * Whether a shard in which everything failed ends the run. A model would fail on the rest too; a service that has brought
 * something in its first shard may refuse the few captions of a later one.
 */
export function mayEndRun({ pipeline }: Pick<Generator, 'pipeline'>, { index }: ShardContext): boolean {
  return pipeline !== undefined || index === 0;
}
