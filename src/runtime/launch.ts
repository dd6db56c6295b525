import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

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

/**
 * Starts the session worker. The compiled package needs no loader. From sources, Node 20 does not apply
 * `--import tsx` inside workers, so a one-line module registers tsx and then imports the worker.
 */
export function startWorker(): Worker {
  const script = scriptUrl('worker');
  if (!fromSources) return new Worker(script, { execArgv: [] });
  const boot =
    `import { register } from ${JSON.stringify(tsxFile('./dist/esm/api/index.mjs'))};` +
    `register(); await import(${JSON.stringify(script.href)});`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(boot)}`), { execArgv: [] });
}
