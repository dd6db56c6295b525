import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../errors.ts';
import { freeGeneratorKeys } from '../generators/index.ts';
import { removeTemporaries, tableFiles, writeJsonAtomic } from '../tables/index.ts';
import { lockFolder, lockName } from './lock.ts';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * What a run is: the content of run.json. Two runs with equal descriptions have equal tables, so it
 * holds neither clock nor host.
 */
export interface RunDescription {
  /** 'audit', … */
  readonly command: string;
  /** Version of this program. */
  readonly verbatim: string;
  /** Libraries that decide bytes: onnxruntime-node, @duckdb/node-api. */
  readonly versions: Readonly<Record<string, string>>;
  readonly model: {
    readonly name: string;
    readonly digest: string;
    /** False where nobody can make the same pictures again; else absent. */
    readonly reproducible?: boolean;
  };
  readonly dataset: { readonly name: string; readonly digest: string; readonly size: number };
  /** What the thresholds of all rules but 'reference' come from; null where no such pictures were given. */
  readonly heldOut: { readonly digest: string; readonly size: number } | null;
  /** The captions never trained on that scores are held against; absent where none were asked for. */
  readonly neverTrained?: { readonly digest: string; readonly size: number };
  /** Where `candidates` names a folder: the keys that were listed from it. */
  readonly candidates?: { readonly digest: string; readonly size: number };
  readonly config: { readonly [key: string]: Json };
}

/** Where things lie in a run folder. */
export interface RunFolder {
  readonly path: string;
  readonly tables: string;
  readonly images: string;
  readonly report: string;
  /** What services answered, and the journal of what they were asked. */
  readonly answers: string;
  readonly log: string;
}

/** The paths of a run folder; touches nothing. */
export function runFolder(path: string): RunFolder {
  return {
    path,
    tables: join(path, 'tables'),
    images: join(path, 'images'),
    report: join(path, 'report'),
    answers: join(path, 'answers'),
    log: join(path, 'log.jsonl'),
  };
}

/** The shards of a table of this run, all stages below it, in order. */
export function runTable(folder: RunFolder, name: string): Promise<string[]> {
  return tableFiles(join(folder.tables, name));
}

/** The steps of the cascade that left a table in tables/`name`, such as 'scores', ascending. */
export async function tableSteps(folder: RunFolder, name: string): Promise<number[]> {
  const entries = await readdir(join(folder.tables, name)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return entries
    .filter((entry) => /^[1-9]\d*$/.test(entry))
    .map(Number)
    .sort((a, b) => a - b);
}

/** Keys whose values do not reach the tables: a run may go on with others. */
const freeKeys: ReadonlySet<string> = new Set([
  'config.output',
  'config.threads',
  'config.maxEvaluations',
  // Named by digest; the folder may have moved.
  'config.model',
  'config.alsoModels',
  'config.tokenizer',
  'config.dataset.path',
  'config.labels.heldOut.path',
  'config.significance.neverTrained.path',
  'config.labels.descriptor.index',
  'config.labels.descriptor.network',
  ...freeGeneratorKeys.map((key) => `config.generator.${key}`),
]);

/** What only labels depend on: with `relabel` a run goes on with other values of these. */
const labelKeys: ReadonlySet<string> = new Set(['config.labels', 'heldOut']);
/** What is made of them. Reviews by hand are not. */
const labelTables = ['labels', 'families', 'copies'];

/**
 * Opens a run folder for writing: creates it or goes on with it, locked against other processes, with
 * the temporary files of killed processes removed.
 *
 * @param options.relabel removes the labels that are there, and lets what only they depend on differ
 * @param options.judging keys that only the last tables depend on: where they differ, these tables are removed
 * @throws VerbatimError when the folder belongs to another run (naming the first key that differs), holds
 *   files that are no run's, or is in use.
 */
export async function openRun(
  path: string,
  description: RunDescription,
  {
    relabel = false,
    judging,
  }: {
    readonly relabel?: boolean;
    readonly judging?: { readonly keys: readonly string[]; readonly tables: readonly string[] };
  } = {},
): Promise<{ folder: RunFolder; resumed: boolean; release: () => Promise<void> }> {
  const folder = runFolder(path);
  const release = await lockFolder(path);
  try {
    const existing = await readRun(path).catch((error: unknown) => {
      if (error instanceof VerbatimError && error.cause === 'no run') return undefined;
      throw error;
    });
    if (existing === undefined) {
      await refuseForeignFolder(path);
      await writeJsonAtomic(join(path, 'run.json'), description);
    } else {
      // With a budget labels decide who gets further samples: they are no longer what only labels depend on.
      const free = relabel && existing.config['budget'] === undefined;
      const ignored = new Set([...(free ? labelKeys : []), ...(judging?.keys ?? [])]);
      const difference = firstDifference(existing, description, ignored);
      if (difference !== undefined)
        throw new VerbatimError(
          `${path} holds another run: ${difference}; choose another output folder or delete this one`,
          { exitCode: 2 },
        );
      if (relabel) {
        // Before the description: a run that is killed between is the old one, without labels.
        for (const table of labelTables)
          await rm(join(folder.tables, table), { recursive: true, force: true });
        await rm(join(path, 'calibration.json'), { force: true });
        await writeJsonAtomic(join(path, 'run.json'), description);
      } else if (judging && firstDifference(existing, description, new Set()) !== undefined) {
        for (const table of judging.tables)
          await rm(join(folder.tables, table), { recursive: true, force: true });
        await writeJsonAtomic(join(path, 'run.json'), description);
      }
    }
    await removeTemporaries(path);
    return { folder, resumed: existing !== undefined, release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Reads run.json. @throws VerbatimError when there is none or it is not one of ours. */
export async function readRun(path: string): Promise<RunDescription> {
  const file = join(path, 'run.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR')
      throw new VerbatimError(`${file} cannot be read (${code})`, { cause: error });
    throw new VerbatimError(`${path} is not a run folder: it has no run.json`, {
      cause: 'no run',
      exitCode: 2,
    });
  }
  try {
    const value = JSON.parse(text) as RunDescription;
    const named = [value.model?.name, value.model?.digest, value.dataset?.name, value.dataset?.digest];
    if (typeof value.config === 'object' && named.every((text) => typeof text === 'string')) return value;
  } catch {
    // Not JSON: the same line as for JSON of another kind.
  }
  throw new VerbatimError(`${file} is not a description of a run; delete the folder or choose another`, {
    exitCode: 2,
  });
}

/** @throws VerbatimError (exit code 2) when a folder holds files that are no run's */
export async function refuseForeignFolder(path: string): Promise<void> {
  const foreign = (await readdir(path)).filter((name) => !name.startsWith('.') && !name.startsWith(lockName));
  if (foreign.length > 0)
    throw new VerbatimError(
      `${path} is not empty and no run folder (it holds ${foreign[0]}); choose a new output folder`,
      { exitCode: 2 },
    );
}

/** 'config.seed is 1 there and 2 here' for the first key, in the order of `there`, that differs; else undefined. */
function firstDifference(
  there: unknown,
  here: unknown,
  ignored: ReadonlySet<string>,
  path = '',
): string | undefined {
  if (freeKeys.has(path) || ignored.has(path)) return undefined;
  const lists = Array.isArray(there) && Array.isArray(here) && there.length === here.length;
  if (lists || (isRecord(there) && isRecord(here))) {
    const [before, now] = [Object.entries(there as object), Object.entries(here as object)].map(
      (entries) => new Map<string, unknown>(entries),
    ) as [Map<string, unknown>, Map<string, unknown>];
    for (const key of new Set([...before.keys(), ...now.keys()])) {
      const difference = firstDifference(
        before.get(key),
        now.get(key),
        ignored,
        path === '' ? key : `${path}.${key}`,
      );
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  if (JSON.stringify(there) === JSON.stringify(here)) return undefined;
  return `${path} is ${shown(there)} there and ${shown(here)} here`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (value === undefined) return 'not set';
  const text = JSON.stringify(value);
  return text.length > 70 ? `${text.slice(0, 67)}...` : text;
}
