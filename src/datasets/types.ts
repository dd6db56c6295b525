import type { Picture } from '../images/index.ts';

/** One row of a dataset: what the training set says of one picture, without the pixels. */
export interface DatasetRow {
  /** Position in the dataset, 0-based. */
  readonly index: number;
  /** Unique within the dataset; never used as a path. */
  readonly key: string;
  readonly caption: string;
}

/** A captioned picture set that can be listed in order and looked into at random. */
export interface Dataset {
  readonly name: string;
  /** SHA-256 over what the dataset contains or is generated from, hex. */
  readonly digest: string;
  readonly size: number;
  rows(from?: number, to?: number): AsyncIterable<DatasetRow>;
  /** Throws a VerbatimError that names the row when its picture cannot be read. */
  picture(index: number): Promise<Picture>;
  close(): Promise<void>;
}

/** What the truth of a planted item is. */
export type PlantedKind = 'duplicate' | 'template' | 'unique' | 'held-out';
/** Which twin was trained on it. 'none' for held-out items. */
export type Membership = 'A' | 'B' | 'both' | 'none';

/**
 * One row per distinct (picture, caption): the planted truth. Columns of truth.parquet in snake case.
 */
export interface TruthRow {
  /** Unique: 'duplicate-0012-c1', 'template-003-v017', 'unique-001234', 'held-out-00031'. */
  readonly key: string;
  readonly kind: PlantedKind;
  readonly twin: Membership;
  /** The planted group or family, e.g. 'duplicate-0012'; the key itself for uniques and held-outs. */
  readonly group: string;
  readonly caption: string;
  /** The kind of picture ('flag', 'film-poster', …): the classes of the sample-quality classifier. */
  readonly scene: string;
  /** How often this (picture, caption) stands in the twin's training set. */
  readonly repeats: number;
  /** How often the group's picture stands there under any caption (a template: its number of variants). */
  readonly copies: number;
  /** Index of the picture among the distinct pictures of the planted set. */
  readonly pictureIndex: number;
  /** Templates: the region that varies, pixels [x, y, width, height]. */
  readonly region: readonly [number, number, number, number] | undefined;
}

/** A planted set: distinct pictures, their captions, and which twin sees each how often. */
export interface PlantedSet {
  readonly name: string;
  readonly digest: string;
  /** Side of the square pictures in pixels. */
  readonly size: number;
  readonly pictureCount: number;
  readonly truth: readonly TruthRow[];
  /** Deterministic: the same index gives the same bytes on every machine. */
  picture(index: number): Promise<Picture>;
}
