import { type Pipeline, seededNoise } from '../diffusion/index.ts';
import type { AuditConfig } from './config.ts';
import type { AuditData } from './data.ts';
import type { RunFolder } from './run-folder.ts';
import type { StageProgress } from './stage.ts';

/** What every stage of an audit works with. */
export interface StageInput {
  readonly config: AuditConfig;
  readonly folder: RunFolder;
  readonly data: AuditData;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: StageProgress) => void) | undefined;
}

/** What the stages that ask the model work with. */
export interface ModelInput extends StageInput {
  readonly pipeline: Pipeline;
  /** Counts what the pipeline's denoiser computes. */
  readonly meter: { readonly evaluations: number };
}

/** Which generator makes the noise of all stages: the `noise` column. */
export const noiseName = 'torch-cpu';

/**
 * The noise of all stages: one generator per seed, so a picture depends on its own seed only, whatever it
 * was batched with.
 */
export const auditNoise = seededNoise(noiseName);
