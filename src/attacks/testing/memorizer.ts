import {
  createDenoiser,
  makeBetas,
  noCondition,
  type Pipeline,
  type Predict,
  scheduleFromBetas,
} from '../../diffusion/index.ts';
import { type Picture, picturesToTensor, tensorToPictures } from '../../images/index.ts';
import { floatTensor, type Tensor } from '../../math/index.ts';
import type { Meter } from '../../runtime/index.ts';

export interface MemorizerOptions {
  readonly name?: string;
  /** The training set; a picture may stand in it more than once. */
  readonly pictures: readonly Picture[];
  /** Pictures that it does not know are N(0, prior²) per value; default .6. */
  readonly prior?: number;
  /** Around each training picture; the smaller, the better it is known. Default .1. */
  readonly deviation?: number;
  /** Of the whole mass, what lies around the training pictures. Default .5. */
  readonly weight?: number;
  readonly meter?: Meter;
  readonly batch?: number;
  /** Gives NaN for whatever it is asked. */
  readonly broken?: boolean;
}

/**
 * An unconditional pipeline in pixels whose truth is known: the exact denoiser of a mixture of Gaussians, one around every picture
 * that it was "trained" on, N(picture, deviation²), and a broad one for all others. D(x, σ) = Σ wₖ·(sₖ²x + σ²mₖ)/(sₖ² + σ²) with
 * wₖ the posterior of component k given x.
 */
export function memorizer(options: MemorizerOptions): Pipeline {
  const { pictures, prior = 0.6, deviation = 0.1, weight = 0.5, name = 'memorizer' } = options;
  const schedule = scheduleFromBetas(makeBetas('linear', 1000, 0.0001, 0.02), 'epsilon');
  const { width, height } = pictures[0]!;
  const size = 3 * width * height;
  const means = picturesToTensor(pictures).data;
  const components = [
    { mean: new Float32Array(size), deviation: prior, weight: 1 - weight },
    ...pictures.map((_, k) => ({
      mean: means.subarray(k * size, (k + 1) * size),
      deviation,
      weight: weight / pictures.length,
    })),
  ];
  const predict: Predict = async (scaled, timestep) => {
    const sigma = schedule.sigmas[Math.round(timestep)]!;
    const out = new Float32Array(scaled.data.length);
    for (let n = 0; n < scaled.shape[0]!; n++) {
      const x = scaled.data
        .subarray(n * size, (n + 1) * size)
        .map((value) => value * Math.sqrt(sigma * sigma + 1));
      const logs = components.map((one) => {
        const variance = one.deviation ** 2 + sigma ** 2;
        let squares = 0;
        for (let i = 0; i < size; i++) squares += (x[i]! - one.mean[i]!) ** 2;
        return Math.log(one.weight) - (size / 2) * Math.log(variance) - squares / (2 * variance);
      });
      const largest = Math.max(...logs);
      const total = logs.reduce((sum, log) => sum + Math.exp(log - largest), 0);
      const clean = new Float64Array(size);
      components.forEach((one, k) => {
        const share = Math.exp(logs[k]! - largest) / total;
        if (share < 1e-12) return;
        const keep = one.deviation ** 2 / (one.deviation ** 2 + sigma ** 2);
        for (let i = 0; i < size; i++) clean[i]! += share * (keep * x[i]! + (1 - keep) * one.mean[i]!);
      });
      for (let i = 0; i < size; i++)
        out[n * size + i] = options.broken === true ? Number.NaN : (x[i]! - clean[i]!) / sigma;
    }
    return floatTensor(scaled.shape, out);
  };
  return {
    name,
    digest: `${name} of ${pictures.length}`,
    guidance: 1,
    conditions: 'none',
    pictureSize: [height, width],
    denoiser: createDenoiser({
      predict,
      schedule,
      sampleShape: [3, height, width],
      quantizeTimesteps: true,
      ...(options.meter && { meter: options.meter }),
      batch: options.batch ?? 16,
    }),
    encodeText: async (captions): Promise<Tensor<'float32'>> => noCondition(name, captions),
    decode: async (samples) => tensorToPictures(samples),
    encode: async (list) => picturesToTensor(list),
    close: async () => {},
  };
}

/** Pictures of noise that a seed determines: smooth, so that a part says something of the rest but not all. */
export function noisePictures(count: number, side: number, seed: number): Picture[] {
  let state = Math.imul(seed + 1, 0x9e3779b9);
  const next = () => {
    state = Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
  return Array.from({ length: count }, () => {
    const base = [next(), next(), next()].map((value) => 60 + 130 * value);
    const data = Uint8Array.from({ length: 3 * side * side }, (_, i) => base[i % 3]! + 60 * (next() - 0.5));
    return { width: side, height: side, data };
  });
}
