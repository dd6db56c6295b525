import type { Tensor } from '../../math/index.ts';
import type { Denoise } from '../types.ts';

/** What a sampler shows of a step, before x moves on. */
export interface SamplerStep {
  readonly index: number;
  /** Number of steps in all. */
  readonly steps: number;
  readonly sigma: number;
  readonly sigmaNext: number;
  readonly x: Tensor<'float32'>;
  /** The clean estimate at (x, sigma). */
  readonly denoised: Tensor<'float32'>;
}

/** Unit-variance noise in the shape of x for the step with this index; stochastic samplers only. */
export type StepNoise = (index: number) => Tensor<'float32'> | Promise<Tensor<'float32'>>;

export interface SamplerOptions {
  readonly noise?: StepNoise;
  readonly onStep?: (step: SamplerStep) => void;
  readonly signal?: AbortSignal;
  /** Share of the noise that ancestral samplers draw anew, 0 to 1. */
  readonly eta?: number;
}

/**
 * Moves x [batch, c, h, w], whose noise level is sigmas[0], along descending `sigmas` to the last one.
 * A pure function: x is not changed.
 */
export type Sampler = (
  denoise: Denoise,
  x: Tensor<'float32'>,
  sigmas: Float64Array,
  options?: SamplerOptions,
) => Promise<Tensor<'float32'>>;
