import { VerbatimError } from '../errors.ts';
import { toFloat32 } from '../math/index.ts';

/**
 * Rows as 8-bit whole numbers: row ≈ scale · codes, codes from −127 to 127. A quarter of the bytes, and a product
 * that processors compute several times faster. How far a product may be off is known, so that exact
 * search can look at these and compare with the rows themselves only what may matter.
 */
export interface Codes {
  /** [rows, dimension] */
  readonly codes: Int8Array;
  /** [rows, 3]: scale, length of (row − scale · codes), length of the row; the last two rounded up. */
  readonly bounds: Float32Array;
}

/** Products of 127 · 127 so often still fit 32 bits. */
const largestDimension = 133_000;

/**
 * @param data [rows, dimension], finite; float16 as raw bits
 * @throws VerbatimError when rows are too long for sums of 32 bits
 */
export function encodeRows(data: Float32Array | Uint16Array, dimension: number): Codes {
  if (dimension > largestDimension)
    throw new VerbatimError(
      `vectors of ${dimension} values cannot be kept in 8 bits, only up to ${largestDimension}; leave --int8 out`,
      { exitCode: 2 },
    );
  const values = data instanceof Uint16Array ? toFloat32(data) : data;
  const count = values.length / dimension;
  const codes = new Int8Array(values.length);
  const bounds = new Float32Array(3 * count);
  for (let row = 0; row < count; row++) {
    const from = row * dimension;
    let largest = 0;
    for (let i = from; i < from + dimension; i++) largest = Math.max(largest, Math.abs(values[i]!));
    const scale = Math.fround(largest / 127);
    let rest = 0;
    let squares = 0;
    for (let i = from; i < from + dimension; i++) {
      const value = values[i]!;
      // A scale too small for float32 is 0, and the row is all rest.
      const code = scale === 0 ? 0 : Math.max(-127, Math.min(127, Math.round(value / scale)));
      codes[i] = code;
      rest += (value - scale * code) ** 2;
      squares += value * value;
    }
    bounds[3 * row] = scale;
    bounds[3 * row + 1] = roundedUp(Math.sqrt(rest));
    bounds[3 * row + 2] = roundedUp(Math.sqrt(squares));
  }
  return { codes, bounds };
}

/** A float32 that is not below a sum's root, whatever the sum's own rounding; the last term is the least number above 0. */
function roundedUp(value: number): number {
  return value === 0 ? 0 : Math.fround(value * (1 + 2 ** -22) + 2 ** -149);
}

/** What stands for 0 in a query's codes: they are unsigned, from 1 to 127, as `matmulInteger` wants them. */
export const queryZero = 64;

export interface QueryCodes {
  /** [queries, dimension] */
  readonly codes: Uint8Array;
  /** Of each query: query ≈ scale · (codes − queryZero). */
  readonly scales: Float64Array;
  /** Of each query: length of what that leaves out, and of the query itself. */
  readonly rests: Float64Array;
  readonly lengths: Float64Array;
}

/** Queries [n, dimension] in 7 bits. */
export function encodeQueries(queries: Float32Array, dimension: number): QueryCodes {
  const count = queries.length / dimension;
  const codes = new Uint8Array(queries.length).fill(queryZero);
  const [scales, rests, lengths] = [0, 1, 2].map(() => new Float64Array(count)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (let q = 0; q < count; q++) {
    const row = queries.subarray(q * dimension, (q + 1) * dimension);
    const scale = row.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / (queryZero - 1);
    let rest = 0;
    let squares = 0;
    row.forEach((value, i) => {
      const code = scale === 0 ? 0 : Math.round(value / scale);
      codes[q * dimension + i] = queryZero + code;
      rest += (value - scale * code) ** 2;
      squares += value * value;
    });
    scales[q] = scale;
    rests[q] = roundedUp(Math.sqrt(rest));
    lengths[q] = roundedUp(Math.sqrt(squares));
  }
  return { codes, scales, rests, lengths };
}
