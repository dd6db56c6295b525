/**
 * Preload (`node --import`) that makes a Verbatim process write what its meters count, call by call, to the
 * file named by VERBATIM_COUNT_FILE, one number per line. A process that is killed leaves no line in its run's
 * log for the shard that it was in; what it spent there is in this file.
 *
 * Node loads this file a second time in the thread that resolves modules; there only `load` is used.
 */
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) register(import.meta.url);

const declaration = 'export function createMeter(';

/** Module hook: runtime/meter.js, with its createMeter wrapped. */
export async function load(url, context, next) {
  const loaded = await next(url, context);
  if (!url.endsWith('/dist/runtime/meter.js')) return loaded;
  const source = String(loaded.source);
  if (!source.includes(declaration)) throw new Error(`${url}: no '${declaration}' to count the calls of`);
  return {
    ...loaded,
    source: `${source.replace(declaration, 'function createPlainMeter(')}
      import { openSync, writeSync } from 'node:fs';
      export function createMeter() {
        const plain = createPlainMeter();
        const file = openSync(process.env.VERBATIM_COUNT_FILE, 'a');
        return {
          get evaluations() { return plain.evaluations; },
          add(count) {
            plain.add(count);
            writeSync(file, count + '\\n');
          },
        };
      }`,
  };
}
