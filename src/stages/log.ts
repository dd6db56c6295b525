import { appendFile } from 'node:fs/promises';
import { explainWriteError, readTextIfThere } from '../tables/index.ts';

/**
 * One line per finished shard, in log.jsonl: what it took this time. Times belong here and not in the
 * tables, which must be equal for equal runs. A killed process may leave its last line cut short.
 */
export interface LogEntry {
  readonly stage: string;
  readonly shard: number;
  readonly rows: number;
  readonly failed: number;
  /** Evaluations really spent by this process for the shard. */
  readonly evaluations: number;
  readonly seconds: number;
}

/** Adds a line to the log. */
export async function appendLog(path: string, entry: LogEntry): Promise<void> {
  try {
    await appendFile(path, `${JSON.stringify(entry)}\n`);
  } catch (error) {
    throw explainWriteError(error, path);
  }
}

/** All lines of the log that are whole; none when there is no log. */
export async function readLog(path: string): Promise<LogEntry[]> {
  const text = await readTextIfThere(path);
  return (text ?? '').split('\n').flatMap((line) => {
    try {
      const entry = JSON.parse(line) as LogEntry;
      return typeof entry.stage === 'string' && typeof entry.seconds === 'number' ? [entry] : [];
    } catch {
      return [];
    }
  });
}

/** What a stage took in all, over every process that worked on it. */
export interface StageCost {
  readonly evaluations: number;
  readonly seconds: number;
}

/** Sums the log by stage. */
export function stageCosts(entries: readonly LogEntry[]): Map<string, StageCost> {
  const costs = new Map<string, StageCost>();
  for (const { stage, evaluations, seconds } of entries) {
    const sum = costs.get(stage) ?? { evaluations: 0, seconds: 0 };
    costs.set(stage, { evaluations: sum.evaluations + evaluations, seconds: sum.seconds + seconds });
  }
  return costs;
}
