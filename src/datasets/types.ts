import type { Picture } from '../images/index.ts';

/** One row of a dataset: what the training set says of one picture, without the pixels. */
export interface DatasetRow {
  /** Position in the dataset, 0-based. */
  readonly index: number;
  /** Unique within the dataset; never used as a path. */
  readonly key: string;
  readonly caption: string;
  /**
   * Why the row is known to have no picture (a download that failed, a member that is missing); absent where it
   * has one as far as is known without reading it. picture() throws the same.
   */
  readonly error?: string;
  /** How often the model saw the picture, where the dataset says so. */
  readonly copies?: number;
}

/** A stretch of rows that is stored together: a tar, a Parquet file, a top-level folder of pictures. */
export interface DatasetShard {
  /** Unique in the dataset, the same when others are added: the file's name without its ending, relative. */
  readonly name: string;
  /** Rows [from, to) of the dataset. */
  readonly from: number;
  readonly to: number;
  /** SHA-256 over what it holds, hex (see fileDigest). */
  readonly digest: string;
}

/** What could not be opened and was left out: never silent. */
export interface DatasetProblem {
  /** File, row or member. */
  readonly where: string;
  readonly what: string;
  /** Rows lost, where that is known. */
  readonly rows: number | null;
}

/** Precomputed vectors, one per row without `error`, in order. */
export interface DatasetEmbeddings {
  /** NumPy files (.npy), one per shard, float16 or float32 [rows of that shard, dimension]; row i of a file is row i of the shard. */
  readonly paths: readonly string[];
}

export interface CopyOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** A captioned picture set that can be listed in order and looked into at random. */
export interface Dataset {
  readonly name: string;
  /** SHA-256 over the format, the options that matter and the shards' names and digests, hex; or over what it is generated from. */
  readonly digest: string;
  readonly size: number;
  /** The format's name. */
  readonly format: string;
  /** In order; together they are all rows. */
  readonly shards: readonly DatasetShard[];
  readonly problems: readonly DatasetProblem[];
  /** False where it holds captions (or vectors) alone: picture() then throws a line that says so. */
  readonly hasPictures: boolean;
  readonly embeddings?: DatasetEmbeddings;
  /** Who decodes what encoded() gives refuses pictures with more pixels, as picture() does; absent: the decoder's own limit. */
  readonly maxPixels?: number;
  rows(from?: number, to?: number): AsyncIterable<DatasetRow>;
  /** Throws a VerbatimError that names the row when its picture cannot be read. */
  picture(index: number): Promise<Picture>;
  /** The bytes of the picture's file as stored; absent where pictures are drawn. Throws as picture(). */
  encoded?(index: number): Promise<Uint8Array>;
  /** The row with that key, or undefined. */
  find(key: string): Promise<number | undefined>;
  /**
   * Writes the rows that `keep` chooses into a new folder (or file) in the same format; whole or not at all per
   * file. Absent where pictures are drawn.
   */
  copyTo?(output: string, keep: (index: number) => boolean, options?: CopyOptions): Promise<{ rows: number }>;
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

/** Whether a picture stands alone, or is a variant of a family. */
export type BeyondKind = 'single' | 'template';

/** A planted set: distinct pictures, their captions, and which twin sees each how often. */
export interface PlantedSet {
  readonly name: string;
  readonly digest: string;
  /** Side of the square pictures in pixels. */
  readonly size: number;
  readonly pictureCount: number;
  readonly truth: readonly TruthRow[];
  /**
   * Further captions of the same source whose pictures stand nowhere in the set: neither twin sees them. Of single pictures, as
   * held-out ones are, or of template families, one of each: those have captions of another make. All differ from each other
   * and from those of the set; more of them begin with the same. Fewer than `count` where the source has no more pictures.
   */
  beyond(count: number, kind: BeyondKind): readonly { readonly key: string; readonly caption: string }[];
  /** Deterministic: the same index gives the same bytes on every machine. */
  picture(index: number): Promise<Picture>;
}
