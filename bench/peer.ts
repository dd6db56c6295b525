import { execFileSync, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Scripts and requirements of the peers. */
export const peerFolder = fileURLToPath(new URL('./peers/', import.meta.url));
/** The interpreter of the peers' virtual environment; there after `ensurePeers`. */
export const python = `${peerFolder}.venv/bin/python`;
const requirements = `${peerFolder}requirements.txt`;
const stamp = `${peerFolder}.venv/.installed`;

/** Installs the peers into a virtual environment beside their scripts, once per requirements file. */
export async function ensurePeers(): Promise<void> {
  const wanted = await readFile(requirements, 'utf8');
  if (existsSync(stamp) && (await readFile(stamp, 'utf8')) === wanted) return;
  process.stderr.write('installing the peers into bench/peers/.venv (once, a few minutes)\n');
  if (!existsSync(python))
    execFileSync('python3', ['-m', 'venv', `${peerFolder}.venv`], { stdio: 'inherit' });
  execFileSync(python, ['-m', 'pip', 'install', '-q', '-r', requirements], {
    stdio: 'inherit',
  });
  writeFileSync(stamp, wanted);
}

export interface Peer {
  /** Name and version, as the peer says them. */
  readonly name: string;
  readonly threads: number;
  readonly pid: number;
  /** Floating-point operations of one run, as the peer counts them (multiply and add are two). */
  readonly flops: number;
  /** What the task gave, where it is to be compared with ours. */
  readonly results: unknown;
  /** Seconds of each of `count` runs. */
  run(count: number): Promise<number[]>;
  close(): void;
}

/** Starts a task of a script in bench/peers and waits until it is ready. */
export async function startPeer(
  task: string,
  parameters: Record<string, unknown>,
  script = 'worker.py',
): Promise<Peer> {
  await ensurePeers();
  return ask(python, [`${peerFolder}${script}`], { task, ...parameters });
}

/** Starts a script of ours that is asked like a peer, as a process of its own. */
export function startOurs(script: string, parameters: Record<string, unknown>): Promise<Peer> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  return ask(process.execPath, ['--import', 'tsx', path], parameters);
}

async function ask(command: string, args: readonly string[], request: object): Promise<Peer> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const tell = async (message: object) => {
    child.stdin.write(`${JSON.stringify(message)}\n`);
    const { value, done } = await lines.next();
    if (done)
      throw new Error(`${[command, ...args].join(' ')} ended when it was told ${JSON.stringify(message)}`);
    return JSON.parse(value);
  };
  const hello = await tell(request);
  return {
    name: hello.peer,
    threads: hello.threads,
    flops: hello.flops,
    results: hello.results,
    pid: child.pid ?? 0,
    run: async (count) => (await tell({ run: count })).seconds,
    close: () => child.kill(),
  };
}
