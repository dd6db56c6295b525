import { readFileSync } from 'node:fs';
import { floatTensor, sliceBatch, type Tensor } from '../../math/index.ts';
import type { Meter } from '../../runtime/index.ts';
import { createDenoiser, type Predict } from '../denoiser.ts';
import type { Pipeline } from '../pipeline.types.ts';
import { stableDiffusionSchedule } from '../schedule.ts';

/** What bench/peers/make_diffusion_fixtures.py wrote. */
export interface Golden {
  shape: [number, number, number];
  batch: number;
  hidden: number;
  tokens: number;
  width: number;
  weights: Record<'w1' | 'wc' | 'wt' | 'b1' | 'w2' | 'b2', number[]>;
  condition: number[];
  unconditional: number[];
  noise: number[];
  stepNoise: number[];
  schedules: {
    config: Record<string, unknown>;
    timesteps: number;
    at: number[];
    alphasCumprod: number[];
    sigmas: number[];
  }[];
  sigmaMin: number;
  sigmaMax: number;
  karras: number[];
  plain: number[];
  plain1: number[];
  probe: { sigmas: number[]; timesteps: number[]; quantized: number[] };
  denoised: Record<'epsilon' | 'v_prediction', { sigma: number; result: number[] }[]>;
  runs: {
    sampler: string;
    parametrization: 'epsilon' | 'v_prediction';
    spacing: 'karras' | 'plain';
    path: number[][];
    result: number[];
  }[];
  guidance: number;
  ddim: {
    parametrization: 'epsilon' | 'v_prediction' | 'sample';
    eta: number;
    timesteps: number[];
    result: number[];
  }[];
  scores: {
    parametrization: 'epsilon' | 'v_prediction';
    guidance: number;
    dcs: number[];
    output: number[];
  }[];
}

export function readGolden(): Golden {
  return JSON.parse(readFileSync(new URL('../fixtures/diffusion.json', import.meta.url), 'utf8')) as Golden;
}

/** The fixtures' toy network: `.9x + tanh(x W1 + mean(c) Wc + t/1000·wt + b1) W2 + b2`. */
export function toyNetwork(golden: Golden): Predict {
  const { hidden, tokens, width, weights } = golden;
  const pixels = golden.shape[0] * golden.shape[1] * golden.shape[2];
  return async (x, timestep, condition) => {
    const batch = x.shape[0]!;
    if (condition.shape[0] !== batch) throw new Error('the network wants one condition per sample');
    const out = new Float32Array(batch * pixels);
    for (let n = 0; n < batch; n++) {
      const units = Array.from({ length: hidden }, (_, j) => {
        let sum = weights.b1[j]! + (timestep / 1000) * weights.wt[j]!;
        for (let i = 0; i < pixels; i++) sum += x.data[n * pixels + i]! * weights.w1[i * hidden + j]!;
        for (let t = 0; t < tokens; t++)
          for (let k = 0; k < width; k++)
            sum += (condition.data[(n * tokens + t) * width + k]! / tokens) * weights.wc[k * hidden + j]!;
        return Math.tanh(sum);
      });
      for (let i = 0; i < pixels; i++) {
        let sum = 0.9 * x.data[n * pixels + i]! + weights.b2[i]!;
        for (let j = 0; j < hidden; j++) sum += units[j]! * weights.w2[j * pixels + i]!;
        out[n * pixels + i] = sum;
      }
    }
    return floatTensor(x.shape, out);
  };
}

/** A float32 batch of the fixture's numbers. */
export function batchOf(values: readonly number[], shape: readonly number[]): Tensor<'float32'> {
  return floatTensor(shape, Float32Array.from(values));
}

/** Largest difference as a share of the largest magnitude in the reference. */
export function relativeError(actual: ArrayLike<number>, expected: readonly number[]): number {
  if (actual.length !== expected.length)
    throw new Error(`${actual.length} values, expected ${expected.length}`);
  const scale = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (!(difference <= worst)) worst = difference;
  }
  return worst / scale;
}

/** A pipeline around the toy network: a caption's states are numbers from its letters, a picture one pixel. */
export function toyPipeline(golden: Golden, options: { meter?: Meter; batch?: number } = {}): Pipeline {
  const { tokens, width } = golden;
  return {
    name: 'toy',
    digest: 'none',
    guidance: 3,
    conditions: 'captions',
    pictureSize: [1, 1],
    denoiser: createDenoiser({
      predict: toyNetwork(golden),
      schedule: stableDiffusionSchedule('v_prediction'),
      sampleShape: golden.shape,
      ...options,
    }),
    encodeText: async (captions) =>
      batchOf(
        captions.flatMap((caption) =>
          Array.from({ length: tokens * width }, (_, i) =>
            Math.sin(i + caption.length + (caption.charCodeAt(i) || 0)),
          ),
        ),
        [captions.length, tokens, width],
      ),
    decode: async (latents) =>
      Array.from({ length: latents.shape[0]! }, (_, i) => ({
        width: 1,
        height: 1,
        data: Uint8Array.from(sliceBatch(latents, i, i + 1).data.subarray(0, 3), (v) =>
          Math.round(127 + 20 * v),
        ),
      })),
    encode: async () => {
      throw new Error('not needed here');
    },
    close: async () => {},
  };
}
