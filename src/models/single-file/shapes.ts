import { VerbatimError } from '../../errors.ts';
import type { TensorEntry } from '../safetensors.ts';

/** The shapes of a checkpoint, by name, with errors that name the file. */
export interface Shapes {
  readonly path: string;
  has(name: string): boolean;
  /** Whether any name begins so. */
  hasPrefix(prefix: string): boolean;
  /** The size of one axis. Throws a VerbatimError when there is no such tensor or axis. */
  size(name: string, axis: number): number;
  rank(name: string): number;
  /** How many of `prefix0`, `prefix1`, … there are, from 0 without a gap. */
  count(prefix: string): number;
}

export function shapesOf(path: string, entries: ReadonlyMap<string, Pick<TensorEntry, 'shape'>>): Shapes {
  const modules = new Set<string>();
  for (const name of entries.keys())
    for (let end = name.indexOf('.'); end >= 0; end = name.indexOf('.', end + 1))
      modules.add(name.slice(0, end + 1));
  const shape = (name: string): readonly number[] => {
    const found = entries.get(name);
    if (!found)
      throw new VerbatimError(`${path}: tensor "${name}" is missing; is the checkpoint a whole one?`);
    return found.shape;
  };
  return {
    path,
    has: (name) => entries.has(name),
    hasPrefix: (prefix) => modules.has(prefix),
    rank: (name) => shape(name).length,
    size(name, axis) {
      const size = shape(name)[axis];
      if (size === undefined)
        throw new VerbatimError(`${path}: tensor "${name}" [${shape(name).join(', ')}] has no axis ${axis}.`);
      return size;
    },
    count(prefix) {
      let count = 0;
      while (modules.has(`${prefix}${count}.`)) count++;
      return count;
    },
  };
}

/** The first parts of all names with how often each occurs: what a user sees of a file that is not understood. */
export function describeKeys(names: Iterable<string>): string {
  const counts = new Map<string, number>();
  for (const name of names) {
    const start = name.split('.').slice(0, 2).join('.');
    counts.set(start, (counts.get(start) ?? 0) + 1);
  }
  const most = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const shown = most
    .slice(0, 4)
    .map(([start, count]) => `${start}.… (${count})`)
    .join(', ');
  return most.length > 4 ? `${shown} and ${most.length - 4} more` : shown;
}
