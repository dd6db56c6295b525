import {
  generate,
  type NoiseOption,
  oneStep,
  type Pipeline,
  type SeededNoise,
  seededNoise,
} from '../diffusion/index.ts';
import type { Seed } from '../noise/index.ts';
import type { Generator, MadePicture, PictureSettings } from './types.ts';

/** Which generator makes the noise of all stages: the `noise` column. */
export const noiseName = 'torch-cpu';

/** One generator per seed, so a picture depends on its own seed only, whatever it was batched with. */
export const auditNoise: SeededNoise = seededNoise(noiseName);

interface SampleOptions {
  /** Counts what the pipeline's denoiser computes. */
  readonly meter: { readonly evaluations: number };
  readonly noise: NoiseOption;
  /** Pictures that are sampled together. */
  readonly batch: number;
  readonly signal?: AbortSignal;
}

export interface LocalOptions {
  /** Counts what the pipeline's denoiser computes. */
  readonly meter: { readonly evaluations: number };
  /** Pictures that are sampled together. Default 16. */
  readonly batch?: number;
}

/**
 * Pictures of a pipeline, one per task, each with its share of the evaluations: what a batch shares is spread over its
 * pictures in whole evaluations; the sum is exact.
 */
export async function samplePictures(
  pipeline: Pipeline,
  tasks: readonly { readonly caption: string; readonly seed: Seed }[],
  { steps, sampler, guidance }: Pick<PictureSettings, 'steps' | 'sampler' | 'guidance'>,
  { meter, noise, batch, signal }: SampleOptions,
): Promise<readonly MadePicture[]> {
  const common = {
    captions: tasks.map(({ caption }) => caption),
    seeds: tasks.map(({ seed }) => seed),
    noise,
    guidance,
  };
  const before = meter.evaluations;
  const { pictures } =
    steps === 1
      ? await oneStep(pipeline, common)
      : await generate(pipeline, { ...common, steps, sampler, batch, ...(signal && { signal }) });
  const spent = meter.evaluations - before;
  const share = (i: number) => Math.floor((spent * i) / tasks.length);
  return pictures.map((picture, i) => ({ picture, evaluations: share(i + 1) - share(i) }));
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
    pictures: (tasks, settings, signal) =>
      samplePictures(pipeline, tasks, settings, {
        meter,
        noise: auditNoise,
        batch,
        ...(signal && { signal }),
      }),
    close: () => pipeline.close(),
  };
}
