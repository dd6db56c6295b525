import type { LossQueries } from '../../attacks/index.ts';
import type { Pipeline, SamplerName } from '../../diffusion/index.ts';
import type { Precision } from '../../graph/index.ts';
import type { Mask, Picture } from '../../images/index.ts';
import type { Meter, Provider } from '../../runtime/index.ts';
import type { RunDescription } from '../run-folder.ts';
import type { StageProgress } from '../stage.ts';

/** A picture that is asked about, before it is read. */
export interface MembershipItem {
  readonly source: number;
  readonly key: string;
  readonly caption: string;
  readonly member: boolean;
  readonly copies: number | null;
  /** Row in the shadows' pool; undefined: to be found by its pixels. */
  readonly pool: number | undefined;
  /** @throws VerbatimError where it cannot be read */
  picture(): Promise<Picture>;
}

export interface ShadowModel {
  readonly name: string;
  readonly folder: string;
  /** Rows of the pool, and how often it saw each. */
  readonly trainedOn: ReadonlyMap<number, number>;
}

/** What an attack is measured on: pictures whose membership is known, a model, and models of the same kind. */
export interface MembershipSource {
  readonly name: string;
  readonly digest: string;
  readonly heldOut: RunDescription['heldOut'];
  readonly target: { readonly name: string; readonly folder: string };
  readonly items: readonly MembershipItem[];
  readonly shadows: readonly ShadowModel[];
  /** Where every shadow model is the target in turn, with the others as its shadows: all of them, `target` first. */
  readonly inTurn?: readonly ShadowModel[];
  /** The pool that shadows were trained on parts of; undefined without shadows. */
  readonly pool:
    | { readonly size: number; readonly digest: string; picture(index: number): Promise<Picture> }
    | undefined;
  close(): Promise<void>;
}

export interface InpaintingSettings {
  /** The region that is completed, at the model's picture size, and what the user called it. */
  readonly mask: Mask;
  readonly maskName: string;
  readonly completions: number;
  readonly keep: number;
  readonly steps: number;
  readonly sampler: SamplerName;
  readonly guidance: number;
  readonly resample: { readonly jump: number; readonly times: number };
}

export interface MembershipOptions {
  readonly source: MembershipSource;
  /** For the inpainting attack: of the loss by which completions are ranked. */
  readonly queries: LossQueries;
  /** Given: the inpainting attack instead of those by losses; made for the target that was opened. */
  readonly inpainting?: (pipeline: Pipeline) => Promise<InpaintingSettings> | InpaintingSettings;
  /** Opens a model's folder with the meter. */
  readonly open: (folder: string) => Promise<Pipeline>;
  readonly meter: Pick<Meter, 'evaluations'>;
  readonly output: string;
  /** Pictures of another size are resized and cropped; otherwise they are refused. */
  readonly fit: boolean;
  readonly limit: number | undefined;
  readonly seed: number;
  /** Samples computed together. */
  readonly batch: number;
  /** What runs the models, and in which precision: they are part of the result, as losses differ in their last digits. */
  readonly provider: Provider | 'auto';
  readonly precision: Precision;
  readonly verbatim: string;
  readonly versions: RunDescription['versions'];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StageProgress) => void;
}
