import type { ChildProcess } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';

/** The exit code of a process, or the name of the signal that ended it. */
export function ended(child: ChildProcess): Promise<number | string | null> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
}

/** How many files and folders there are below a folder; 0 where there is none. */
async function countEntries(folder: string): Promise<number> {
  return (await readdir(folder, { recursive: true }).catch(() => [])).length;
}

/**
 * Starts a program again and again until it ends by itself with exit code 0, and kills it each time (kill -9) when
 * so many more files have appeared in its folder: every attempt gets further, however slow the machine, and ends
 * inside a shard, between two, or while a temporary file is open.
 *
 * @param more how many more files the attempt with this number, from 0, is to make.
 * @returns how often it was killed.
 */
export async function killAsItGrows(
  start: () => ChildProcess,
  folder: string,
  more: (kills: number) => number,
): Promise<number> {
  for (let kills = 0; ; kills += 1) {
    const goal = (await countEntries(folder)) + more(kills);
    const child = start();
    const end = ended(child);
    while (child.exitCode === null && (await countEntries(folder)) < goal) await sleep(5);
    child.kill('SIGKILL');
    const code = await end;
    if (code === 0) return kills;
    expect(code).toBe('SIGKILL');
    expect(kills).toBeLessThan(20);
  }
}
