import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** The folder that holds package.json, models/ and schema/: two above this file, in src/ and in dist/ alike. */
export const packageRoot = fileURLToPath(new URL('../../', import.meta.url));

let version: string | undefined;

/** The version of this package. */
export function packageVersion(): string {
  version ??= readVersion(new URL('../../package.json', import.meta.url));
  return version;
}

/** The libraries that decide bytes and figures. */
export const decidingLibraries = ['onnxruntime-node', '@duckdb/node-api', 'sharp'] as const;

/** The installed version of a library that this package depends on; undefined when it is not installed. */
export function libraryVersion(name: string): string | undefined {
  // `exports` often hides package.json, so it is looked for in the folders where Node would look.
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    try {
      return readVersion(`${folder}/${name}/package.json`);
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** What run.json keeps: an update of a library that decides bytes begins a new run. */
export function decidingVersions(): Record<string, string> {
  return Object.fromEntries(decidingLibraries.map((name) => [name, libraryVersion(name) ?? 'none']));
}

function readVersion(file: string | URL): string {
  const { version: found } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  return found;
}
