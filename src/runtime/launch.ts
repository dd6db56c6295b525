import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { ACTIVITY, BUSY, CONTROL_BYTES, STARTING, STOP } from './protocol.ts';

/** True where we run from the TypeScript sources (tests, tsx), false in the compiled package. */
const fromSources = import.meta.url.endsWith('.ts');

/** The URL of a script beside this file, by its name without extension. */
export function scriptUrl(name: string): URL {
  return new URL(`./${name}.${fromSources ? 'ts' : 'js'}`, import.meta.url);
}

/** A file of tsx's package, which is there only in development. */
export function tsxFile(path: string): string {
  const root = createRequire(import.meta.url).resolve('tsx/package.json');
  return new URL(path, pathToFileURL(root)).href;
}

/** A worker thread and the memory that it shares with us. */
export interface Launched {
  readonly worker: Worker;
  readonly control: Int32Array;
}

/**
 * Starts the session worker. The compiled package needs no loader. From sources, Node 20 does not apply
 * `--import tsx` inside workers, so a one-line module registers tsx and then imports the worker.
 */
export function startWorker(): Launched {
  const control = new Int32Array(new SharedArrayBuffer(CONTROL_BYTES));
  control[ACTIVITY] = STARTING;
  const worker = new Worker(bootUrl(), { execArgv: [], workerData: control.buffer });
  watch({ worker, control });
  return { worker, control };
}

function bootUrl(): URL {
  const script = scriptUrl('worker');
  if (!fromSources) return script;
  const boot =
    `import { register } from ${JSON.stringify(tsxFile('./dist/esm/api/index.mjs'))};` +
    `register(); await import(${JSON.stringify(script.href)});`;
  return new URL(`data:text/javascript,${encodeURIComponent(boot)}`);
}

const running = new Set<Int32Array>();
/** A thread that has not come up after so long is not waited for when the process exits. */
const STARTING_LIMIT_MS = 10_000;
/** The same for a run of onnxruntime's, which nothing can interrupt. */
const RUN_LIMIT_MS = 600_000;

/** Makes the process's exit wait until the worker is out of native code. */
function watch({ worker, control }: Launched): void {
  if (running.size === 0) process.on('exit', settleAll);
  running.add(control);
  worker.once('exit', () => {
    running.delete(control);
    if (running.size === 0) process.off('exit', settleAll);
  });
}

function settleAll(): void {
  for (const control of running) Atomics.store(control, STOP, 1);
  for (const control of running) {
    Atomics.wait(control, ACTIVITY, STARTING, STARTING_LIMIT_MS);
    Atomics.wait(control, ACTIVITY, BUSY, RUN_LIMIT_MS);
  }
}
