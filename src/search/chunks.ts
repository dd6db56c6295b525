/**
 * How bit strings are cut for multi-index hashing (Norouzi, Punjani & Fleet 2012). Strings that differ in at most
 * `radius` bits, cut into m chunks with radius = m·s + a: one of the first a + 1 chunks differs by at most s bits, or
 * one of the others by at most s − 1 (their section 3.2). This holds as well when bits are left out of all chunks.
 */
export interface Chunk {
  /** Which bits of the string, the first one the lowest of the key. */
  readonly bits: readonly number[];
  /** By how many bits the keys of a pair may differ. */
  readonly radius: number;
  /** All differences of keys that are to be looked up: those of at most `radius` bits, fewer bits first. */
  readonly flips: Uint32Array;
}

/** Bits of a key at most: a table of its values has 2²⁴ + 1 entries, 64 MB. */
const mostKeyBits = 24;
/** Keys looked up per string and chunk at most. */
const mostFlips = 2 ** 18;
/** Costs in comparisons of two strings: a key looked up, and a string and a value of the key put into the table. */
const [lookupCost, stringCost, valueCost] = [4, 20, 2];

/** The cut that is expected to take least time to find, for each of `count` strings, those of `count` near it. */
export function planChunks(bits: number, radius: number, count: number): Chunk[] {
  let [best, bestChunks, bestWidth] = [Number.POSITIVE_INFINITY, 1, 0];
  for (let chunks = 1; chunks <= Math.min(radius + 1, bits); chunks++) {
    const widest = Math.min(mostKeyBits, Math.floor(bits / chunks));
    // Without a key all are compared with all.
    for (let width = chunks === 1 ? 0 : 1; width <= widest; width++) {
      let cost = 0;
      for (let at = 0; at < chunks; at++) {
        const flips = countFlips(width, chunkRadius(at, chunks, radius));
        if (flips > mostFlips) cost = Number.POSITIVE_INFINITY;
        const compared = (flips * count) / 2 ** width / 2;
        cost += count * (stringCost + lookupCost * flips + compared) + valueCost * 2 ** width;
      }
      if (cost < best) [best, bestChunks, bestWidth] = [cost, chunks, width];
    }
  }
  return Array.from({ length: bestChunks }, (_, at) => {
    const ofChunk = chunkRadius(at, bestChunks, radius);
    return {
      // Neighbouring bits often say nearly the same of a picture: so a chunk takes bits from everywhere.
      bits: Array.from({ length: bestWidth }, (_, k) =>
        Math.floor(((at + k * bestChunks) * bits) / (bestChunks * bestWidth)),
      ),
      radius: ofChunk,
      flips: listFlips(bestWidth, ofChunk),
    };
  });
}

function chunkRadius(at: number, chunks: number, radius: number): number {
  const whole = Math.floor(radius / chunks);
  return at <= radius - chunks * whole ? whole : whole - 1;
}

/** Σ over i ≤ radius of C(width, i) */
function countFlips(width: number, radius: number): number {
  let [sum, choices] = [0, 1];
  for (let i = 0; i <= Math.min(radius, width); i++) {
    sum += choices;
    choices = (choices * (width - i)) / (i + 1);
  }
  return sum;
}

function listFlips(width: number, radius: number): Uint32Array {
  const flips = new Uint32Array(countFlips(width, radius));
  let count = 0;
  const add = (flip: number, fromBit: number, left: number) => {
    if (left === 0) flips[count++] = flip;
    else for (let bit = fromBit; bit < width; bit++) add(flip | (1 << bit), bit + 1, left - 1);
  };
  for (let set = 0; set <= Math.min(radius, width); set++) add(0, 0, set);
  return flips;
}

/** The strings in the order of their keys, equal keys by position. */
export interface ChunkTable {
  /** [2^width + 1]: where the strings of each key start in `rows`. */
  readonly starts: Uint32Array;
  readonly rows: Uint32Array;
  /** [strings] by position. */
  readonly keys: Uint32Array;
}

/** Sorts strings by a chunk's key, by counting. */
export function chunkTable(rows: Uint8Array, bytes: number, chunk: Chunk): ChunkTable {
  const keyOf = chunkKey(bytes, chunk);
  const count = rows.length / bytes;
  const keys = new Uint32Array(count);
  const starts = new Uint32Array(2 ** chunk.bits.length + 1);
  for (let row = 0; row < count; row++) {
    const key = keyOf(rows, row * bytes);
    keys[row] = key;
    starts[key]!++;
  }
  let total = 0;
  for (let key = 0; key < starts.length; key++) {
    total += starts[key]!;
    starts[key] = total;
  }
  // Downwards from the ends, so that the starts are left and equal keys stay in order.
  const sorted = new Uint32Array(count);
  for (let row = count - 1; row >= 0; row--) sorted[--starts[keys[row]!]!] = row;
  return { starts, rows: sorted, keys };
}

/** The key of the string that starts at a byte, read by a table of 256 entries for each byte that has bits of it. */
export function chunkKey(bytes: number, chunk: Chunk): (rows: Uint8Array, start: number) => number {
  const used = [...new Set(chunk.bits.map((bit) => bit >> 3))].sort((a, b) => a - b);
  if (used.at(-1)! >= bytes) throw new RangeError(`bit strings of ${bytes} bytes lack byte ${used.at(-1)}`);
  const positions = Uint32Array.from(used);
  const tables = new Uint32Array(used.length * 256);
  for (const [to, bit] of chunk.bits.entries()) {
    const table = used.indexOf(bit >> 3) * 256;
    for (let byte = 0; byte < 256; byte++) if (byte & (0x80 >> (bit & 7))) tables[table + byte]! |= 1 << to;
  }
  return (rows, start) => {
    let key = 0;
    for (let i = 0; i < positions.length; i++) key |= tables[i * 256 + rows[start + positions[i]!]!]!;
    return key;
  };
}
