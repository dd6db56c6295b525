import { createHash } from 'node:crypto';
import { type Tensor, toFloat16, toFloat32 } from '../math/index.ts';
import type { Parameter } from '../models/index.ts';
import {
  adamW,
  averageDecay,
  buildTrainingStep,
  flatLayout,
  initialFlat,
  type LossBuilder,
  type TrainingProgress,
  train,
  unpackFlat,
  warmupCosine,
} from '../training/index.ts';

/** The optimisation part of a lab config, the same fields for every network. */
export interface Optimisation {
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly weightDecay: number;
  readonly clipNorm: number;
  readonly averageDecay: number;
}

/** What every long piece of work in the lab is given by its caller. */
export interface LabContext {
  /** Folder for checkpoints and intermediate tables. */
  readonly folder: string;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** Called with the name of the work and how far it is. */
  readonly onProgress?: (work: string, progress: TrainingProgress) => void;
}

export interface TrainedNetwork {
  /** Averaged weights by name. */
  readonly weights: Map<string, Tensor<'float32'>>;
  readonly losses: Float32Array;
  readonly seconds: number;
  /** Trainable values. */
  readonly size: number;
}

/** The last layer of each residual branch of diffusers' blocks, and a denoiser's own last layer. */
const residualEnds = /(\.conv2|\.proj_out|\.to_out\.0|\.ff\.net\.2|unet\.conv_out)\.(weight|bias)$/;

/** A further stretch of training after the first: warm-up to its own peak, cosine down. */
export interface Cycle {
  readonly steps: number;
  readonly learningRate: number;
}

/**
 * Trains one network from scratch: AdamW, clipping, warm-up and cosine, averaged weights, checkpoints in
 * `context.folder` under `work`'s name. Same seed and options → same weights.
 *
 * `restarts` are further cycles with fresh moments, each from the averaged weights of the one before
 * (Loshchilov & Hutter 2017, warm restarts): a finished run can be trained on without training it anew.
 * A restart takes these weights as a model folder holds them, in float16, so that it is the same whether
 * it follows in one run or is made from the folder.
 */
export async function trainNetwork(options: {
  readonly work: string;
  readonly parameters: readonly Parameter[];
  readonly loss: LossBuilder;
  /** The inputs of a 1-based step, counted through all cycles. */
  readonly batch: (step: number) => Record<string, Tensor> | Promise<Record<string, Tensor>>;
  readonly optimisation: Optimisation;
  readonly restarts?: readonly Cycle[];
  readonly seed: number;
  /** Identifies everything that the first cycle's result depends on. */
  readonly digest: string;
  readonly context: LabContext;
}): Promise<TrainedNetwork> {
  const { work, parameters, optimisation, restarts = [], context } = options;
  const { batchSize, beta1, beta2, warmupSteps } = optimisation;
  const layout = flatLayout(parameters);
  const step = buildTrainingStep(layout, options.loss, adamW(optimisation));
  const cycles: readonly Cycle[] = [optimisation, ...restarts];
  const total = cycles.reduce((sum, cycle) => sum + cycle.steps, 0);

  let weights = initialFlat(layout, parameters, { seed: options.seed, zero: residualEnds });
  let average = weights;
  let done = 0;
  let seconds = 0;
  const losses = new Float32Array(total);
  for (const [index, cycle] of cycles.entries()) {
    const before = done;
    const result = await train({
      step,
      initial: weights,
      steps: cycle.steps,
      batchSize,
      beta1,
      beta2,
      batch: (number) => options.batch(before + number),
      learningRate: warmupCosine({ peak: cycle.learningRate, warmupSteps, steps: cycle.steps }),
      averageDecay: averageDecay(optimisation.averageDecay),
      checkpoint: {
        path: `${context.folder}/${work}${index === 0 ? '' : `.cycle-${index + 1}`}.checkpoint.safetensors`,
        digest: cycleDigest(options.digest, restarts.slice(0, index)),
        everySteps: Math.max(1, Math.round(cycle.steps / 20)),
      },
      threads: context.threads,
      signal: context.signal,
      onProgress: (progress) =>
        context.onProgress?.(work, { ...progress, step: before + progress.step, steps: total }),
    });
    average = result.average;
    weights = toFloat32(toFloat16(average));
    losses.set(result.losses, done);
    done += cycle.steps;
    seconds += result.seconds;
  }
  return { weights: unpackFlat(layout, average), losses, seconds, size: layout.length };
}

function cycleDigest(first: string, restarts: readonly Cycle[]): string {
  if (restarts.length === 0) return first;
  return createHash('sha256')
    .update(JSON.stringify([first, restarts]))
    .digest('hex');
}
