import { dot } from '../math/index.ts';
import type { KeepRule } from './types.ts';

/** What a keep rule may look at, in the order of the group's items. */
export interface KeepInput {
  /** Pixels of each picture; 0 where not known. */
  readonly pixels: ArrayLike<number>;
  /** Bytes of each file; 0 where not known. */
  readonly bytes: ArrayLike<number>;
  /** [items, dimension], rows of length 1: what `centroid` and `semdedup` compare. */
  readonly vectors?: Float32Array | undefined;
  /** `semdedup`: similarity of each item to the centroid of the cell that it lies in. */
  readonly toCentroid?: ArrayLike<number> | undefined;
  /** `semdedup`: whether two items (positions in the group) are alike. */
  readonly alike?: ((a: number, b: number) => boolean) | undefined;
}

/**
 * Which items of a group are kept, by position in the group:
 *
 * - `first`: the first item.
 * - `largest`: the picture with most pixels, of those the largest file, of those the first.
 * - `centroid`: the item most similar to the mean of the group's vectors.
 * - `semdedup`: Abbas et al. 2023 (SemDeDup, §3): items are taken in the order of their similarity to the centroid of
 *   their k-means cell, the least similar first; one that is like an earlier one goes. So a chain may keep several, and an item may go
 *   for the sake of one that goes itself.
 */
export function keptOf(rule: KeepRule, size: number, input: KeepInput): number[] {
  const items = Array.from({ length: size }, (_, i) => i);
  switch (rule) {
    case 'first':
      return [0];
    case 'largest': {
      const { pixels, bytes } = input;
      const better = (a: number, b: number) => pixels[b]! - pixels[a]! || bytes[b]! - bytes[a]! || a - b;
      return items.sort(better).slice(0, 1);
    }
    case 'centroid': {
      const likeness = similarityToMean(needed(input.vectors, 'vectors'), size);
      return items.sort((a, b) => likeness[b]! - likeness[a]! || a - b).slice(0, 1);
    }
    case 'semdedup': {
      const toCentroid = needed(input.toCentroid, 'toCentroid');
      const alike = needed(input.alike, 'alike');
      const ordered = items.sort((a, b) => toCentroid[a]! - toCentroid[b]! || a - b);
      const hasEarlier = (at: number) => {
        for (let earlier = 0; earlier < at; earlier++)
          if (alike(ordered[earlier]!, ordered[at]!)) return true;
        return false;
      };
      return ordered.filter((_, at) => !hasEarlier(at)).sort((a, b) => a - b);
    }
  }
}

function needed<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new RangeError(`this keep rule needs ${name}`);
  return value;
}

/** Dot products of rows with their mean: which row is most similar to it does not depend on its length. */
function similarityToMean(vectors: Float32Array, size: number): Float64Array {
  const dimension = vectors.length / size;
  const mean = new Float32Array(dimension);
  for (let i = 0; i < dimension; i++) {
    let sum = 0;
    for (let row = 0; row < size; row++) sum += vectors[row * dimension + i]!;
    mean[i] = sum / size;
  }
  return Float64Array.from({ length: size }, (_, row) =>
    dot(vectors.subarray(row * dimension, (row + 1) * dimension), mean),
  );
}
