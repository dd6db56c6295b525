import type { SamplerName } from '../../diffusion/index.ts';
import type { Picture } from '../../images/index.ts';
import type { NoiseSource } from '../../noise/index.ts';

/** How a picture was made, and is made again. */
export interface Making {
  readonly steps: number;
  readonly sampler: SamplerName;
  readonly guidance: number;
  readonly noise: NoiseSource;
}

/** What a picture is judged to be. */
export interface Judged {
  /** In the unit of the finding's rule. */
  readonly distance: number;
  readonly threshold: number;
  readonly verbatim: boolean;
}

/** One recorded picture of a finding: what it was made of, and how another picture is held against it. */
export interface RecordedPicture {
  /** Several pictures may belong to one finding. */
  readonly finding: string;
  readonly caption: string;
  readonly verdict: string;
  readonly rule: string;
  readonly seed: bigint;
  /** How it was made; a text says why nobody knows. */
  readonly making: Making | string;
  /** SHA-256 of the recorded picture and what it is; null where none is kept. */
  readonly image: string | null;
  readonly distance: number | null;
  readonly threshold: number | null;
  /** The recorded picture. @throws where it is kept and cannot be read */
  picture(): Promise<Picture | null>;
  /** Null where there is nothing to compare with. @throws VerbatimError where what should be there cannot be had */
  judge(picture: Picture): Promise<Judged | null>;
}

/** What is verified: a run's findings, or those of a published table. */
export interface RecordedFindings {
  /** For run.json: a name and a digest over all that is recorded. */
  readonly name: string;
  readonly digest: string;
  readonly pictures: readonly RecordedPicture[];
}
