import { dot } from '../../math/index.ts';
import { distinctBits, leastSimilarity, mostBitsApart } from '../../search/index.ts';
import type { EdgesInput } from './edges.ts';
import { itemsWhere, rowsOf } from './loaded.ts';

/** What is known of a group beside its items. */
export interface GroupPairs {
  /** Over all pairs of its items that have both: differing bits of the hashes, cosine of the vectors. */
  readonly mostBits: number | null;
  readonly leastCosine: number | null;
}

/** Vectors of a group's items; those without one are left out. */
export interface ItemVectors {
  readonly dimension: number;
  readonly data: Float32Array;
  readonly place: ReadonlyMap<number, number>;
}

type PairInput = Pick<EdgesInput, 'items' | 'threads' | 'signal'>;

/** So many vectors are multiplied by the engine: opening it takes longer than some ten thousand products. */
const manyVectors = 256;

/**
 * Compares all pairs of a group's items, but of equal hashes and of equal files one each. Of n different ones that is n²/2
 * comparisons: for 100,000 hashes, or some 20,000 vectors, half a minute; it can be stopped.
 */
export async function worstPairs(
  input: PairInput,
  members: Uint32Array,
  vectors: ItemVectors | undefined,
): Promise<GroupPairs> {
  return {
    mostBits: await mostBits(input, members),
    leastCosine: vectors === undefined ? null : await leastCosine(input, members, vectors),
  };
}

async function mostBits({ items, signal }: PairInput, members: Uint32Array): Promise<number | null> {
  const hashed = members.filter((item) => items.hashed[item] === 1);
  if (hashed.length < 2) return null;
  const { distinct } = distinctBits(rowsOf(hashed, items.phash, 8), 8);
  return mostBitsApart(distinct, 8, signal);
}

async function leastCosine(
  { items, threads, signal }: PairInput,
  members: Uint32Array,
  { dimension, data, place }: ItemVectors,
): Promise<number | null> {
  const having = members.filter((item) => place.has(item));
  if (having.length < 2) return null;
  const { first } = distinctBits(rowsOf(having, items.content, 16), 16);
  // Items without a picture have no content.
  const those = itemsWhere(having.length, (at) => items.pixels[having[at]!] === 0);
  const rows = [...new Set([...first, ...those])].map((at) => {
    const row = place.get(having[at]!)!;
    return data.subarray(row * dimension, (row + 1) * dimension);
  });
  if (rows.length >= manyVectors) {
    const together = new Float32Array(rows.length * dimension);
    rows.forEach((row, i) => {
      together.set(row, i * dimension);
    });
    return Math.min(1, await leastSimilarity(together, dimension, { threads, signal }));
  }
  let least = 1;
  for (const [i, row] of rows.entries())
    for (const other of rows.slice(0, i)) least = Math.min(least, dot(row, other));
  return least;
}
