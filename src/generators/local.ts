import { generate, oneStep, type Pipeline, type SeededNoise, seededNoise } from '../diffusion/index.ts';
import type { Generator } from './types.ts';

/** Which generator makes the noise of all stages: the `noise` column. */
export const noiseName = 'torch-cpu';

/** One generator per seed, so a picture depends on its own seed only, whatever it was batched with. */
export const auditNoise: SeededNoise = seededNoise(noiseName);

export interface LocalOptions {
  /** Counts what the pipeline's denoiser computes. */
  readonly meter: { readonly evaluations: number };
  /** Pictures that are sampled together. Default 16. */
  readonly batch?: number;
}

/** A pipeline on this machine as a generator: the one that shows more than pictures. */
export function localGenerator(pipeline: Pipeline, { meter, batch = 16 }: LocalOptions): Generator {
  return {
    kind: 'local',
    name: pipeline.name,
    digest: pipeline.digest,
    capabilities: { seeds: true, steps: true, guidance: true, sampler: true, oneStep: true, batch },
    guidance: pipeline.guidance,
    pictureSize: pipeline.pictureSize,
    noise: noiseName,
    together: batch,
    meter,
    pipeline,
    async pictures(tasks, { steps, sampler, guidance }, signal) {
      const options = {
        captions: tasks.map(({ caption }) => caption),
        seeds: tasks.map(({ seed }) => seed),
        noise: auditNoise,
        guidance,
      };
      const before = meter.evaluations;
      const { pictures } =
        steps === 1
          ? await oneStep(pipeline, options)
          : await generate(pipeline, { ...options, steps, sampler, batch, ...(signal && { signal }) });
      const spent = meter.evaluations - before;
      // What a batch shares is spread over its pictures in whole evaluations; the sum is exact.
      const share = (i: number) => Math.floor((spent * i) / tasks.length);
      return pictures.map((picture, i) => ({ picture, evaluations: share(i + 1) - share(i) }));
    },
    close: () => pipeline.close(),
  };
}
