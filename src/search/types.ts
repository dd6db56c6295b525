import type { Tensor } from '../math/index.ts';

/** How the numbers of a collection of vectors are kept; float16 as raw bits. */
export type VectorDType = 'float32' | 'float16';

/**
 * Vectors in rows, cut into blocks that are looked at one after another, from files or from memory: the collection
 * need not fit in memory. Rows are what a descriptor gives: every chunk of length 1, or 0; of other rows `longest` says how long they may be.
 */
export interface VectorRows {
  readonly dtype: VectorDType;
  readonly count: number;
  /** Values per row. */
  readonly dimension: number;
  /** Rows per block; the last block has what is left. */
  readonly blockRows: number;
  /** No row is longer than this. Default 1. */
  readonly longest?: number;
  /**
   * The rows of a block, [rows, dimension], in a buffer of their own, which is given back when it is no longer
   * looked at: so the same few buffers, or the collection's own, serve the whole pass.
   */
  block(at: number): Promise<Tensor>;
  giveBack(at: number, rows: Tensor): void;
  /** Some rows by position, in that order, as float32 [positions, dimension]. Not while blocks are out. */
  rows(positions: readonly number[]): Promise<Float32Array>;
  /** The same rows in 8 bits, where they are kept: exact search then looks at those first. */
  readonly coded?: CodedRows | undefined;
  close(): Promise<void>;
}

/** 8-bit codes of rows (codes.ts), in blocks as `VectorRows` has them. */
export interface CodedRows {
  readonly count: number;
  readonly blockRows: number;
  block(at: number): Promise<CodedBlock>;
  giveBack(at: number, block: CodedBlock): void;
}

export interface CodedBlock {
  /** [rows, dimension], in a buffer of their own. */
  readonly codes: Tensor<'int8'>;
  /** [rows] */
  readonly scales: Tensor<'float32'>;
  /** Length of the longest row. */
  readonly longest: number;
  /** Length of the longest difference between a row and what its codes stand for. */
  readonly rest: number;
}

/** A row of the collection and how similar it is to a query. */
export interface Found {
  /** Its position. */
  readonly index: number;
  /** Dot product of the two rows: for rows of one chunk the cosine, in [−1, 1]. */
  readonly similarity: number;
}

export interface SearchOptions {
  readonly signal?: AbortSignal;
  /** Called after each block with the share of the work that is done, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/** Nearest neighbours among a collection: exact or approximate, one shape. */
export interface VectorSearch {
  readonly count: number;
  readonly dimension: number;
  /**
   * The `k` most similar rows of every query, the best first, equally similar ones by their position; all rows
   * where the collection is smaller.
   *
   * @param queries [n, dimension], row-major
   * @throws VerbatimError when they are of another dimension or hold what is not a number
   */
  search(queries: Float32Array, k: number, options?: SearchOptions): Promise<Found[][]>;
  close(): Promise<void>;
}
