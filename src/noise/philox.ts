export type Words4 = readonly [number, number, number, number];
export type Words2 = readonly [number, number];

/**
 * Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011):
 * four 32-bit words from a 128-bit counter and a 64-bit key, low words first.
 */
export function philox4x32(counter: Words4, key: Words2): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** The high 32 bits of the 64-bit product of two words, by 16-bit halves: exact in doubles. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = (middle % 0x10000) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) | 0;
}

const INVERSE_2_POW_32 = Math.fround(2.3283064e-10);
const INVERSE_2_POW_32_2PI = Math.fround(INVERSE_2_POW_32 * Math.fround(6.2831855));

/**
 * A standard normal from two words, the sine half of cuRAND's Box–Muller (`curand_normal`): the first of
 * the four that a block gives. Uniforms are rounded to float32 as on the device; the device itself takes
 * a fast sine whose error is about 4e-7.
 */
export function philoxNormal(words: readonly number[]): number {
  const round = Math.fround;
  const u = round(round(words[0]!) * INVERSE_2_POW_32 + INVERSE_2_POW_32 / 2);
  const v = round(round(words[1]!) * INVERSE_2_POW_32_2PI + INVERSE_2_POW_32_2PI / 2);
  return round(Math.sqrt(-2 * round(Math.log(u)))) * round(Math.sin(v));
}
