import { VerbatimError } from '../errors.ts';
import { floatTensor, type Tensor } from '../math/index.ts';
import { openSession, type Provider } from '../runtime/index.ts';
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import type { TrainingStep } from './step.ts';

export interface TrainingProgress {
  readonly step: number;
  readonly steps: number;
  /** Exponential mean of the loss over about 50 steps. */
  readonly loss: number;
  readonly samplesPerSecond: number;
  readonly secondsLeft: number;
}

export interface TrainingOptions {
  readonly step: TrainingStep;
  /** Starting weights in the layout; not used when a checkpoint is there. */
  readonly initial: Float32Array;
  readonly steps: number;
  readonly batchSize: number;
  /**
   * The inputs of a 1-based step. It must be a pure function of the step's number: that, and not a saved
   * generator state, is what makes a resumed run equal to an undisturbed one bit for bit.
   */
  readonly batch: (step: number) => Record<string, Tensor> | Promise<Record<string, Tensor>>;
  readonly learningRate: (step: number) => number;
  readonly averageDecay: (step: number) => number;
  readonly beta1?: number;
  readonly beta2?: number;
  /** Where to save; without it nothing is saved. */
  readonly checkpoint?: {
    readonly path: string;
    /** Identifies the run: a checkpoint with another digest is refused. */
    readonly digest: string;
    readonly everySteps: number;
  };
  readonly threads?: number;
  /** Default 'cpu'. Another one wants a step that is built for it. */
  readonly provider?: Provider;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TrainingProgress) => void;
}

export interface TrainingResult {
  readonly parameters: Float32Array;
  /** The moving average of the weights: what is used afterwards. */
  readonly average: Float32Array;
  /** The loss of every step. */
  readonly losses: Float32Array;
  /** Wall-clock seconds spent on training, over all interruptions. */
  readonly seconds: number;
}

/**
 * Runs a training step until `steps` are done, from the checkpoint if there is one.
 * One seed gives one result: same weights whatever was interrupted, on the same machine kind.
 * Throws when the loss is no longer finite, or when the signal fires (after saving a checkpoint).
 */
export async function train(options: TrainingOptions): Promise<TrainingResult> {
  const { step, steps, batchSize, beta1 = 0.9, beta2 = 0.999, checkpoint } = options;
  const saved = checkpoint
    ? await readCheckpoint(checkpoint.path, checkpoint.digest, step.layout.length)
    : undefined;
  const losses = new Float32Array(steps);
  if (saved) losses.set(saved.losses.subarray(0, steps));
  let done = saved?.step ?? 0;
  const began = performance.now();
  const seconds = () => (saved?.seconds ?? 0) + (performance.now() - began) / 1000;

  const session = await openSession(step.model, { provider: options.provider, threads: options.threads });
  try {
    const start: Record<string, Tensor> = {};
    for (const name of step.vectors) {
      const values =
        saved?.vectors[name] ??
        (name === 'parameters' || name === 'average'
          ? options.initial
          : new Float32Array(step.layout.length));
      start[name] = floatTensor([step.layout.length], values);
    }
    await session.hold(start);

    const save = async () => {
      if (!checkpoint) return;
      const vectors: Record<string, Float32Array> = {};
      for (const name of step.vectors) vectors[name] = (await session.held(name)).data as Float32Array;
      const state: Checkpoint = { step: done, vectors, losses: losses.slice(0, done), seconds: seconds() };
      await writeCheckpoint(checkpoint.path, checkpoint.digest, state);
    };

    const clock = speedometer(done);
    let smoothed: number | undefined;
    let prepared = done < steps ? options.batch(done + 1) : undefined;
    while (done < steps) {
      const number = done + 1;
      const feeds = await prepared!;
      const running = session.run(
        {
          ...feeds,
          learningRate: scalar(options.learningRate(number)),
          firstCorrection: scalar(1 / (1 - beta1 ** number)),
          secondCorrection: scalar(1 / (1 - beta2 ** number)),
          averageDecay: scalar(options.averageDecay(number)),
        },
        { fetch: ['loss'], carry: step.carry },
      );
      // The next batch is drawn while the worker computes this one.
      prepared = number < steps ? options.batch(number + 1) : undefined;
      const loss = (await running)['loss']!.data[0] as number;
      if (!Number.isFinite(loss))
        throw new VerbatimError(`training: the loss is ${loss} at step ${number}; lower the learning rate`);
      losses[done] = loss;
      done = number;
      smoothed = smoothed === undefined ? loss : smoothed + 0.02 * (loss - smoothed);
      const stepsPerSecond = clock(done);
      options.onProgress?.({
        step: done,
        steps,
        loss: smoothed,
        samplesPerSecond: stepsPerSecond * batchSize,
        secondsLeft: (steps - done) / stepsPerSecond,
      });
      const stopping = options.signal?.aborted === true;
      if (stopping || (checkpoint && done % checkpoint.everySteps === 0) || done === steps) await save();
      if (stopping) throw options.signal!.reason;
    }
    return {
      parameters: (await session.held('parameters')).data as Float32Array,
      average: (await session.held('average')).data as Float32Array,
      losses,
      seconds: seconds(),
    };
  } finally {
    await session.close();
  }
}

const scalar = (value: number) => floatTensor([], Float32Array.of(value));

/** Steps per second over the last 30 seconds or so; the first steps of a session are slow and fade out. */
function speedometer(done: number): (step: number) => number {
  const marks: { step: number; ms: number }[] = [{ step: done, ms: performance.now() }];
  return (step) => {
    const now = performance.now();
    marks.push({ step, ms: now });
    while (marks.length > 2 && now - marks[1]!.ms > 30_000) marks.shift();
    const first = marks[0]!;
    return (step - first.step) / Math.max(1e-3, (now - first.ms) / 1000);
  };
}
