import { bitWords, countBits, setBits, setBitsOfTwo } from './bits.ts';
import { type Chunk, chunkKey, chunkTable, planChunks } from './chunks.ts';

/** Largest radius: distances are given in bytes. */
const mostRadius = 255;
/** Pairs of a batch at most. */
const batchPairs = 2 ** 16;
/** Strings compared and keys looked up, roughly, until a batch ends whatever it holds: a few tenths of a second. */
const batchWork = 2 ** 26;

export interface HammingOptions {
  /** Only pairs with at least one string from this position on. Default 0: all. */
  readonly newFrom?: number;
  readonly signal?: AbortSignal;
}

/** Some pairs: strings a[i] < b[i] by position, and in how many bits they differ. */
export interface HammingPairs {
  readonly a: Uint32Array;
  readonly b: Uint32Array;
  readonly distance: Uint8Array;
  /** Share of the work that is done after this batch, 0 to 1. */
  readonly share: number;
}

/**
 * All pairs of bit strings that differ in at most `radius` bits, each pair once, in no particular order: exact, by
 * multi-index hashing (chunks.ts), so nearly all pairs are never looked at. Memory is bounded by the strings, about
 * three times what they take and 64 MB, not by the pairs: those come in batches. A batch may be empty, so that whoever
 * lets events in between batches can stop it in time.
 *
 * Strings should be distinct (`distinctBits`): n equal ones are n² / 2 pairs here. Strings that agree in all bits of
 * a chunk are compared one by one, so a collection where many agree there and yet differ elsewhere takes longer.
 *
 * @param rows [count, bytes] packed bits
 * @throws RangeError for another radius than 0 to 255, or rows that are no multiple of `bytes`
 */
export function* hammingPairs(
  rows: Uint8Array,
  bytes: number,
  radius: number,
  { newFrom = 0, signal }: HammingOptions = {},
): Generator<HammingPairs> {
  checkRadius(radius);
  const count = countBits(rows, bytes);
  const chunks = planChunks(8 * bytes, radius, count);
  const masks = chunkMasks(chunks, bytes);
  for (const [at, chunk] of chunks.entries()) {
    signal?.throwIfAborted();
    const scan = chunkScan(rows, bytes, chunk, radius, newFrom, seenBefore(masks, chunks, at));
    while (!scan.done) {
      const batch = scan.next();
      yield { ...batch, share: (at + scan.share) / chunks.length };
      signal?.throwIfAborted();
    }
  }
}

/** Where the bits of each chunk stand in a string's words: [chunks][words]. */
function chunkMasks(chunks: readonly Chunk[], bytes: number): Int32Array[] {
  return chunks.map(({ bits }) => {
    const row = new Uint8Array(bytes);
    for (const bit of bits) row[bit >> 3]! |= 0x80 >> (bit & 7);
    return bitWords(row, bytes).data;
  });
}

/** Whether a pair, by its words of two collections, is near in a chunk before this one, and so was found there. */
type SeenBefore = (a: Int32Array, aStart: number, b: Int32Array, bStart: number) => boolean;

function seenBefore(masks: readonly Int32Array[], chunks: readonly Chunk[], at: number): SeenBefore {
  return (a, aStart, b, bStart) => {
    for (let before = 0; before < at; before++) {
      const mask = masks[before]!;
      let differ = 0;
      for (let i = 0; i < mask.length; i++) differ += setBits((a[aStart + i]! ^ b[bStart + i]!) & mask[i]!);
      if (differ <= chunks[before]!.radius) return true;
    }
    return false;
  };
}

interface ChunkScan {
  readonly done: boolean;
  /** Share of this chunk's strings that are done. */
  readonly share: number;
  next(): Omit<HammingPairs, 'share'>;
}

/**
 * The pairs that are near in this chunk and in none before, a batch at each call. Every new string looks up those
 * whose keys differ by one of the chunk's flips; words lie in the order of the keys, so what is compared with one
 * string is read in one go.
 */
function chunkScan(
  rows: Uint8Array,
  bytes: number,
  chunk: Chunk,
  radius: number,
  newFrom: number,
  seen: SeenBefore,
): ChunkScan {
  const table = chunkTable(rows, bytes, chunk);
  const { starts, rows: order, keys } = table;
  const { words, data } = sortedWords(rows, bytes, order);
  const { flips } = chunk;
  const count = order.length;
  const [a, b] = [new Uint32Array(batchPairs), new Uint32Array(batchPairs)];
  const distance = new Uint8Array(batchPairs);
  // Where to go on: string by the order of keys, flip, and the place of what it is compared with (−1: at its start).
  const state = { at: 0, flip: 0, other: -1 };
  const next = () => {
    // Locals: what a closure shares is read and written in memory at every step.
    let { at, flip, other } = state;
    let [found, work] = [0, 0];
    strings: for (; at < count; at++, flip = 0) {
      const row = order[at]!;
      if (row < newFrom) continue;
      if (work > batchWork) break;
      const key = keys[row]!;
      const mine = at * words;
      const [low, high] = [data[mine]!, data[mine + 1]!];
      work += flips.length;
      for (; flip < flips.length; flip++, other = -1) {
        const near = key ^ flips[flip]!;
        const end = starts[near + 1]!;
        // Of two new strings only the later one in this order is looked for, so that a pair comes once.
        if (other < 0) other = newFrom === 0 ? Math.max(starts[near]!, at + 1) : starts[near]!;
        if (other < end) work += end - other;
        for (; other < end; other++) {
          const theirs = other * words;
          const differ =
            words === 2
              ? setBitsOfTwo(low ^ data[theirs]!, high ^ data[theirs + 1]!)
              : differingBits(data, mine, theirs, words, radius);
          if (differ > radius) continue;
          const partner = order[other]!;
          if ((partner >= newFrom && other <= at) || seen(data, mine, data, theirs)) continue;
          // Full: this place is looked at again by the next call.
          if (found === batchPairs) break strings;
          a[found] = Math.min(row, partner);
          b[found] = Math.max(row, partner);
          distance[found++] = differ;
        }
      }
    }
    Object.assign(state, { at, flip, other });
    return { a: a.slice(0, found), b: b.slice(0, found), distance: distance.slice(0, found) };
  };
  return {
    get done() {
      return state.at >= count;
    },
    get share() {
      return count === 0 ? 1 : state.at / count;
    },
    next,
  };
}

function sortedWords(rows: Uint8Array, bytes: number, order: Uint32Array) {
  const { words, data } = bitWords(rows, bytes);
  const sorted = new Int32Array(data.length);
  for (let at = 0; at < order.length; at++) {
    const from = order[at]! * words;
    for (let i = 0; i < words; i++) sorted[at * words + i] = data[from + i]!;
  }
  return { words, data: sorted };
}

/** In how many bits two strings of `words` words differ, or some number above `limit`. */
function differingBits(data: Int32Array, a: number, b: number, words: number, limit: number): number {
  let differ = 0;
  for (let i = 0; i < words && differ <= limit; i++) differ += setBits(data[a + i]! ^ data[b + i]!);
  return differ;
}

function checkRadius(radius: number): void {
  if (!Number.isInteger(radius) || radius < 0 || radius > mostRadius)
    throw new RangeError(`a Hamming radius is a whole number from 0 to ${mostRadius}, not ${radius}`);
}

/** A row of a collection and in how many bits it differs from a query. */
export interface FoundBits {
  readonly row: number;
  readonly distance: number;
}

export interface HammingIndex {
  /** All rows within the radius, the nearest first, equally near ones by their position. */
  within(query: Uint8Array): FoundBits[];
}

/**
 * Finds for any bit string the rows that differ from it in at most `radius` bits: exact, by the same tables as
 * `hammingPairs`, all chunks' at once. Rows may be equal. The rows must not change while the index is used.
 */
export function hammingIndex(rows: Uint8Array, bytes: number, radius: number): HammingIndex {
  checkRadius(radius);
  const count = countBits(rows, bytes);
  const chunks = planChunks(8 * bytes, radius, count);
  const masks = chunkMasks(chunks, bytes);
  const { words, data } = bitWords(rows, bytes);
  const parts = chunks.map((chunk, at) => {
    const { starts, rows: order } = chunkTable(rows, bytes, chunk);
    return {
      starts,
      order,
      flips: chunk.flips,
      keyOf: chunkKey(bytes, chunk),
      seen: seenBefore(masks, chunks, at),
    };
  });
  return {
    within(query) {
      if (query.length !== bytes)
        throw new RangeError(`a query of ${query.length} bytes cannot be compared with rows of ${bytes}`);
      const asked = bitWords(query, bytes).data;
      const found: FoundBits[] = [];
      for (const { starts, order, flips, keyOf, seen } of parts) {
        const key = keyOf(query, 0);
        for (const flip of flips) {
          const near = key ^ flip;
          for (let at = starts[near]!; at < starts[near + 1]!; at++) {
            const row = order[at]!;
            let distance = 0;
            for (let i = 0; i < words && distance <= radius; i++)
              distance += setBits(asked[i]! ^ data[row * words + i]!);
            if (distance <= radius && !seen(asked, 0, data, row * words)) found.push({ row, distance });
          }
        }
      }
      return found.sort((a, b) => a.distance - b.distance || a.row - b.row);
    },
  };
}
