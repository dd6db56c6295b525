import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** Root of the checkout: benchmarks name their default paths from here. */
export const root = fileURLToPath(new URL('../', import.meta.url));
const mainScript = `${root}dist/cli/main.js`;

/** The compiled program as a process of its own, started as a user starts it. */
export interface Program {
  readonly pid: number;
  /** When it was started, milliseconds since 1970, as files' modification times count. */
  readonly startedMs: number;
  /** Resolves when the process is gone; never rejects because of what the program did. */
  readonly ended: Promise<ProgramEnd>;
  kill(signal: NodeJS.Signals): void;
}

export interface ProgramEnd {
  /** The exit code, or the signal that ended it. */
  readonly status: number | string;
  /** Wall time from start to end. */
  readonly seconds: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `verbatim ARGS` from dist/ (npm run bench builds it first). */
export function startProgram(
  args: readonly string[],
  options: { readonly execArgv?: readonly string[]; readonly env?: NodeJS.ProcessEnv } = {},
): Program {
  const startedMs = Date.now();
  const began = performance.now();
  const child = spawn(process.execPath, [...(options.execArgv ?? []), mainScript, ...args], {
    cwd: root,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
  const ended = new Promise<ProgramEnd>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({ status: code ?? signal ?? 'unknown', seconds: (performance.now() - began) / 1000, ...said }),
    );
  });
  return { pid: child.pid ?? 0, startedMs, ended, kill: (signal) => child.kill(signal) };
}

/**
 * Watches the resident memory of a process and of all that it starts, until `stop` is called. The kernel
 * keeps each process's own peak (VmHWM), so nothing is missed between two looks except the last moments of a
 * process; peaks of several processes are added, which can only overstate.
 *
 * @returns `stop`, which gives the peak in bytes, or undefined where there is no /proc.
 */
export function watchMemory(pid: number, intervalMs = 100): () => number | undefined {
  const peaks = new Map<number, number>();
  const timer = setInterval(async () => {
    for (const id of [pid, ...(await descendants(pid))]) {
      const peak = await peakResident(id);
      if (peak !== undefined) peaks.set(id, Math.max(peak, peaks.get(id) ?? 0));
    }
  }, intervalMs);
  return () => {
    clearInterval(timer);
    return peaks.size === 0 ? undefined : [...peaks.values()].reduce((sum, peak) => sum + peak, 0);
  };
}

/** The most memory that a process has had resident so far, bytes; undefined where there is no /proc. */
export async function peakResident(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kibibytes = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** Processes below `pid`: every thread of a process lists the children that it started. */
async function descendants(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  const children = lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
  return [...children, ...(await Promise.all(children.map(descendants))).flat()];
}

/** 12345.6 → '12,346'. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
