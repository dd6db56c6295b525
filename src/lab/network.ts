import { VerbatimError } from '../errors.ts';
import { type Tensor, toFloat16, toFloat32 } from '../math/index.ts';
import type { Parameter } from '../models/index.ts';
import type { Provider } from '../runtime/index.ts';
import { sha256 } from '../tables/index.ts';
import {
  adamW,
  averageDecay,
  buildTrainingStep,
  flatLayout,
  initialFlat,
  type LossBuilder,
  packFlat,
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
  /** What runs the training steps. Default 'cpu'. */
  readonly provider?: Provider;
  readonly signal?: AbortSignal;
  /** Called with the name of the work and how far it is. */
  readonly onProgress?: (work: string, progress: TrainingProgress) => void;
  /** The network that the lab's folder already holds under this name of a work. */
  readonly finished?: (work: string) => FinishedNetwork | undefined;
}

/** How one cycle of a network's training went, for lab.json. */
export interface CycleLog {
  /** SHA-256 over everything that the weights at its end depend on. */
  readonly digest: string;
  readonly steps: number;
  /** Wall-clock seconds on the machine that trained it, other work on it included. */
  readonly seconds: number;
  /** Mean loss of each of 40 equal stretches (fewer where there are fewer steps). */
  readonly loss: readonly number[];
}

/** A network that an earlier run finished. */
export interface FinishedNetwork {
  /** The file that says so, for messages. */
  readonly where: string;
  readonly cycles: readonly CycleLog[];
  readonly weights: () => ReadonlyMap<string, Tensor<'float32'>>;
}

export interface TrainedNetwork {
  /** Averaged weights by name, rounded to float16, which is how a model folder holds them. */
  readonly weights: Map<string, Tensor<'float32'>>;
  readonly cycles: readonly CycleLog[];
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
 * (Loshchilov & Hutter 2017, warm restarts). A cycle ends with weights as a model folder holds them, in
 * float16: so a finished folder is all that is needed to train on, and gives what one run would have given.
 *
 * @throws VerbatimError when the folder's finished network or checkpoint is of another configuration
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
  const step = buildTrainingStep(
    layout,
    options.loss,
    adamW(optimisation),
    // A checkpoint of one provider is gone on with by another.
    (context.provider ?? 'cpu') === 'cpu' ? 'cpu' : 'gpu',
  );
  const cycles: readonly Cycle[] = [optimisation, ...restarts];
  const digests = cycles.map((_, index) => cycleDigest(options.digest, restarts.slice(0, index)));
  const total = stepsOf(cycles);

  const finished = context.finished?.(work);
  const logs = [...(finished?.cycles ?? [])];
  if (finished && digests[logs.length - 1] !== logs.at(-1)?.digest)
    throw new VerbatimError(
      `${finished.where}: ${work} was trained with another configuration; give another --output, or go back to the configuration it was made with.`,
    );
  let weights = finished
    ? packFlat(layout, finished.weights())
    : initialFlat(layout, parameters, { seed: options.seed, zero: residualEnds });
  for (const [index, cycle] of cycles.entries()) {
    if (index < logs.length) continue;
    const before = stepsOf(cycles.slice(0, index));
    const digest = digests[index]!;
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
        digest,
        everySteps: Math.max(1, Math.round(cycle.steps / 20)),
      },
      threads: context.threads,
      provider: context.provider,
      signal: context.signal,
      onProgress: (progress) =>
        context.onProgress?.(work, { ...progress, step: before + progress.step, steps: total }),
    });
    weights = toFloat32(toFloat16(result.average));
    logs.push({
      digest,
      steps: cycle.steps,
      seconds: Math.round(result.seconds),
      loss: stretches(result.losses, 40).map((value) => Number(value.toPrecision(4))),
    });
  }
  return { weights: unpackFlat(layout, weights), cycles: logs, size: layout.length };
}

const stepsOf = (cycles: readonly { steps: number }[]) => cycles.reduce((sum, { steps }) => sum + steps, 0);

function cycleDigest(first: string, restarts: readonly Cycle[]): string {
  if (restarts.length === 0) return first;
  return sha256(JSON.stringify([first, restarts]));
}

/** Means of equal stretches of a curve. */
function stretches(losses: Float32Array, count: number): number[] {
  const parts = Math.min(count, losses.length);
  return Array.from({ length: parts }, (_, i) => {
    const part = losses.subarray(
      Math.floor((i * losses.length) / parts),
      Math.floor(((i + 1) * losses.length) / parts),
    );
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
