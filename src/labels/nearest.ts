import { VerbatimError } from '../errors.ts';
import { type Picture, squaredDifference } from '../images/index.ts';
import { floatTensor } from '../math/index.ts';
import { rmsOf } from './distances.ts';
import { openProduct } from './product.ts';
import type { PictureCollection } from './types.ts';
import { pictureView } from './view.ts';

/** The training picture that is nearest to a query. */
export interface Neighbour {
  /** Position in the collection; of equally near ones the lowest. */
  readonly index: number;
  /** RMS of the difference, values in [0, 1]. */
  readonly distance: number;
}

export interface NearestOptions {
  /** Training pictures that are in memory at once. Default: as many as fit 32 MiB of float32. */
  readonly blockPictures?: number;
  /** Queries compared at once; the rest wait for another pass. Default: as many as fit 128 MiB. */
  readonly queryPictures?: number;
  /** Of each query the position of a picture that it is not compared with: itself, where it is of the collection. */
  readonly except?: readonly number[];
  /** Threads of the matrix product; default: the number of cores. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** Called after each block with the share of the work that is done, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

export interface NearestResult {
  /** One per query; null when no training picture could be read. */
  readonly neighbours: readonly (Neighbour | null)[];
  /** Training pictures that could not be read: they match nothing. */
  readonly unreadable: readonly { readonly index: number; readonly error: string }[];
}

/**
 * The nearest training picture of every query, exactly.
 *
 * All queries must have one size; training pictures of another size are brought to it (`pictureView`). The
 * training set streams by in blocks. ‖a − b‖² = ‖a‖² + ‖b‖² − 2⟨a, b⟩: the engine computes ⟨a, b⟩ for all
 * pairs of a block in float32, which bounds every distance from both sides; the pairs that can still be
 * the nearest are compared in exact integers. So the answer does not depend on the blocks, the threads or
 * the order of the engine's additions.
 */
export async function nearestPictures(
  queries: readonly Picture[],
  collection: PictureCollection,
  options: NearestOptions = {},
): Promise<NearestResult> {
  const first = queries[0];
  if (first === undefined) return { neighbours: [], unreadable: [] };
  if (collection.size === 0)
    throw new VerbatimError('the training set holds no pictures; nothing can be compared with it');
  const { width, height } = first;
  queries.forEach((query, i) => {
    if (query.width !== width || query.height !== height)
      throw new VerbatimError(
        `picture ${i} to be compared is ${query.width}×${query.height}, the first one ${width}×${height}; compare one size at a time`,
      );
  });

  const values = width * height * 3;
  const perPass = options.queryPictures ?? Math.max(1, Math.floor((128 << 20) / (values * 4)));
  const perBlock =
    options.blockPictures ?? Math.max(1, Math.min(1024, Math.floor((32 << 20) / (values * 4))));
  const best = queries.map(() => ({ index: -1, squared: Number.POSITIVE_INFINITY }));
  const unreadable = new Map<number, string>();
  const passes = Math.ceil(queries.length / perPass);
  const blocks = Math.ceil(collection.size / perBlock);
  const product = await openProduct(values, options);
  try {
    for (let pass = 0; pass < passes; pass++) {
      const part = queries.slice(pass * perPass, (pass + 1) * perPass);
      const bests = best.slice(pass * perPass, (pass + 1) * perPass);
      const except = options.except?.slice(pass * perPass, (pass + 1) * perPass);
      const norms = part.map(squaredNorm);
      await product.setQueries(floatTensor([part.length, values], centredValues(part, values)));
      for (let block = 0; block < blocks; block++) {
        options.signal?.throwIfAborted();
        const from = block * perBlock;
        const to = Math.min(collection.size, from + perBlock);
        const read = await readBlock(collection, from, to, width, height, unreadable);
        if (read.pictures.length > 0) {
          const dots = await product.multiply(
            floatTensor([read.pictures.length, values], centredValues(read.pictures, values)),
          );
          improve({ queries: part, norms, except }, read, dots, bests, values);
        }
        options.onProgress?.((pass * blocks + block + 1) / (passes * blocks));
      }
    }
  } finally {
    await product.close();
  }
  return {
    neighbours: best.map(({ index, squared }) =>
      index === -1 ? null : { index, distance: rmsOf(squared, values) },
    ),
    unreadable: [...unreadable].map(([index, error]) => ({ index, error })).sort((a, b) => a.index - b.index),
  };
}

interface Block {
  readonly pictures: Picture[];
  readonly indices: number[];
}

async function readBlock(
  collection: PictureCollection,
  from: number,
  to: number,
  width: number,
  height: number,
  unreadable: Map<number, string>,
): Promise<Block> {
  const block: Block = { pictures: [], indices: [] };
  for (let index = from; index < to; index++) {
    if (unreadable.has(index)) continue;
    try {
      const picture = await collection.picture(index);
      block.pictures.push(pictureView(picture, { width, height }));
      block.indices.push(index);
    } catch (error) {
      unreadable.set(index, error instanceof Error ? error.message : String(error));
    }
  }
  return block;
}

/** 8-bit values moved to (v − 128) / 128: exact in float32, and small, which keeps the error bound small. */
function centredValues(pictures: readonly Picture[], values: number): Float32Array {
  const out = new Float32Array(pictures.length * values);
  pictures.forEach((picture, p) => {
    const { data } = picture;
    for (let i = 0, at = p * values; i < values; i++, at++) out[at] = (data[i]! - 128) / 128;
  });
  return out;
}

/** Σ (v − 128)², an exact integer. */
function squaredNorm(picture: Picture): number {
  let sum = 0;
  for (const value of picture.data) sum += (value - 128) * (value - 128);
  return sum;
}

interface Compared {
  readonly queries: readonly Picture[];
  readonly norms: readonly number[];
  readonly except: readonly number[] | undefined;
}

/**
 * Lets a block's pictures take over where they are nearer. `dots` [queries, block] are ⟨a, b⟩ in units of
 * 128². Any float32 summation of n products errs by at most n·u/(1 − n·u)·Σ|aᵢbᵢ| with u = 2⁻²⁴
 * (Higham 2002, eq. 3.5), and Σ|aᵢbᵢ| ≤ ‖a‖‖b‖: a pair whose lower bound lies above the best exact
 * distance cannot win. One product rounding more is covered by n + 1.
 */
function improve(
  { queries, norms, except }: Compared,
  block: Block,
  dots: Float32Array,
  bests: { index: number; squared: number }[],
  values: number,
): void {
  const width = block.pictures.length;
  const blockNorms = block.pictures.map(squaredNorm);
  const nu = (values + 1) * 2 ** -24;
  if (nu >= 0.5)
    throw new VerbatimError(
      `pictures of ${values} values are too large for an exact search; make them smaller`,
    );
  const gamma = nu / (1 - nu);
  const lower = new Float64Array(width);
  for (const [q, query] of queries.entries()) {
    const best = bests[q]!;
    const norm = norms[q]!;
    let promising = 0;
    for (let b = 0; b < width; b++) {
      const blockNorm = blockNorms[b]!;
      const slack = 2 * gamma * Math.sqrt(norm * blockNorm);
      lower[b] =
        except !== undefined && block.indices[b] === except[q]
          ? Number.POSITIVE_INFINITY
          : norm + blockNorm - 2 * 16384 * dots[q * width + b]! - slack;
      if (lower[b]! < lower[promising]!) promising = b;
    }
    // The most promising pair first: its exact distance rules out nearly all others.
    if (lower[promising]! < Number.POSITIVE_INFINITY) take(promising);
    for (let b = 0; b < width; b++)
      if (lower[b]! <= best.squared && lower[b]! < Number.POSITIVE_INFINITY && b !== promising) take(b);

    function take(b: number): void {
      const index = block.indices[b]!;
      const squared = squaredDifference(query, block.pictures[b]!, best.squared);
      if (squared < best.squared || (squared === best.squared && index < best.index))
        Object.assign(best, { index, squared });
    }
  }
}
