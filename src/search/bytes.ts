import { floatTensor, type Tensor } from '../math/index.ts';
import { openExactSearch } from './exact.ts';
import { openRowFiles, type RowFiles } from './files.ts';
import { defaultBlockRows } from './rows.ts';
import type { SearchOptions, VectorRows } from './types.ts';

/** A row and how far it lies from a query. */
export interface FoundBytes {
  /** Its position. */
  readonly index: number;
  /** Σ (a − b)² over the 8-bit values: an exact integer. */
  readonly squared: number;
}

/** Rows of 8-bit values, such as pictures of one size, and their nearest ones by Euclidean distance. */
export interface ByteSearch {
  readonly count: number;
  /** Values per row. */
  readonly values: number;
  /**
   * The `k` nearest rows of every query, the nearest first, equally near ones by their position.
   *
   * @param queries [n, values], row-major
   */
  nearest(queries: Uint8Array, k: number, options?: SearchOptions): Promise<FoundBytes[][]>;
  /** One row. */
  row(position: number): Uint8Array;
  close(): Promise<void>;
}

export interface ByteSearchOptions {
  /** Threads of the matrix product; default: the number of cores. */
  readonly threads?: number;
  /** Rows that take no more than this as float32 are converted once and kept; others again for each pass. Default 1 GiB. */
  readonly memoryBytes?: number;
  readonly signal?: AbortSignal;
}

/** Two more values of a row hold its squared length: see `layoutFor`. */
const added = 2;
/** The squared length is cut into a multiple of this and a rest, each of which float32 holds exactly. */
const high = 2 ** 14;

/**
 * Opens NumPy files of 8-bit values [rows, values] for exact search by Euclidean distance.
 *
 * With values moved to v − 128, ‖q − r‖² = ‖q‖² − 2(⟨q, r⟩ − ‖r‖²/2), so that the nearest row is the one whose product
 * with q is largest where rows carry −‖r‖²/2 as further values. All of these are small integers times powers of two: what
 * exact search compares again in float64 has no rounding, and the distances are exact integers.
 *
 * @throws VerbatimError when a file is missing or damaged
 */
export async function openByteSearch(
  paths: readonly string[],
  options: ByteSearchOptions = {},
): Promise<ByteSearch> {
  const { memoryBytes = 2 ** 30, threads, signal } = options;
  const files = await openRowFiles(paths, ['uint8']);
  const { count, width: values } = files;
  const layout = layoutFor(values);
  const rows = byteRows(files, layout, memoryBytes);
  const search = await openExactSearch(rows, {
    ...(threads !== undefined && { threads }),
    ...(signal && { signal }),
  });
  return {
    count,
    values,
    async nearest(queries, k, searchOptions) {
      const total = queries.length / values;
      const moved = new Float32Array(total * rows.dimension);
      const norms: number[] = [];
      for (let q = 0; q < total; q++)
        norms.push(
          layout.query(
            queries.subarray(q * values, (q + 1) * values),
            moved.subarray(q * rows.dimension, (q + 1) * rows.dimension),
          ),
        );
      const found = await search.search(moved, k, searchOptions);
      return found.map((best, q) =>
        best.map(({ index, similarity }) => ({ index, squared: norms[q]! - 2 * similarity })),
      );
    },
    row(position) {
      const bytes = new Uint8Array(values);
      files.readRow(position, bytes);
      return bytes;
    },
    close: () => search.close(),
  };
}

interface Layout {
  readonly dimension: number;
  /** No row is longer. */
  readonly longest: number;
  row(bytes: Uint8Array, into: Float32Array): void;
  /** Returns ‖q‖². */
  query(bytes: Uint8Array, into: Float32Array): number;
}

/**
 * Where the squared length stands: ‖r‖² = high·h + l, as the values 2^s·h and 2⁻¹⁰·l of a row, against −½·2⁻ˢ·high and −½·2¹⁰ of
 * a query. What is left open by float32 grows with the product of both lengths (`settle`), so the shift s gives the added
 * value of a query about the length of a query of usual pictures, 50·√values.
 */
function layoutFor(values: number): Layout {
  const shift = Math.round(Math.log2(high / 2 / (50 * Math.sqrt(values))));
  const scale = 2 ** shift;
  const most = values * 128 * 128;
  return {
    dimension: values + added,
    longest: Math.hypot(Math.sqrt(most), (most / high) * scale, high * 2 ** -10),
    row(bytes, into) {
      const squared = move(bytes, into, values);
      const h = Math.floor(squared / high);
      into[values] = h * scale;
      into[values + 1] = (squared - h * high) * 2 ** -10;
    },
    query(bytes, into) {
      const squared = move(bytes, into, values);
      into[values] = -high / 2 / scale;
      into[values + 1] = -(2 ** 9);
      return squared;
    },
  };
}

/** Values moved to v − 128; returns the sum of their squares. */
function move(bytes: Uint8Array, into: Float32Array, values: number): number {
  let total = 0;
  for (let start = 0; start < values; start += 4096) {
    const end = Math.min(values, start + 4096);
    // 4,096 squares of at most 128² stay below 2³¹: this inner loop runs on small integers.
    let sum = 0;
    for (let i = start; i < end; i++) {
      const value = bytes[i]! - 128;
      into[i] = value;
      sum += value * value;
    }
    total += sum;
  }
  return total;
}

function byteRows(files: RowFiles, layout: Layout, memoryBytes: number): VectorRows {
  const { count, width: values } = files;
  const { dimension, longest } = layout;
  const blockRows = defaultBlockRows(dimension);
  const keep = count * dimension * 4 <= memoryBytes;
  const kept: (Tensor | undefined)[] = [];
  const buffers: Float32Array[] = [];
  const convert = (bytes: Uint8Array, out: Float32Array) => {
    for (let i = 0; i < bytes.length / values; i++)
      layout.row(
        bytes.subarray(i * values, (i + 1) * values),
        out.subarray(i * dimension, (i + 1) * dimension),
      );
  };
  return {
    dtype: 'float32',
    count,
    dimension,
    blockRows,
    longest,
    async block(at) {
      const known = kept[at];
      if (known) return known;
      const from = at * blockRows;
      const size = Math.min(count, from + blockRows) - from;
      const bytes = new Uint8Array(size * values);
      await files.read(from, bytes);
      const fitting = buffers.findIndex(({ length }) => length === size * dimension);
      const [buffer] = fitting < 0 ? [] : buffers.splice(fitting, 1);
      const data = buffer ?? new Float32Array(size * dimension);
      convert(bytes, data);
      return floatTensor([size, dimension], data);
    },
    giveBack(at, rows) {
      if (keep) kept[at] = rows;
      else buffers.push(rows.data as Float32Array);
    },
    async rows(positions) {
      const out = new Float32Array(positions.length * dimension);
      const bytes = new Uint8Array(values);
      for (const [i, position] of positions.entries()) {
        const block = kept[Math.floor(position / blockRows)]?.data as Float32Array | undefined;
        const from = (position % blockRows) * dimension;
        if (block) out.set(block.subarray(from, from + dimension), i * dimension);
        else {
          files.readRow(position, bytes);
          convert(bytes, out.subarray(i * dimension, (i + 1) * dimension));
        }
      }
      return out;
    },
    close: () => files.close(),
  };
}
