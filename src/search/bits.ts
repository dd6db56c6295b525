import { setImmediate as breathe } from 'node:timers/promises';

/** Longest string, bytes. */
const mostBytes = 512;

/** How many strings of `bytes` bytes stand in `rows`. @throws RangeError when they do not fill them */
export function countBits(rows: Uint8Array, bytes: number): number {
  if (!Number.isInteger(bytes) || bytes < 1 || bytes > mostBytes)
    throw new RangeError(`bit strings have 1 to ${mostBytes} bytes, not ${bytes}`);
  if (rows.length % bytes !== 0)
    throw new RangeError(`${rows.length} bytes do not divide into strings of ${bytes}`);
  return rows.length / bytes;
}

/** Strings as 32-bit words, [count, words], zeros after the last byte: two words for 64 bits. */
export interface BitWords {
  readonly words: number;
  readonly data: Int32Array;
}

export function bitWords(rows: Uint8Array, bytes: number): BitWords {
  const words = Math.ceil(bytes / 4);
  const data = new Int32Array(countBits(rows, bytes) * words);
  const target = new Uint8Array(data.buffer);
  if (bytes === 4 * words) target.set(rows);
  else
    for (let from = 0, to = 0; from < rows.length; from += bytes, to += 4 * words)
      target.set(rows.subarray(from, from + bytes), to);
  return { words, data };
}

/**
 * Set bits of a 32-bit word: sums of neighbours in fields of 2, 4 and 8 bits (Warren, Hacker's Delight, 5-1).
 * `| 0` says that differences and sums are 32 bits wide too, which is twice as fast as leaving it open.
 */
export function setBits(word: number): number {
  let sum = (word - ((word >>> 1) & 0x55555555)) | 0;
  sum = ((sum & 0x33333333) + ((sum >>> 2) & 0x33333333)) | 0;
  return Math.imul((sum + (sum >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Set bits of two words together: fields of 4 bits have room for both. */
export function setBitsOfTwo(low: number, high: number): number {
  let a = (low - ((low >>> 1) & 0x55555555)) | 0;
  let b = (high - ((high >>> 1) & 0x55555555)) | 0;
  a = ((a & 0x33333333) + ((a >>> 2) & 0x33333333)) | 0;
  b = ((b & 0x33333333) + ((b >>> 2) & 0x33333333)) | 0;
  a = (a + b) | 0;
  return Math.imul(((a & 0x0f0f0f0f) + ((a >>> 4) & 0x0f0f0f0f)) | 0, 0x01010101) >>> 24;
}

/** Which strings there are, and which of them each row has. */
export interface DistinctBits {
  /** Row of each distinct string's first appearance, ascending. */
  readonly first: Uint32Array;
  /** [rows]: position of the row's string among the distinct ones. */
  readonly of: Uint32Array;
  /** The distinct strings in order of first appearance, as packed as the rows. */
  readonly distinct: Uint8Array;
}

/** Collapses equal strings: rows with equal `of` are equal. Takes time and memory in proportion to the rows. */
export function distinctBits(rows: Uint8Array, bytes: number): DistinctBits {
  const count = countBits(rows, bytes);
  const { words, data } = bitWords(rows, bytes);
  const of = new Uint32Array(count);
  let first = new Uint32Array(1024);
  // Open addressing: a slot holds a distinct string's position plus 1, and at most half of them are taken.
  let slots = new Uint32Array(2 * first.length);
  let found = 0;
  const hashOf = (row: number) => {
    let hash = 0;
    for (let i = row * words; i < (row + 1) * words; i++) {
      hash = Math.imul(hash ^ data[i]!, 0x85ebca6b);
      hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
      hash ^= hash >>> 13;
    }
    return hash;
  };
  const equal = (a: number, b: number) => {
    for (let i = 0; i < words; i++) if (data[a * words + i] !== data[b * words + i]) return false;
    return true;
  };
  /** The slot where the row's string stands, or the free one where it would. */
  const slotOf = (row: number) => {
    const mask = slots.length - 1;
    let slot = hashOf(row) & mask;
    while (slots[slot] !== 0 && !equal(first[slots[slot]! - 1]!, row)) slot = (slot + 1) & mask;
    return slot;
  };
  for (let row = 0; row < count; row++) {
    const slot = slotOf(row);
    if (slots[slot] === 0) {
      first[found++] = row;
      slots[slot] = found;
    }
    of[row] = slots[slot]! - 1;
    if (found === first.length) {
      const more = new Uint32Array(2 * found);
      more.set(first);
      first = more;
      slots = new Uint32Array(4 * found);
      for (let i = 0; i < found; i++) slots[slotOf(first[i]!)] = i + 1;
    }
  }
  first = first.slice(0, found);
  const distinct = new Uint8Array(found * bytes);
  for (let i = 0; i < found; i++)
    distinct.set(rows.subarray(first[i]! * bytes, (first[i]! + 1) * bytes), i * bytes);
  return { first, of, distinct };
}

/** Pairs that are compared between two looks at the signal: some tens of milliseconds. */
const pairsAtOnce = 2 ** 23;

/** The most bits in which two of the strings differ, all pairs compared; 0 for a single one. */
export async function mostBitsApart(
  rows: Uint8Array,
  bytes: number,
  signal?: AbortSignal | undefined,
): Promise<number> {
  const count = countBits(rows, bytes);
  const { words, data } = bitWords(rows, bytes);
  let most = 0;
  let done = 0;
  // No two differ in more bits than there are.
  for (let i = 1; i < count && most < 8 * bytes; i++) {
    for (let j = 0; j < i; j++) {
      let bits = 0;
      for (let word = 0; word < words; word++)
        bits += setBits(data[i * words + word]! ^ data[j * words + word]!);
      if (bits > most) most = bits;
    }
    done += i;
    if (done < pairsAtOnce) continue;
    done = 0;
    await breathe();
    signal?.throwIfAborted();
  }
  return most;
}
