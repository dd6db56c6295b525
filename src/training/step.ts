import {
  createGraph,
  type Graph,
  gradients,
  input,
  type Model,
  model,
  sub,
  type Target,
  type Value,
} from '../graph/index.ts';
import type { Weights } from '../models/index.ts';
import { type FlatLayout, flatWeights } from './flat.ts';
import { movingAverage, type Transformation } from './optimizers.ts';

/** What a network learns from: declares the batch's inputs on the graph and returns the scalar loss. */
export type LossBuilder = (graph: Graph, weights: Weights) => Value;

/** A whole optimisation step as one graph, and the names of the vectors that it carries from run to run. */
export interface TrainingStep {
  readonly model: Model;
  readonly layout: FlatLayout;
  /** Vectors of the layout's length: 'parameters', 'average' and the optimiser's states. */
  readonly vectors: readonly string[];
  /** Output → input names for the session's `carry`. */
  readonly carry: Readonly<Record<string, string>>;
}

/**
 * Forward, backward, clipping, optimiser and weight average as one graph. Inputs: the loss's own, the
 * vectors, and the scalars `learningRate`, `firstCorrection`, `secondCorrection`, `averageDecay`.
 * Outputs: `loss` and each vector's next value.
 *
 * @param target what the graph is to run on; the values are the same but for rounding
 */
export function buildTrainingStep(
  layout: FlatLayout,
  loss: LossBuilder,
  optimizer: Transformation,
  target: Target = 'cpu',
): TrainingStep {
  const graph = createGraph({ target });
  const vector = (name: string) => input(graph, name, 'float32', [layout.length]);
  const scalar = (name: string) => input(graph, name, 'float32', []);
  const parameters = vector('parameters');
  const average = vector('average');
  const states = Object.fromEntries(optimizer.states.map((name) => [name, vector(name)]));
  const scalars = {
    learningRate: scalar('learningRate'),
    firstCorrection: scalar('firstCorrection'),
    secondCorrection: scalar('secondCorrection'),
  };
  const decay = scalar('averageDecay');

  const flat = flatWeights(parameters, layout);
  const lossValue = loss(graph, flat.weights);
  const gradient = flat.gather(gradients(lossValue, flat.values));
  const next = optimizer.apply(gradient, { parameters, states, scalars });
  const nextParameters = sub(parameters, next.update);

  const nextVectors: Record<string, Value> = {
    parameters: nextParameters,
    average: movingAverage(average, nextParameters, decay),
    ...next.states,
  };
  const vectors = Object.keys(nextVectors);
  const outputs: Record<string, Value> = { loss: lossValue };
  for (const name of vectors) outputs[`next.${name}`] = nextVectors[name]!;
  return {
    model: model(graph, outputs),
    layout,
    vectors,
    carry: Object.fromEntries(vectors.map((name) => [`next.${name}`, name])),
  };
}
