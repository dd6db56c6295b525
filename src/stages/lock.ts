import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { VerbatimError } from '../errors.ts';
import { explainWriteError } from '../tables/index.ts';

/** Who holds a run folder. The file is not part of the run's results and is gone when the run ends. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** The process's start time in clock ticks after boot (Linux), because process ids are used again. */
  readonly started: string;
}

/** Where the lock lies inside a run folder. */
export const lockName = 'lock.json';

/**
 * Takes a run folder for this process alone; creates the folder. A lock whose process was killed is stale
 * and is taken over. Returns the function that releases it.
 *
 * @throws VerbatimError when a living process holds it, or one on another host (which cannot be asked).
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, lockName);
  const own = `${path}.${process.pid}.tmp`;
  const holder: Holder = { pid: process.pid, host: hostname(), started: await startTime(process.pid) };
  const content = JSON.stringify(holder);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(own, content);
  } catch (error) {
    await rm(own, { force: true }).catch(() => {});
    throw explainWriteError(error, path);
  }
  try {
    // A hard link appears with its whole content or not at all, and never replaces another's.
    while (!(await tryLink(own, path))) await removeIfStale(folder, path);
  } finally {
    await rm(own, { force: true });
  }
  return async () => {
    const current = await readFile(path, 'utf8').catch(() => undefined);
    if (current === content) await rm(path, { force: true });
  };
}

/** As `lockFolder`, but waits for a living holder, for `seconds` at most. */
export async function waitForFolder(folder: string, seconds = 120): Promise<() => Promise<void>> {
  const pauseMs = 50;
  for (let left = (seconds * 1000) / pauseMs; ; left--)
    try {
      return await lockFolder(folder);
    } catch (error) {
      if (!(error instanceof VerbatimError && error.cause === 'in use') || left <= 0) throw error;
      await sleep(pauseMs);
    }
}

async function tryLink(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw explainWriteError(error, path);
  }
}

async function removeIfStale(folder: string, path: string): Promise<void> {
  const content = await readFile(path, 'utf8').catch(() => undefined);
  if (content === undefined) return;
  const holder = parseHolder(content);
  if (holder !== undefined && (await isAlive(holder))) {
    const where = holder.host === hostname() ? `process ${holder.pid}` : `${holder.host}`;
    throw new VerbatimError(
      `${folder} is in use by ${where}; wait until it ends, or delete ${path} when you know that it has ended`,
      { cause: 'in use' },
    );
  }
  // Two processes may find the same stale lock: only what was read may be removed.
  const aside = `${path}.${process.pid}.stale`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw explainWriteError(error, path);
  }
  if ((await readFile(aside, 'utf8')) !== content) await tryLink(aside, path);
  await rm(aside, { force: true });
}

function parseHolder(content: string): Holder | undefined {
  try {
    const value = JSON.parse(content) as Partial<Holder>;
    if (typeof value.pid !== 'number' || typeof value.host !== 'string') return undefined;
    return { pid: value.pid, host: value.host, started: String(value.started ?? '') };
  } catch {
    return undefined;
  }
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) return true;
  if (holder.pid === process.pid) return holder.started === (await startTime(process.pid));
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const started = await startTime(holder.pid);
  return started === '' || holder.started === '' || started === holder.started;
}

/** Field 22 of /proc/PID/stat; '' where there is no such file. The command's name may hold spaces and brackets. */
async function startTime(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  // A killed child that its parent has not waited for still has an entry; it holds nothing.
  if (state === 'Z') return 'ended';
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
