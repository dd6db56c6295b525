export { noCondition } from './class-labels.ts';
export { classesInWords, conditionsOf, refuseGuidance } from './conditions.ts';
export { createDenoiser, type DenoiserOptions, type Predict, scalings } from './denoiser.ts';
export {
  encodeDistinct,
  type Generated,
  type GenerateOptions,
  generate,
  type OneStepOptions,
  oneStep,
} from './generate.ts';
export {
  type GeneratorGraph,
  type GeneratorOptions,
  isGeneratorGraph,
  openGeneratorGraph,
  requireDenoiser,
} from './generator-graph.ts';
export { combineGuided, guided } from './guidance.ts';
export { type InpaintOptions, inpaint } from './inpaint.ts';
export { dynamicThreshold, type Limit, limitFromConfig } from './limit.ts';
export { type NoiseOption, type SeededNoise, seededNoise } from './noise.ts';
export { createPipeline, openPipeline, type PipelineOptions, type PipelineParts } from './pipeline.ts';
export type { Pipeline } from './pipeline.types.ts';
export { openUnet2dPipeline } from './pipeline-unet2d.ts';
export * from './samplers/index.ts';
export {
  type BetaSchedule,
  makeBetas,
  type NoiseSchedule,
  type Parametrization,
  scheduleFromBetas,
  scheduleFromConfig,
  stableDiffusionSchedule,
} from './schedule.ts';
export { karrasSigmas, plainSigmas, type Spacing } from './spacing.ts';
export { sigmaToTimestep, timestepToSigma } from './timesteps.ts';
export type { Denoise, Denoiser } from './types.ts';
