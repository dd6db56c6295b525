import { concatBatch, floatTensor, mapTensor, rowsOfBatch, sliceBatch, type Tensor } from '../math/index.ts';
import type { Meter } from '../runtime/index.ts';
import type { Limit } from './limit.ts';
import type { NoiseSchedule, Parametrization } from './schedule.ts';
import { sigmaToTimestep } from './timesteps.ts';
import type { Denoiser } from './types.ts';

/**
 * The raw network: `xScaled` [batch, c, h, w] has about unit variance (x_t of the variance-preserving
 * process), `timestep` is the training timestep, possibly between two integers, and `condition` is
 * [batch, tokens, width] with the batch of `xScaled`. The result has the shape of `xScaled`.
 */
export type Predict = (
  xScaled: Tensor<'float32'>,
  timestep: number,
  condition: Tensor<'float32'>,
) => Promise<Tensor<'float32'>>;

export interface DenoiserOptions {
  readonly predict: Predict;
  readonly schedule: NoiseSchedule;
  /** Default: the schedule's own. */
  readonly parametrization?: Parametrization;
  readonly sampleShape: readonly [number, number, number];
  readonly meter?: Meter;
  /** Largest number of samples in one call of the network. Default 16. */
  readonly batch?: number;
  /** Rounds the timestep to the nearest integer, for networks that only take integers. Default false. */
  readonly quantizeTimesteps?: boolean;
  /** What sampling does to the clean estimate, after guidance. Default: nothing. */
  readonly limit?: Limit;
  readonly signal?: AbortSignal;
}

/**
 * D(x, σ, c) = skip·x + out·F(x·in, t): the three parametrisations in the form of Karras et al. 2022,
 * with coefficients from k-diffusion's wrappers of discrete schedules. 'sample' has F = x0.
 */
export function scalings(
  parametrization: Parametrization,
  sigma: number,
): { skip: number; out: number; in: number } {
  const variance = sigma * sigma + 1;
  const input = 1 / Math.sqrt(variance);
  if (parametrization === 'epsilon') return { skip: 1, out: -sigma, in: input };
  if (parametrization === 'v_prediction') return { skip: 1 / variance, out: -sigma * input, in: input };
  return { skip: 0, out: 1, in: input };
}

/**
 * A network with its parametrisation and schedule applied: `denoise(x, sigma, condition)` estimates the
 * clean sample in `x = x0 + sigma·ε`, for x [batch, c, h, w] of any batch size. At σ_max the network is
 * called with exactly the last training timestep. Every sample counts as one evaluation on the meter once
 * its call has returned.
 */
export function createDenoiser(options: DenoiserOptions): Denoiser {
  const { predict, schedule, sampleShape, meter, batch = 16, signal } = options;
  const parametrization = options.parametrization ?? schedule.parametrization;
  const { sigmas } = schedule;
  if (!Number.isInteger(batch) || batch < 1)
    throw new RangeError(`batch must be a positive integer, got ${batch}`);

  return {
    sampleShape,
    sigmas,
    sigmaMin: sigmas[0]!,
    sigmaMax: sigmas[sigmas.length - 1]!,
    ...(options.limit && { limit: options.limit }),
    async denoise(x, sigma, condition) {
      if (x.shape.length !== 4 || x.shape.slice(1).join() !== sampleShape.join())
        throw new RangeError(`the denoiser takes [batch, ${sampleShape.join(', ')}], got [${x.shape}]`);
      const count = x.shape[0]!;
      if (condition.shape[0] !== 1 && condition.shape[0] !== count)
        throw new RangeError(`a condition of batch ${condition.shape[0]} cannot serve ${count} samples`);
      const timestep = sigmaToTimestep(sigmas, sigma, { quantize: options.quantizeTimesteps ?? false });
      const scale = scalings(parametrization, sigma);

      const parts: Tensor<'float32'>[] = [];
      for (let from = 0; from < count; from += batch) {
        signal?.throwIfAborted();
        const to = Math.min(from + batch, count);
        const chunk = sliceBatch(x, from, to);
        const scaled = mapTensor(chunk, (value) => value * scale.in);
        const states = rowsOfBatch(condition, from, to);
        const output = await predict(scaled, timestep, states);
        if (output.data.length !== chunk.data.length)
          throw new RangeError(`the network returned [${output.shape}] for an input of [${chunk.shape}]`);
        meter?.add(to - from);
        const denoised = new Float32Array(chunk.data.length);
        for (let i = 0; i < denoised.length; i++)
          denoised[i] = scale.skip * chunk.data[i]! + scale.out * output.data[i]!;
        parts.push(floatTensor(chunk.shape, denoised));
      }
      if (parts.length === 0) return floatTensor([0, ...sampleShape]);
      return parts.length === 1 ? parts[0]! : concatBatch(parts);
    },
  };
}
