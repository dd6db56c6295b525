import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { run as runInProcess } from '../src/cli/testing/in-process.ts';
import { compiled } from '../src/testing/compiled.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** A real Stable Diffusion in miniature with random weights: 1.5 MB, opens in a moment. */
export const fixtureModel = join(root, 'src', 'models', 'fixtures', 'sd1');

export interface Outcome {
  readonly code: number | null;
  /** 'SIGKILL', … when it did not end by itself. */
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /**
   * A shell line in which "$@" stands for the program and its arguments, to run it under a limit:
   * 'ulimit -f 1; exec "$@"'.
   */
  readonly shell?: string;
  /** Run as another user: only for root. */
  readonly uid?: number;
}

/** The compiled program and a working folder for it. */
export interface Program {
  /** The working folder. */
  readonly folder: string;
  run(args: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** The same in this process, which takes a tenth of the time: what native code prints is not seen. */
  here(args: readonly string[]): Promise<Outcome>;
  /** A process that the test is to end. */
  start(args: readonly string[]): ChildProcess;
  remove(): Promise<void>;
}

/** The compiled program, as users start it, and a working folder for it. */
export async function buildProgram(): Promise<Program> {
  const main = await compiled('cli/main.ts');
  const home = await realpath(await mkdtemp(join(tmpdir(), 'verbatim-test-')));
  // Another user may have to work here too.
  await chmod(home, 0o755);
  const folder = join(home, 'work');
  await mkdir(folder);
  return {
    folder,
    here: (args) => runHere(args, folder),
    start: (args) => spawn(process.execPath, [main, ...args], { cwd: folder, stdio: 'ignore' }),
    run: (args, options = {}) => run([process.execPath, main, ...args], folder, options),
    remove: () => rm(home, { recursive: true, force: true }),
  };
}

async function runHere(args: readonly string[], folder: string): Promise<Outcome> {
  const before = process.cwd();
  process.chdir(folder);
  try {
    const { code, stdout, stderr } = await runInProcess(...args);
    return { code: Number(code), signal: null, stdout, stderr };
  } finally {
    process.chdir(before);
  }
}

function run(command: readonly string[], cwd: string, { shell, uid }: RunOptions): Promise<Outcome> {
  const [file, ...args] = shell === undefined ? command : ['sh', '-c', shell, 'sh', ...command];
  const child = spawn(file!, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid !== undefined && { uid, gid: uid }),
    // What hangs is ended for good; it shows as a signal instead of an exit code.
    timeout: 200_000,
    killSignal: 'SIGKILL',
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (said.stdout += data));
  child.stderr.on('data', (data) => (said.stderr += data));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, ...said }));
  });
}

/** The promise of every error: an exit code, nothing on stdout, one line on stderr that says all of this. */
export function expectOneLine(outcome: Outcome, code: number, ...says: readonly (string | RegExp)[]): void {
  expect(outcome.stderr).toMatch(/^verbatim: [^\n]+\n$/);
  for (const part of says) expect(outcome.stderr).toMatch(part);
  expect(outcome).toMatchObject({ code, signal: null, stdout: '' });
}

/** A copy of the fixture's model that may be damaged and that every user may read. */
export async function copyModel(to: string): Promise<string> {
  await cp(fixtureModel, to, { recursive: true });
  for (const entry of await readdir(to, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await chmod(join(entry.parentPath, entry.name), 0o644);
  return to;
}

/** Every file below a folder with its bytes (base64), by its relative path with forward slashes. */
export async function snapshot(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    files[relative(folder, path).split(sep).join('/')] = (await readFile(path)).toString('base64');
  }
  return files;
}
