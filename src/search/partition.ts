import { VerbatimError } from '../errors.ts';
import { cast, createGraph, gemm, input, type Model, model, mul, reduceSum, topK } from '../graph/index.ts';
import { createRandom, floatTensor, type Random, type Tensor } from '../math/index.ts';
import { openSession, type Session } from '../runtime/index.ts';
import { setLengths } from './lengths.ts';
import type { SearchOptions, VectorDType, VectorRows } from './types.ts';

/** Space cut into cells: a row belongs to the centroid that it is most similar to. */
export interface Partition {
  readonly dimension: number;
  readonly cells: number;
  /** [cells, dimension], rows of length 1. */
  readonly centroids: Float32Array;
}

export interface PartitionOptions extends SearchOptions {
  /** Default: twice the root of the number of rows, so that assigning rows costs about what comparing them does. */
  readonly cells?: number | undefined;
  /** Rows per cell that the centroids are learnt from. Default 64. */
  readonly rowsPerCell?: number | undefined;
  /** Default 8. */
  readonly iterations?: number | undefined;
  /** Default 0. */
  readonly seed?: number | undefined;
  /** Threads of the matrix product; default: the number of cores. */
  readonly threads?: number | undefined;
}

/** Rows by cells of one product: 8 MiB of float32, which the cache holds. */
const productsAtOnce = 2 ** 21;
/** Rows that are read one by one at a time. */
const rowsAtOnce = 4096;
const mostRowsPerCell = 256;

export function defaultCells(count: number): number {
  return Math.max(1, Math.round(2 * Math.sqrt(count)));
}

/**
 * Spherical k-means (Dhillon and Modha 2001) on a sample of the rows: each row goes to the centroid with the largest dot product,
 * and a centroid becomes its rows' mean at length 1. A cell that has lost all its rows begins again at the row
 * that fits worst in the largest cell.
 *
 * @throws VerbatimError when a row of the sample holds what is not a finite number, or an option is out of range
 */
export async function trainPartition(rows: VectorRows, options: PartitionOptions = {}): Promise<Partition> {
  const { dimension, count } = rows;
  const { iterations = 8, seed = 0, rowsPerCell = 64, threads, signal, onProgress } = options;
  const wanted = options.cells ?? defaultCells(count);
  for (const [name, value, most] of [
    ['cells', wanted, 2 ** 24],
    ['iterations', iterations, 1000],
    ['rows per cell', rowsPerCell, mostRowsPerCell],
  ] as const)
    if (!Number.isInteger(value) || value < 1 || value > most)
      throw new VerbatimError(`${name} must be a whole number from 1 to ${most}, not ${value}`, {
        exitCode: 2,
      });
  const random = createRandom(seed);
  const sample = await sampleRows(rows, Math.min(count, wanted * rowsPerCell), random, signal);
  const size = sample.length / dimension;
  const cells = Math.max(1, Math.min(wanted, size));
  let centroids: Float32Array = firstCentroids(sample, dimension, cells, random);
  if (size <= cells) return { dimension, cells, centroids };
  const step = rowsPerRun(cells);
  const blocks = Array.from({ length: Math.ceil(size / step) }, (_, i) =>
    floatTensor(
      [Math.min(size, (i + 1) * step) - i * step, dimension],
      sample.slice(i * step * dimension, (i + 1) * step * dimension),
    ),
  );
  const session = await openNearest('float32', dimension, cells, 1, threads, signal);
  try {
    for (let iteration = 0; iteration < iterations; iteration++) {
      await session.hold({ centroids: floatTensor([cells, dimension], centroids) });
      const means = startMeans(cells, dimension);
      await inTurn(blocks.length, {
        run: async (i) => session.run({ block: blocks[i]! }, { lend: ['block'] }),
        take(i, result) {
          blocks[i] = result['block'] as Tensor<'float32'>;
          addRows(means, blocks[i]!.data, result, i * step);
          onProgress?.((iteration + (i + 1) / blocks.length) / iterations);
        },
        signal,
      });
      const row = (at: number) =>
        blocks[Math.floor(at / step)]!.data.subarray((at % step) * dimension, ((at % step) + 1) * dimension);
      centroids = nextCentroids(means, centroids, dimension, row);
    }
  } finally {
    await session.close();
  }
  return { dimension, cells, centroids };
}

/** Rows at length 1, one of each of `size` equal stretches of the collection; without those that are all 0. */
async function sampleRows(
  rows: VectorRows,
  size: number,
  random: Random,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const { count, dimension } = rows;
  const begin = (i: number) => Math.floor((i * count) / size);
  const sample = new Float32Array(size * dimension);
  let kept = 0;
  for (let from = 0; from < size; from += rowsAtOnce) {
    signal?.throwIfAborted();
    const positions = Array.from(
      { length: Math.min(size, from + rowsAtOnce) - from },
      (_, i) => begin(from + i) + random.integer(begin(from + i + 1) - begin(from + i)),
    );
    const values = await rows.rows(positions);
    for (const [i, position] of positions.entries()) {
      const target = sample.subarray(kept * dimension, (kept + 1) * dimension);
      target.set(values.subarray(i * dimension, (i + 1) * dimension));
      const length = Math.sqrt(toLengthOne(target));
      if (!Number.isFinite(length))
        throw new VerbatimError(`vector ${position} holds a value that is not a finite number`);
      if (length > 0) kept++;
    }
  }
  return sample.subarray(0, kept * dimension);
}

/** Scales values to length 1, but leaves zeros; gives the sum of squares that they had. */
function toLengthOne(values: Float32Array | Float64Array): number {
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += values[i]! * values[i]!;
  const scale = squares > 0 ? 1 / Math.sqrt(squares) : 1;
  for (let i = 0; i < values.length; i++) values[i]! *= scale;
  return squares;
}

function firstCentroids(sample: Float32Array, dimension: number, cells: number, random: Random) {
  const size = sample.length / dimension;
  const centroids = new Float32Array(cells * dimension);
  // Rows that are all 0 have no direction: one cell in any direction holds nothing.
  if (size === 0) centroids[0] = 1;
  const chosen = random.shuffle(Array.from({ length: size }, (_, i) => i)).slice(0, cells);
  for (const [cell, row] of chosen.entries())
    centroids.set(sample.subarray(row * dimension, (row + 1) * dimension), cell * dimension);
  return centroids;
}

interface Means {
  readonly sums: Float64Array;
  readonly counts: Uint32Array;
  /** Of each cell the row that is least similar to its centroid, and how similar it is. */
  readonly worst: Uint32Array;
  readonly least: Float32Array;
}

function startMeans(cells: number, dimension: number): Means {
  return {
    sums: new Float64Array(cells * dimension),
    counts: new Uint32Array(cells),
    worst: new Uint32Array(cells),
    least: new Float32Array(cells).fill(Number.POSITIVE_INFINITY),
  };
}

function addRows(means: Means, rows: Float32Array, result: Record<string, Tensor>, first: number): void {
  const cells = result['cells']!.data as BigInt64Array;
  const similarities = result['similarities']!.data as Float32Array;
  const dimension = rows.length / cells.length;
  const { sums, counts, worst, least } = means;
  for (let row = 0; row < cells.length; row++) {
    const cell = Number(cells[row]);
    counts[cell]!++;
    if (similarities[row]! < least[cell]!) {
      least[cell] = similarities[row]!;
      worst[cell] = first + row;
    }
    const [to, from] = [cell * dimension, row * dimension];
    for (let i = 0; i < dimension; i++) sums[to + i]! += rows[from + i]!;
  }
}

function nextCentroids(
  { sums, counts, worst }: Means,
  before: Float32Array,
  dimension: number,
  row: (at: number) => Float32Array,
): Float32Array {
  const centroids = new Float32Array(sums.length);
  const sizes = counts.slice();
  for (let cell = 0; cell < counts.length; cell++) {
    const target = centroids.subarray(cell * dimension, (cell + 1) * dimension);
    if (counts[cell] === 0) {
      const largest = sizes.reduce((best, size, at) => (size > sizes[best]! ? at : best), 0);
      target.set(row(worst[largest]!));
      sizes[largest] = 0;
    } else {
      const sum = sums.subarray(cell * dimension, (cell + 1) * dimension);
      // Rows that cancel each other out have no mean direction: the cell stays where it was.
      if (toLengthOne(sum) > 0) target.set(sum);
      else target.set(before.subarray(cell * dimension, (cell + 1) * dimension));
    }
  }
  return centroids;
}

/** The cells that rows are nearest to. */
export interface Assignments {
  /** Cells that are known of each row, the nearest first. */
  readonly probes: number;
  /** [rows, probes]; `noCell` for a row that is all 0. */
  readonly cells: Uint32Array;
  /** [rows, probes]: cosine of row and centroid, as float32 arithmetic has it. */
  readonly similarities: Float32Array;
  /** Length of each row. */
  readonly lengths: Float32Array;
}

export const noCell = 0xffffffff;

/**
 * For the rows from … to − 1 (all by default) the cells that each is nearest to.
 *
 * @throws VerbatimError when a row holds what is not a finite number, or the rows are of another dimension
 */
export async function assignRows(
  rows: VectorRows,
  partition: Partition,
  options: SearchOptions & {
    readonly probes?: number | undefined;
    readonly from?: number | undefined;
    readonly to?: number | undefined;
    readonly threads?: number | undefined;
  } = {},
): Promise<Assignments> {
  const { count, dimension, blockRows } = rows;
  const { from = 0, to = count, threads, signal, onProgress } = options;
  const probes = Math.min(options.probes ?? defaultProbes, partition.cells);
  if (partition.dimension !== dimension)
    throw new VerbatimError(
      `the partition is of vectors of ${partition.dimension} values, but there are ones of ${dimension}; train it again`,
    );
  const size = Math.max(0, to - from);
  const assignments: Assignments = {
    probes,
    cells: new Uint32Array(size * probes),
    similarities: new Float32Array(size * probes),
    lengths: new Float32Array(size),
  };
  if (size === 0) return assignments;
  const session = await openNearest(rows.dtype, dimension, partition.cells, probes, threads, signal);
  try {
    await session.hold({ centroids: floatTensor([partition.cells, dimension], partition.centroids) });
    const step = rowsPerRun(partition.cells);
    for (let at = Math.floor(from / blockRows); at * blockRows < to; at++) {
      const block = await rows.block(at);
      const first = Math.max(from, at * blockRows);
      const end = Math.min(to, (at + 1) * blockRows);
      const data = block.data as Float32Array | Uint16Array;
      await inTurn(Math.ceil((end - first) / step), {
        run(i) {
          const begin = first + i * step - at * blockRows;
          const part = data.slice(
            begin * dimension,
            Math.min(begin + step, end - at * blockRows) * dimension,
          );
          const shape = [part.length / dimension, dimension];
          return session.run(
            { block: { dtype: rows.dtype, shape, data: part } as Tensor },
            { lend: ['block'] },
          );
        },
        take: (i, result) => takeNearest(assignments, result, first - from + i * step, from),
        signal,
      });
      rows.giveBack(at, block);
      onProgress?.((end - from) / size);
    }
  } finally {
    await session.close();
  }
  return assignments;
}

/** Cells of a row that are known at most: which of them it visits are the bits of a word, without the one that would be its sign. */
export const mostProbes = 31;
/** Measured (docs/search.md): half as many miss ten times as many pairs and save a fifth of the time. */
export const defaultProbes = mostProbes;

function takeNearest(into: Assignments, result: Record<string, Tensor>, first: number, from: number): void {
  const { probes, cells, similarities, lengths } = into;
  const nearest = result['cells']!.data as BigInt64Array;
  const products = result['similarities']!.data as Float32Array;
  const squares = result['squares']!.data as Float32Array;
  setLengths(lengths, first, squares, from);
  for (let row = 0; row < squares.length; row++) {
    const length = lengths[first + row]!;
    for (let i = 0; i < probes; i++) {
      const at = (first + row) * probes + i;
      cells[at] = length > 0 ? Number(nearest[row * probes + i]) : noCell;
      similarities[at] = length > 0 ? products[row * probes + i]! / length : 0;
    }
  }
}

function rowsPerRun(cells: number): number {
  return Math.max(64, Math.min(4096, Math.floor(productsAtOnce / cells)));
}

/** One run is under way while the one before it is looked at. */
async function inTurn(
  count: number,
  {
    run,
    take,
    signal,
  }: {
    readonly run: (i: number) => Promise<Record<string, Tensor>>;
    readonly take: (i: number, result: Record<string, Tensor>) => void;
    readonly signal: AbortSignal | undefined;
  },
): Promise<void> {
  let before: Promise<Record<string, Tensor>> | undefined;
  for (let i = 0; i <= count; i++) {
    signal?.throwIfAborted();
    const running = i < count ? run(i) : undefined;
    running?.catch(() => {});
    if (before) take(i - 1, await before);
    before = running;
  }
}

async function openNearest(
  dtype: VectorDType,
  dimension: number,
  cells: number,
  probes: number,
  threads: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Session> {
  return openSession(nearestModel(dtype, dimension, cells, probes), {
    provider: 'cpu',
    ...(threads !== undefined && { threads }),
    ...(signal && { signal }),
  });
}

/** block [n, d] · centroidsᵀ [d, cells]: the largest of each row and where they are, and the rows' squared lengths. */
function nearestModel(dtype: VectorDType, dimension: number, cells: number, probes: number): Model {
  const graph = createGraph();
  const block = cast(input(graph, 'block', dtype, ['n', dimension]), 'float32');
  const centroids = input(graph, 'centroids', 'float32', [cells, dimension]);
  const { values, indices } = topK(gemm(block, centroids, { transB: true }), probes);
  const squares = reduceSum(mul(block, block), [1]);
  return model(graph, { cells: indices, similarities: values, squares });
}
