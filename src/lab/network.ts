import type { Tensor } from '../math/index.ts';
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

/**
 * Trains one network from scratch: AdamW, clipping, warm-up and cosine, averaged weights, checkpoints in
 * `context.folder` under `work`'s name. Same seed and options → same weights.
 */
export async function trainNetwork(options: {
  readonly work: string;
  readonly parameters: readonly Parameter[];
  readonly loss: LossBuilder;
  readonly batch: (step: number) => Record<string, Tensor> | Promise<Record<string, Tensor>>;
  readonly optimisation: Optimisation;
  readonly seed: number;
  /** Identifies everything that the result depends on. */
  readonly digest: string;
  readonly context: LabContext;
}): Promise<TrainedNetwork> {
  const { work, parameters, optimisation, context } = options;
  const layout = flatLayout(parameters);
  const step = buildTrainingStep(layout, options.loss, adamW(optimisation));
  const { steps, batchSize, beta1, beta2 } = optimisation;
  const result = await train({
    step,
    initial: initialFlat(layout, parameters, { seed: options.seed, zero: residualEnds }),
    steps,
    batchSize,
    beta1,
    beta2,
    batch: options.batch,
    learningRate: warmupCosine({
      peak: optimisation.learningRate,
      warmupSteps: optimisation.warmupSteps,
      steps,
    }),
    averageDecay: averageDecay(optimisation.averageDecay),
    checkpoint: {
      path: `${context.folder}/${work}.checkpoint.safetensors`,
      digest: options.digest,
      everySteps: Math.max(1, Math.round(steps / 20)),
    },
    threads: context.threads,
    signal: context.signal,
    onProgress: (progress) => context.onProgress?.(work, progress),
  });
  return {
    weights: unpackFlat(layout, result.average),
    losses: result.losses,
    seconds: result.seconds,
    size: layout.length,
  };
}
