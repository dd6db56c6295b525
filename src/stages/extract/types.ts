import type { Dataset } from '../../datasets/index.ts';
import type { PictureOrError } from '../../images/index.ts';
import type { PictureSize } from '../../labels/index.ts';
import type { HeldOut } from '../data.ts';
import type { RunDescription, RunFolder } from '../run-folder.ts';
import type { StageProgress } from '../stage.ts';

/** A generated picture, or why there is none. */
export interface GeneratedItem {
  readonly picture: PictureOrError;
  /** What makes it again; null where nothing does. */
  readonly seed: bigint | null;
  /** What it is called where it came from; null where a seed says all. */
  readonly key: string | null;
  readonly evaluations: number;
}

/** Where generated pictures come from: a model without captions, by seed, or a folder of them. */
export interface PictureMaker {
  readonly name: string;
  /** SHA-256, hex: of the weights, or of the folder's content. */
  readonly digest: string;
  /** Whether a seed makes a picture again. */
  readonly reproducible: boolean;
  /** How many there are; undefined where there are as many as are asked for. */
  readonly count?: number;
  /** Of its pictures; of a folder that of the first one that can be read. */
  readonly size: PictureSize;
  /** Most pictures of one call. */
  readonly batch: number;
  readonly meter: { readonly evaluations: number };
  /** Pictures [from, to), counted from 0. What it throws ends the run. */
  make(from: number, to: number, signal?: AbortSignal): Promise<readonly GeneratedItem[]>;
}

/** What decides an extraction beside model and data. */
export interface ExtractConfig {
  /** Generated pictures. */
  readonly samples: number;
  /** n: training pictures whose mean distance is the background. At least 2. */
  readonly neighbours: number;
  /** α. */
  readonly alpha: number;
  /** Generated pictures that may be counted as extracted by chance, where held-out pictures say what chance does. */
  readonly falsePositives: number;
  /** The largest normalised distance that counts as extracted; the only one without held-out pictures. */
  readonly threshold: number;
  /** Whether pictures are also compared mirrored, left and right exchanged: for models that were trained with flips. */
  readonly mirror: boolean;
  /** The longer side at which pictures are compared at most, pixels. */
  readonly side: number;
  /** Generated pictures per shard: what a kill can cost. */
  readonly shardSize: number;
  /** How the pictures are made, for run.json: seed, steps, sampler, batch. */
  readonly synthesis: Readonly<Record<string, number | string>>;
}

export interface ExtractOptions {
  readonly maker: PictureMaker;
  readonly training: Dataset;
  /** Pictures of the same kind that the model never saw. */
  readonly heldOut?: HeldOut & { readonly name: string };
  readonly config: ExtractConfig;
  readonly output: string;
  readonly threads?: number;
  readonly verbatim: string;
  readonly versions: RunDescription['versions'];
  readonly signal?: AbortSignal;
  readonly onOpen?: (resumed: boolean) => void;
  readonly onProgress?: (progress: StageProgress) => void;
}

/** What the stages work with. */
export interface ExtractInput extends ExtractOptions {
  readonly folder: RunFolder;
  /** At which pictures are compared. */
  readonly size: PictureSize;
}
