import { VerbatimError } from '../errors.ts';
import {
  addNode,
  cast,
  createGraph,
  gather,
  gemm,
  greaterOrEqual,
  input,
  type Model,
  model,
  reduceMax,
  scalar,
  squeeze,
  type Value,
} from '../graph/index.ts';
import { dot, type Tensor, toFloat32 } from '../math/index.ts';
import { openSession } from '../runtime/index.ts';
import type { VectorDType } from './types.ts';

/** Pairs of rows in columns: pair i is rows a[i] < b[i] of the collection. */
export interface SimilarPairs {
  readonly a: Uint32Array;
  readonly b: Uint32Array;
  /** Dot product of the two rows as they are stored, summed in float64. */
  readonly similarity: Float64Array;
}

/** Some rows of a collection. */
export interface RowSet {
  /** Their positions in the collection. */
  readonly positions: Uint32Array;
  /** [positions, dimension] in a buffer of its own. */
  readonly rows: Tensor;
}

/** Many rows against the same few: every set of `others` is compared with `held`. */
export interface Comparison {
  readonly held: RowSet;
  /** One set after another; the next is asked for while the engine multiplies. */
  readonly others: Iterable<Other>;
}

export interface Other {
  load(): RowSet | Promise<RowSet>;
  /** Whether the pair of its row `i` and row `j` of `held` is this comparison's to name. */
  keeps(i: number, j: number): boolean;
}

export interface TileOptions {
  readonly dtype: VectorDType;
  readonly dimension: number;
  /** The least similarity of a pair. */
  readonly threshold: number;
  /** Length of the longest row. */
  readonly longest: number;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Rows on each side of one product: 2^21 products fill 8 MiB, and the engine is at its best. */
export const tileRows = 2048;
/** What pairs of one unit take in memory at most: a gibibyte. Beyond it, rows are copies of each other in such numbers that naming pairs is no use. */
const mostPairs = 2 ** 26;

/**
 * Compares sets of rows and gives the pairs that are similar enough.
 *
 * The engine multiplies in float32 and, in the same graph, keeps those rows and columns of the product that
 * hold a value worth a look: so the product itself, millions of values, never leaves it. What comes out is multiplied again in float64.
 * A float32 sum of d products errs by at most (d + 1)·2⁻²⁴ of the two lengths (Higham 2002, eq. 3.5), so what the engine is asked for is
 * that much below the threshold, and the answer depends on the rows alone.
 */
export async function openTiles(options: TileOptions) {
  const { dtype, dimension, threshold, longest, signal } = options;
  const least = roundedDown(threshold - roundingOf(dimension) * longest ** 2);
  const session = await openSession(tileModel(dtype, dimension, least), {
    provider: 'cpu',
    ...(options.threads !== undefined && { threads: options.threads }),
    ...(signal && { signal }),
  });
  return {
    /** @throws VerbatimError when there are more pairs than memory should hold */
    async pairs(comparisons: Iterable<Comparison> | AsyncIterable<Comparison>): Promise<SimilarPairs> {
      const found = collectPairs();
      let before: (() => Promise<void>) | undefined;
      for await (const { held, others } of comparisons) {
        if (held.positions.length === 0) continue;
        // Queued behind the run that may still be under way, which has the rows held before.
        const holding = awaited(session.hold({ held: held.rows }));
        for (const other of others) {
          signal?.throwIfAborted();
          const set = await other.load();
          if (set.positions.length === 0) continue;
          const running = awaited(session.run({ others: set.rows }, { lend: ['others'] }));
          await before?.();
          before = async () => {
            await holding;
            takeTile(found, await running, held, set.positions, other, { threshold, least });
          };
        }
      }
      await before?.();
      return found.columns();
    },
    close: () => session.close(),
  };
}

/** Of the product of two lengths, by how much their float32 product may be off at most. */
export function roundingOf(dimension: number): number {
  return (dimension + 8) * 2 ** -24;
}

/** A float32 that is not above a number. */
function roundedDown(value: number): number {
  const near = Math.fround(value);
  return near <= value ? near : Math.fround(near - Math.abs(near) * 2 ** -23);
}

function awaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** others [n, d] · heldᵀ [d, m], of which rows and columns without a value from `least` on are left out. */
function tileModel(dtype: VectorDType, dimension: number, least: number): Model {
  const graph = createGraph();
  const others = input(graph, 'others', dtype, ['n', dimension]);
  const held = input(graph, 'held', dtype, ['m', dimension]);
  const numbers = (largest: Value) =>
    squeeze(addNode(graph, 'NonZero', [greaterOrEqual(largest, scalar(graph, least, 'float32'))])[0]!, [0]);
  const products = gemm(cast(others, 'float32'), cast(held, 'float32'), { transB: true });
  const rows = numbers(reduceMax(products, [1]));
  const some = gather(products, rows, 0);
  const columns = numbers(reduceMax(some, [0]));
  return model(graph, { rows, columns, values: gather(some, columns, 1) });
}

function takeTile(
  found: ReturnType<typeof collectPairs>,
  result: Readonly<Record<string, Tensor>>,
  held: RowSet,
  positions: Uint32Array,
  { keeps }: Other,
  { threshold, least }: { readonly threshold: number; readonly least: number },
): void {
  const [rows, columns] = ['rows', 'columns'].map((name) => result[name]!.data as BigInt64Array);
  const values = result['values']!.data as Float32Array;
  const left = decoder(result['others']!);
  const right = decoder(held.rows);
  for (let r = 0; r < rows!.length; r++) {
    const i = Number(rows![r]);
    for (let c = 0; c < columns!.length; c++) {
      if (!(values[r * columns!.length + c]! >= least)) continue;
      const j = Number(columns![c]);
      if (!keeps(i, j)) continue;
      const similarity = dot(left(i), right(j));
      if (similarity >= threshold) found.add(positions[i]!, held.positions[j]!, similarity);
    }
  }
}

/** Rows of a tensor as float32, each made once. */
function decoder({ data, shape }: Tensor): (row: number) => Float32Array {
  const dimension = shape[1]!;
  const made = new Map<number, Float32Array>();
  return (row) => {
    const known = made.get(row);
    if (known) return known;
    const part = (data as Float32Array | Uint16Array).subarray(row * dimension, (row + 1) * dimension);
    const values = part instanceof Uint16Array ? toFloat32(part) : part;
    made.set(row, values);
    return values;
  };
}

/** Columns that grow. */
function collectPairs() {
  let length = 0;
  let a = new Uint32Array(1024);
  let b = new Uint32Array(1024);
  let similarity = new Float64Array(1024);
  return {
    /** Of two rows in any order. */
    add(one: number, other: number, value: number) {
      if (length === mostPairs)
        throw new VerbatimError(
          `more than ${mostPairs} pairs of similar rows in one part of the collection, such as ${one} and ${other}: thousands of rows are copies of one; raise the threshold or remove equal files first`,
        );
      if (length === a.length) {
        a = longer(a, new Uint32Array(2 * length));
        b = longer(b, new Uint32Array(2 * length));
        similarity = longer(similarity, new Float64Array(2 * length));
      }
      a[length] = Math.min(one, other);
      b[length] = Math.max(one, other);
      similarity[length++] = value;
    },
    columns: (): SimilarPairs => ({
      a: a.slice(0, length),
      b: b.slice(0, length),
      similarity: similarity.slice(0, length),
    }),
  };
}

function longer<T extends Uint32Array | Float64Array>(from: T, into: T): T {
  into.set(from);
  return into;
}
