import type { Pipeline, SeededNoise } from '../diffusion/index.ts';
import { concatBatch } from '../diffusion/index.ts';
import { noiseFor, torchGenerator } from '../noise/index.ts';
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
 * The noise of all stages: torch's CPU generator, one per seed, whose stream goes on for the later draws of
 * a stochastic sampler. So a picture depends on its own seed only, whatever it was batched with.
 */
export const auditNoise: SeededNoise = (seeds, shape, draw) => {
  if (draw === 0) return noiseFor(seeds, shape, noiseName);
  const rows = seeds.map((seed) => {
    const generator = torchGenerator(seed);
    for (let before = 0; before < draw; before += 1) generator.randn(shape);
    return generator.randn([1, ...shape]);
  });
  return concatBatch(rows);
};
