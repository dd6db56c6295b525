import { VerbatimError } from '../errors.ts';
import type { PictureOrError } from '../images/index.ts';
import { concatBatch, floatTensor, gatherBatch, groupEqual, mapTensor, type Tensor } from '../math/index.ts';
import type { Seed } from '../noise/index.ts';
import { guided } from './guidance.ts';
import { type NoiseOption, seededNoise } from './noise.ts';
import type { Pipeline } from './pipeline.types.ts';
import { type SamplerName, type SamplerStep, samplerNamed } from './samplers/index.ts';
import { karrasSigmas, plainSigmas, type Spacing } from './spacing.ts';

export interface GenerateOptions {
  /** One per picture; the same caption may occur often. */
  readonly captions: readonly string[];
  /** One per picture. */
  readonly seeds: readonly Seed[];
  /** Default 'torch-cpu'. */
  readonly noise?: NoiseOption;
  /** Default 16. */
  readonly steps?: number;
  /** Default: the scale stored with the model. */
  readonly guidance?: number;
  /** Default 'heun'. */
  readonly sampler?: SamplerName;
  /** Default 'plain', as the reference synthesises what it labels. */
  readonly spacing?: Spacing;
  /** Pictures that are sampled together. Default 16. */
  readonly batch?: number;
  /** Fraction of fresh noise; stochastic samplers only. Default: the sampler's own. */
  readonly eta?: number;
  /** `done` counts finished pictures, `total` all. */
  readonly onStep?: (step: SamplerStep, progress: { done: number; total: number }) => void;
  readonly signal?: AbortSignal;
}

export interface Generated {
  /** [captions, c, h, w] as the denoiser sees them. */
  readonly latents: Tensor<'float32'>;
  /** One per caption; an error where the model gave something that is not a number. */
  readonly pictures: readonly PictureOrError[];
}

function checkLists(captions: readonly string[], seeds: readonly Seed[]): void {
  if (captions.length !== seeds.length)
    throw new VerbatimError(
      `Generation needs one seed per caption; got ${captions.length} captions and ${seeds.length} seeds.`,
    );
}

/** Text states [captions, tokens, width]; a caption that occurs twice in the list is encoded once. */
export async function encodeDistinct(
  pipeline: Pipeline,
  captions: readonly string[],
): Promise<Tensor<'float32'>> {
  const { distinct, group } = groupEqual(captions);
  return gatherBatch(await pipeline.encodeText(distinct), group);
}

/**
 * Samples one picture per (caption, seed). Each picture depends on its own caption and seed only, not on
 * the batch that it was sampled in, as far as the runtime computes samples independently. Costs
 * samplerCalls(sampler, steps) evaluations per picture, twice that with guidance other than 1, less what
 * pictures of the same seed share at σ_max.
 */
export async function generate(pipeline: Pipeline, options: GenerateOptions): Promise<Generated> {
  const { captions, seeds, steps = 16, sampler = 'heun', spacing = 'plain', batch = 16 } = options;
  const { denoiser } = pipeline;
  const noise = seededNoise(options.noise);
  const guidance = options.guidance ?? pipeline.guidance;
  const { sample } = samplerNamed(sampler);
  checkLists(captions, seeds);
  const sigmas =
    spacing === 'karras'
      ? karrasSigmas(steps, denoiser.sigmaMin, denoiser.sigmaMax)
      : plainSigmas(denoiser.sigmas, steps);
  const total = captions.length;
  if (total === 0) return { latents: floatTensor([0, ...denoiser.sampleShape]), pictures: [] };

  const unconditional = guidance === 1 ? undefined : await pipeline.encodeText(['']);
  const latents: Tensor<'float32'>[] = [];
  const pictures: PictureOrError[] = [];
  for (let from = 0; from < total; from += batch) {
    options.signal?.throwIfAborted();
    const own = seeds.slice(from, from + batch);
    const condition = await encodeDistinct(pipeline, captions.slice(from, from + batch));
    const start = noise(own, denoiser.sampleShape, 0);
    const denoise = guided(denoiser, condition, unconditional ?? condition, guidance);
    const result = await sample(
      denoise,
      mapTensor(start, (value) => value * sigmas[0]!),
      sigmas,
      {
        noise: (index) => noise(own, denoiser.sampleShape, index + 1),
        onStep: (step) => options.onStep?.(step, { done: from, total }),
        ...(options.eta === undefined ? {} : { eta: options.eta }),
        ...(options.signal ? { signal: options.signal } : {}),
      },
    );
    latents.push(result);
    pictures.push(...(await pipeline.decode(result)));
  }
  return { latents: concatBatch(latents), pictures };
}

export interface OneStepOptions {
  readonly captions: readonly string[];
  readonly seeds: readonly Seed[];
  /** Default 'torch-cpu'. */
  readonly noise?: NoiseOption;
  /** Default: the scale stored with the model. */
  readonly guidance?: number;
}

/**
 * One step from σ_max to 0, which is the clean estimate itself: `D(σ_max·ε, σ_max, c)`. Never a
 * scheduler's spacing, whose only step may start where nothing is left to denoise.
 */
export async function oneStep(pipeline: Pipeline, options: OneStepOptions): Promise<Generated> {
  const { captions, seeds } = options;
  const noise = seededNoise(options.noise);
  const { denoiser } = pipeline;
  checkLists(captions, seeds);
  if (captions.length === 0) return { latents: floatTensor([0, ...denoiser.sampleShape]), pictures: [] };
  const guidance = options.guidance ?? pipeline.guidance;
  const condition = await encodeDistinct(pipeline, captions);
  const start = noise(seeds, denoiser.sampleShape, 0);
  const x = mapTensor(start, (value) => value * denoiser.sigmaMax);
  const unconditional = guidance === 1 ? condition : await pipeline.encodeText(['']);
  const latents = await guided(denoiser, condition, unconditional, guidance)(x, denoiser.sigmaMax);
  return { latents, pictures: await pipeline.decode(latents) };
}
