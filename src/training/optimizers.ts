import { add, constant, div, minimum, mul, reduceSum, sqrt, sub, type Value } from '../graph/index.ts';

/**
 * Small pure transformations of a flat gradient vector that compose with `chain`, after optax.
 * All are graph building: they run inside the training step's graph.
 */
export interface Transformation {
  /** Names of the state vectors, each of the parameters' length and zero at the start. */
  readonly states: readonly string[];
  /**
   * Turns a gradient (or the update so far) into the next update.
   * `scalars` are step-dependent inputs of the graph, see `StepScalars`.
   */
  apply(update: Value, context: TransformContext): { update: Value; states: Readonly<Record<string, Value>> };
}

export interface TransformContext {
  readonly parameters: Value;
  readonly states: Readonly<Record<string, Value>>;
  readonly scalars: StepScalars;
}

/** Float32 scalars that the loop feeds each step, since they depend on the step's number. */
export interface StepScalars {
  readonly learningRate: Value;
  /** 1/(1 − β1^step) and 1/(1 − β2^step): Adam's bias corrections. */
  readonly firstCorrection: Value;
  readonly secondCorrection: Value;
}

/** Runs transformations one after the other. */
export function chain(...parts: readonly Transformation[]): Transformation {
  return {
    states: parts.flatMap((part) => part.states),
    apply(update, context) {
      const states: Record<string, Value> = {};
      let current = update;
      for (const part of parts) {
        const result = part.apply(current, context);
        current = result.update;
        Object.assign(states, result.states);
      }
      return { update: current, states };
    },
  };
}

/** Scales the whole gradient down so that its ℓ2 norm is at most `maximum` (Pascanu 2013). */
export function clipByGlobalNorm(maximum: number): Transformation {
  return {
    states: [],
    apply(update) {
      const norm = sqrt(reduceSum(mul(update, update), [0], false));
      const scale = minimum(div(constant(update.graph, maximum), add(norm, 1e-6)), constant(update.graph, 1));
      return { update: mul(update, scale), states: {} };
    },
  };
}

export interface AdamOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

/** Adam's direction with bias correction (Kingma & Ba 2015, algorithm 1). */
export function scaleByAdam({
  beta1 = 0.9,
  beta2 = 0.999,
  epsilon = 1e-8,
}: AdamOptions = {}): Transformation {
  return {
    states: ['firstMoment', 'secondMoment'],
    apply(gradient, { states, scalars }) {
      const m = states['firstMoment']!;
      const v = states['secondMoment']!;
      const first = add(mul(m, beta1), mul(gradient, 1 - beta1));
      const second = add(mul(v, beta2), mul(mul(gradient, gradient), 1 - beta2));
      const denominator = add(sqrt(mul(second, scalars.secondCorrection)), epsilon);
      const update = div(mul(first, scalars.firstCorrection), denominator);
      return { update, states: { firstMoment: first, secondMoment: second } };
    },
  };
}

/** Adds `decay`·parameters to the update: the decoupled weight decay of AdamW (Loshchilov & Hutter 2019). */
export function addDecayedWeights(decay: number): Transformation {
  return {
    states: [],
    apply(update, { parameters }) {
      return { update: decay === 0 ? update : add(update, mul(parameters, decay)), states: {} };
    },
  };
}

/** Multiplies by the step's learning rate. The loop subtracts the result. */
export function scaleByLearningRate(): Transformation {
  return {
    states: [],
    apply(update, { scalars }) {
      return { update: mul(update, scalars.learningRate), states: {} };
    },
  };
}

/** AdamW with clipping: what all networks here are trained with. */
export function adamW(
  options: AdamOptions & { weightDecay?: number; clipNorm?: number } = {},
): Transformation {
  return chain(
    clipByGlobalNorm(options.clipNorm ?? 1),
    scaleByAdam(options),
    addDecayedWeights(options.weightDecay ?? 0),
    scaleByLearningRate(),
  );
}

/** average ← average + (1 − decay)·(parameters − average): an exponential moving average of the weights. */
export function movingAverage(average: Value, parameters: Value, keep: Value): Value {
  return add(parameters, mul(sub(average, parameters), keep));
}
