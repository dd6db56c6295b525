import { resolve } from 'node:path';
import type { Override } from './parse.ts';

/**
 * Paths in a config are taken from the config's own folder, those on the command line from the working folder:
 * makes the paths among overrides absolute, also inside of values that are maps, as in
 * `--set "dataset={format: image-folder, path: pictures}"`.
 *
 * @param keys the keys whose text is a path, with dots: 'dataset.path'.
 */
export function fromWorkingFolder(overrides: readonly Override[], keys: readonly string[]): Override[] {
  return overrides.map((override) => ({
    ...override,
    value: resolved(override.value, override.path.join('.'), keys),
  }));
}

function resolved(value: unknown, key: string, keys: readonly string[]): unknown {
  if (typeof value === 'string') return value !== '' && keys.includes(key) ? resolve(value) : value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([inner, part]) => [inner, resolved(part, `${key}.${inner}`, keys)]),
  );
}
