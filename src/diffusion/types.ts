import type { Tensor } from '../math/index.ts';
import type { Limit } from './limit.ts';

/**
 * The primitive of everything in this room: an estimate of the clean sample from `x = x0 + sigma·eps`,
 * one noise level for the whole batch. x and the result are float32 [batch, channels, height, width].
 */
export type Denoise = (x: Tensor<'float32'>, sigma: number) => Promise<Tensor<'float32'>>;

/**
 * A model with its parametrisation and noise schedule applied, still without a condition.
 * `condition` is float32 [batch, tokens, width]; it may have batch 1, which then serves every sample.
 */
export interface Denoiser {
  /** [channels, height, width] of one sample. */
  readonly sampleShape: readonly [number, number, number];
  readonly sigmaMin: number;
  readonly sigmaMax: number;
  /** All training sigmas, ascending (index = timestep). */
  readonly sigmas: Float64Array;
  /**
   * Clipping or thresholding that the model is sampled with. `guided` applies it after guidance; `denoise` does
   * not: scores read the estimate as the network gives it.
   */
  readonly limit?: Limit;
  /** Every call adds its batch size to the meter that the denoiser was opened with. */
  denoise(x: Tensor<'float32'>, sigma: number, condition: Tensor<'float32'>): Promise<Tensor<'float32'>>;
}
