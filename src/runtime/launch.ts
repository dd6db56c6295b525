import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { ACTIVITY, BUSY, CONTROL_BYTES, STARTING, STOP } from './protocol.ts';

/** True where we run from the TypeScript sources (tests, tsx), false in the compiled package. */
const fromSources = import.meta.url.endsWith('.ts');

/** The URL of a script by its name without extension; it stands beside the file whose URL is `beside`. */
export function scriptUrl(name: string, beside = import.meta.url): URL {
  return new URL(`./${name}.${fromSources ? 'ts' : 'js'}`, beside);
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

/** Starts a worker from a script that speaks our protocol, by its `scriptUrl`. */
export function startWorker(script: URL): Launched {
  const control = new Int32Array(new SharedArrayBuffer(CONTROL_BYTES));
  control[ACTIVITY] = STARTING;
  const options = { execArgv: [], workerData: control.buffer };
  const worker = fromSources
    ? new Worker(bundled(script), { ...options, eval: true })
    : new Worker(script, options);
  watch({ worker, control });
  return { worker, control };
}

/** What we use of esbuild, which comes with tsx. */
interface Esbuild {
  buildSync(options: Record<string, unknown>): { outputFiles: { text: string }[] };
}
const bundles = new Map<string, string>();

/**
 * The worker as one JavaScript text, for development. Node 20 does not apply `--import tsx` inside
 * workers, and registering tsx in each of them takes .2 s; bundling takes a tenth of that, once.
 */
function bundled(script: URL): string {
  const known = bundles.get(script.href);
  if (known !== undefined) return known;
  const esbuild = createRequire(tsxFile('./package.json'))('esbuild') as Esbuild;
  const built = esbuild.buildSync({
    entryPoints: [fileURLToPath(script)],
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'cjs',
    define: { 'import.meta.url': JSON.stringify(script.href) },
    write: false,
  });
  // Evaluated code resolves packages from the current folder; ours resolves them from here.
  const here = JSON.stringify(import.meta.url);
  const bundle = `require = require('node:module').createRequire(${here});${built.outputFiles[0]?.text}`;
  bundles.set(script.href, bundle);
  return bundle;
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
