import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { elementCount, floatTensor, type Tensor } from '../../math/index.ts';
import { encodeModel, gradients, input, model, mul, reduceSum } from '../index.ts';
import type { Graph, Model, Value } from '../value.ts';

/** A model in a session of one thread, for tests. */
export async function open(
  finished: Model,
): Promise<(feeds: Record<string, Tensor>) => Promise<Record<string, Tensor>>> {
  const session = await InferenceSession.create(encodeModel(finished), {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  return async (feeds) => {
    const given: Record<string, OrtTensor> = {};
    for (const name of session.inputNames) {
      const tensor = feeds[name];
      if (tensor === undefined) throw new Error(`the test feeds no "${name}"`);
      given[name] = new OrtTensor(tensor.dtype, tensor.data as Float32Array, tensor.shape);
    }
    const results: Record<string, Tensor> = {};
    for (const [name, value] of Object.entries(await session.run(given)))
      results[name] = { dtype: value.type, shape: value.dims, data: value.data } as Tensor;
    return results;
  };
}

/** Runs a model once. */
export async function run(
  finished: Model,
  feeds: Record<string, Tensor> = {},
): Promise<Record<string, Tensor>> {
  return (await open(finished))(feeds);
}

/** Numbers in [-1, 1] that depend on the seed only (a multiplicative congruential generator, for tests). */
export function uniform(count: number, seed: number): Float32Array {
  let state = ((seed * 2654435761) >>> 0) % 2147483646;
  const next = () => {
    state = (state * 48271 + 1) % 2147483647;
    return state / 2147483647;
  };
  for (let i = 0; i < 4; i++) next();
  return Float32Array.from({ length: count }, () => next() * 2 - 1);
}

export interface GradientCheck {
  readonly build: (graph: Graph, inputs: readonly Value[]) => Value;
  readonly inputs: readonly Tensor<'float32'>[];
  readonly graph: Graph;
  /** Half the distance of the central difference. */
  readonly step?: number;
}

export interface GradientReport {
  /** Largest difference of an element, relative to the largest element of the gradient by that input. */
  readonly worst: number;
  readonly operators: ReadonlySet<string>;
  /** y's shape as inferred when the graph was built, and as onnxruntime returned it. */
  readonly inferred: readonly (number | string)[];
  readonly actual: readonly number[];
}

/**
 * Compares `gradients` with central differences of y, of which the loss is a random weighted sum. The
 * sum over the differences is taken in double precision; y itself is float32.
 */
export async function checkGradient({
  build,
  inputs,
  graph,
  step = 1e-2,
}: GradientCheck): Promise<GradientReport> {
  const values = inputs.map((tensor, i) => input(graph, `x${i}`, 'float32', tensor.shape));
  const y = build(graph, values);
  const operators = new Set(graph.nodes.map(({ op, domain }) => (domain === '' ? op : `${domain}.${op}`)));
  const weights = input(graph, 'weights', 'float32', y.shape);
  const found = gradients(reduceSum(mul(y, weights)), values);
  const forward = await open(model(graph, { y }));
  const backward = await open(model(graph, Object.fromEntries(found.map((value, i) => [`d${i}`, value]))));

  const feeds: Record<string, Tensor> = Object.fromEntries(inputs.map((tensor, i) => [`x${i}`, tensor]));
  const shape = (await forward(feeds))['y']!.shape;
  const direction = floatTensor(shape, uniform(elementCount(shape), 99));
  const analytic = await backward({ ...feeds, weights: direction });
  let worst = 0;
  for (const [i, tensor] of inputs.entries()) {
    const name = `x${i}`;
    const numeric = new Float64Array(tensor.data.length);
    for (let at = 0; at < numeric.length; at++) {
      const sides: Float32Array[] = [];
      for (const sign of [1, -1]) {
        const moved = Float32Array.from(tensor.data);
        moved[at]! += sign * step;
        const result = await forward({ ...feeds, [name]: { ...tensor, data: moved } });
        sides.push(result['y']!.data as Float32Array);
      }
      let slope = 0;
      for (let k = 0; k < direction.data.length; k++)
        slope += direction.data[k]! * (sides[0]![k]! - sides[1]![k]!);
      numeric[at] = slope / (2 * step);
    }
    const exact = analytic[`d${i}`]!.data as Float32Array;
    if (exact.length !== numeric.length) throw new Error(`gradient ${i} has ${exact.length} elements`);
    const scale = Math.max(...numeric.map(Math.abs), 1e-3);
    for (let k = 0; k < exact.length; k++) {
      const error = Math.abs(exact[k]! - numeric[k]!) / scale;
      worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
    }
  }
  return { worst, operators, inferred: y.shape, actual: shape };
}
