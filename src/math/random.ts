/**
 * Random numbers for everything that is not torch's noise: shuffles, resampling, procedural pictures.
 * The same seed gives the same numbers on every machine and engine: 32-bit integer arithmetic, and
 * otherwise only operations that IEEE 754 defines to the last bit (no Math.log, no Math.sin).
 */
export interface Random {
  /** The generator's own 32-bit words. */
  uint32(): number;
  /** Uniform in [0, 1), 53 random bits. */
  uniform(): number;
  /** Uniform in 0 … n−1, without modulo bias; 1 ≤ n ≤ 2³². */
  integer(n: number): number;
  /** Standard normal. */
  normal(): number;
  /** Fisher–Yates, in place; returns its argument. */
  shuffle<T>(array: T[]): T[];
}

/**
 * xoshiro128** (Blackman & Vigna, "Scrambled linear pseudorandom number generators", 2021), its state
 * filled by four rounds of a 32-bit mixer from `seed`, any integer from 0 to 2⁵³−1. For independent
 * streams, derive the seeds with `hashSeed`.
 */
export function createRandom(seed: number): Random {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new RangeError(`createRandom: the seed must be an integer from 0 to 2^53 - 1; got ${seed}.`);
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32);
  // A Weyl sequence through a bijective mixer: for one seed the four words cannot all be zero.
  const words = [1, 2, 3, 4].map((i) => mix32((low + Math.imul(i, 0x9e3779b9)) ^ mix32(high + i)));
  return xoshiro128StarStar(words as [number, number, number, number]);
}

/** As `createRandom`, from the generator's raw state: four words, not all zero. */
export function xoshiro128StarStar(state: readonly [number, number, number, number]): Random {
  let [a, b, c, d] = state.map((word) => word | 0) as [number, number, number, number];
  if ((a | b | c | d) === 0) throw new RangeError('xoshiro128**: the state must not be all zero.');
  let spare: number | undefined;

  function uint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotateLeft(d, 11);
    return result;
  }

  function uniform(): number {
    const high = uint32() >>> 5;
    const low = uint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  function integer(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32)
      throw new RangeError(`integer: n must be an integer from 1 to 2^32; got ${n}.`);
    // Words above the largest multiple of n would favour small results: draw again.
    const limit = 2 ** 32 - (2 ** 32 % n);
    let word = uint32();
    while (word >= limit) word = uint32();
    return word % n;
  }

  /** Marsaglia's polar method (SIAM Review 6, 1964): pairs, the second kept for the next call. */
  function normal(): number {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    for (;;) {
      const x = 2 * uniform() - 1;
      const y = 2 * uniform() - 1;
      const s = x * x + y * y;
      if (s >= 1 || s === 0) continue;
      const scale = Math.sqrt((-2 * exactLog(s)) / s);
      spare = y * scale;
      return x * scale;
    }
  }

  function shuffle<T>(array: T[]): T[] {
    for (let i = array.length - 1; i > 0; i--) {
      const j = integer(i + 1);
      const kept = array[i]!;
      array[i] = array[j]!;
      array[j] = kept;
    }
    return array;
  }

  return { uint32, uniform, integer, normal, shuffle };
}

const ENCODER = new TextEncoder();

/**
 * A seed (an integer from 0 to 2⁵³−1) for the stream that `parts` name: hashSeed('scene', 7) and
 * hashSeed('scene', 8) are unrelated, and so are ('a', 'b') and ('ab'). Numbers count by their
 * decimal spelling and are distinct from strings. Two MurmurHash3 words (the second keyed by the
 * first) over the parts' UTF-8, each with its type and length before it. Not for secrets.
 */
export function hashSeed(...parts: readonly (string | number)[]): number {
  const bytes: number[] = [];
  for (const part of parts) {
    const text = ENCODER.encode(String(part));
    bytes.push(typeof part === 'number' ? 1 : 2);
    for (let shift = 0; shift < 32; shift += 8) bytes.push((text.length >>> shift) & 0xff);
    for (const byte of text) bytes.push(byte);
  }
  const data = Uint8Array.from(bytes);
  const low = murmurHash3(data, 0);
  const high = murmurHash3(data, low ^ 0x5bd1e995);
  return (high & 0x1fffff) * 2 ** 32 + low;
}

/** MurmurHash3_x86_32 (Appleby, public domain): a 32-bit word from bytes and a 32-bit seed. */
export function murmurHash3(data: Uint8Array, seed: number): number {
  let hash = seed | 0;
  const blocks = data.length >>> 2;
  for (let i = 0; i < blocks; i++) {
    const at = i * 4;
    const word = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);
    hash ^= scramble(word);
    hash = (Math.imul(rotateLeft(hash, 13), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let i = data.length - 1; i >= blocks * 4; i--) tail = (tail << 8) | data[i]!;
  if (data.length % 4 !== 0) hash ^= scramble(tail);
  return mix32(hash ^ data.length);
}

function scramble(word: number): number {
  return Math.imul(rotateLeft(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
}

/** MurmurHash3's finaliser: a bijection of 32-bit words in which each bit of input moves all others. */
export function mix32(word: number): number {
  let x = word | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/**
 * ln x for normal x > 0 from additions, multiplications and divisions alone, within 2 ulp or so:
 * x = 2ᵏ·m with m in [√½, √2), ln m = 2·artanh((m−1)/(m+1)) as a series. Math.log may differ in its last
 * bit between engines, and a procedural training set must not.
 */
export function exactLog(x: number): number {
  let exponent = 0;
  let m = x;
  while (m >= Math.SQRT2) {
    m /= 2;
    exponent++;
  }
  while (m < Math.SQRT1_2) {
    m *= 2;
    exponent--;
  }
  const s = (m - 1) / (m + 1);
  const square = s * s;
  // |s| ≤ .1716: the first term left out is below 1e-18 of the sum.
  let series = 0;
  for (let k = 23; k >= 1; k -= 2) series = series * square + 1 / k;
  return exponent * Math.LN2 + 2 * s * series;
}
