import type { Pipeline, SamplerName } from '../diffusion/index.ts';
import type { PictureOrError } from '../images/index.ts';

/** What can be asked of a generator. What is not here is not asked: see `requireCapabilities`. */
export interface GeneratorCapabilities {
  /** A seed is taken, and the same seed gives the same picture. */
  readonly seeds: boolean;
  readonly steps: boolean;
  readonly guidance: boolean;
  readonly sampler: boolean;
  /** One step from the largest noise to a picture can be asked for. */
  readonly oneStep: boolean;
  /** Pictures of one caption that one request may bring. */
  readonly batch: number;
}

/** One picture to make. Where seeds mean nothing, they still tell the samples of a caption apart. */
export interface PictureTask {
  readonly caption: string;
  readonly seed: number;
}

/** How the pictures of one call are made; what a generator cannot be told, it ignores. */
export interface PictureSettings {
  /** 1 is one step to the clean estimate. */
  readonly steps: number;
  readonly sampler: SamplerName;
  readonly guidance: number;
  /** The seed of a caption's first sample. */
  readonly firstSeed: number;
}

export interface MadePicture {
  readonly picture: PictureOrError;
  /** Evaluations that belong to this picture; for services what its settings come to, as far as they are known. */
  readonly evaluations: number;
}

/** Where the pictures of an audit come from. */
export interface Generator {
  readonly kind: string;
  readonly name: string;
  /** SHA-256, hex: of the weights, or for a service of what decides its pictures as far as we can say. */
  readonly digest: string;
  readonly capabilities: GeneratorCapabilities;
  /** The guidance where an audit names none. */
  readonly guidance: number;
  /** Height and width in pixels that pictures are compared at. */
  readonly pictureSize: readonly [height: number, width: number];
  /** Which generator makes the noise of a seed: the `noise` column. */
  readonly noise: string;
  /** Most tasks of one call; undefined where a call may have any number. */
  readonly together: number | undefined;
  /** Whether there may be pictures of a caption; absent where there may be of any. */
  readonly has?: (caption: string) => boolean;
  /** What one picture costs, in the user's currency; absent where nothing is paid or nobody has said. */
  readonly pricePerPicture?: number;
  /** The run stops before it has spent more. */
  readonly moneyLimit?: number;
  /** Counts evaluations as they are spent. */
  readonly meter: { readonly evaluations: number };
  /** The network itself, where there is one: attacks that ask the denoiser need it. */
  readonly pipeline?: Pipeline;
  /**
   * One picture per task, in the tasks' order, or why there is none. What it throws concerns all of the tasks; an error
   * with `isStop` ends the run, which goes on later.
   */
  pictures(
    tasks: readonly PictureTask[],
    settings: PictureSettings,
    signal?: AbortSignal,
  ): Promise<readonly MadePicture[]>;
  close(): Promise<void>;
}

/** Noise that nobody can repeat: the `noise` column of runs that are not reproducible. */
export const notReproducible = 'not reproducible';
