import { createGraph, type Graph, type GraphOptions, input, type Value } from '../graph/index.ts';
import { elementCount } from '../math/index.ts';

/**
 * Where a network gets its tensors from: the name that diffusers or transformers gives it, and the shape
 * that the config implies. One definition of a network thus serves inference (constants out of a file),
 * training (slices of one flat vector) and export. An implementation throws when it has no such tensor or
 * one of another shape.
 */
export type Weights = (name: string, shape: readonly number[]) => Value;

/** The same source, seen from inside a module: `scope(w, 'mid_block')('conv.weight', …)`. */
export function scope(weights: Weights, prefix: string): Weights {
  return (name, shape) => weights(`${prefix}.${name}`, shape);
}

/** How a tensor is filled before training. `bound`: uniform in [−bound, bound]. */
export type Init =
  | { readonly kind: 'uniform'; readonly bound: number }
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'constant'; readonly value: number };

/** One trainable tensor of a network, in the order in which the network asks for it. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly init: Init;
}

export type ParameterShape = Omit<Parameter, 'init'>;

/** A network built without its weights, and the tensors that it asked for, in the order of asking. */
export interface Sketch {
  /** The tensors are inputs of it. */
  readonly graph: Graph;
  readonly parameters: readonly ParameterShape[];
}

/**
 * Builds a network with a source that only takes notes. `build` adds it to the given scratch graph. A name asked for
 * twice is listed once; twice with different shapes is a defect of the builder and throws a RangeError.
 */
export function sketchNetwork(
  build: (graph: Graph, weights: Weights) => unknown,
  options: GraphOptions = {},
): Sketch {
  const graph = createGraph(options);
  const seen = new Map<string, { shape: readonly number[]; value: Value }>();
  build(graph, (name, shape) => {
    const known = seen.get(name);
    if (known) {
      if (known.shape.join() !== shape.join())
        throw new RangeError(`${name} is asked for as [${known.shape}] and as [${shape}]`);
      return known.value;
    }
    const value = input(graph, name, graph.precision, shape);
    seen.set(name, { shape: [...shape], value });
    return value;
  });
  return { graph, parameters: [...seen].map(([name, { shape }]) => ({ name, shape })) };
}

/** The tensors that a network asks for; see `sketchNetwork`. */
export function listParameters(
  build: (graph: Graph, weights: Weights) => unknown,
): readonly ParameterShape[] {
  return sketchNetwork(build).parameters;
}

/**
 * PyTorch's default initialisation (`nn.Linear`, `nn.Conv2d`: Kaiming uniform with a = √5, that is
 * U(−1/√fan_in, 1/√fan_in) for weight and bias alike; norms: ones and zeros), which diffusers keeps.
 */
export function torchInit(parameters: readonly ParameterShape[]): Parameter[] {
  const shapes = new Map(parameters.map((parameter) => [parameter.name, parameter.shape]));
  return parameters.map((parameter) => {
    const bias = parameter.name.endsWith('.bias');
    const weightShape = bias ? shapes.get(parameter.name.replace(/bias$/, 'weight')) : parameter.shape;
    // A one-dimensional weight belongs to a group or layer norm.
    if (weightShape === undefined || weightShape.length < 2)
      return { ...parameter, init: { kind: 'constant', value: bias ? 0 : 1 } };
    const fanIn = elementCount(weightShape.slice(1));
    return { ...parameter, init: { kind: 'uniform', bound: 1 / Math.sqrt(fanIn) } };
  });
}

/**
 * Fresh values for one tensor, float32, row-major. `random` gives uniforms in [0, 1), one call per value
 * for uniform tensors and two per pair of values for normal ones (Box and Muller), so that one seed gives
 * one network. Pure but for the calls of `random`.
 */
export function initialValues(parameter: Parameter, random: () => number): Float32Array {
  const values = new Float32Array(elementCount(parameter.shape));
  const { init } = parameter;
  if (init.kind === 'constant') return values.fill(init.value);
  if (init.kind === 'uniform') {
    for (let i = 0; i < values.length; i++) values[i] = (2 * random() - 1) * init.bound;
    return values;
  }
  for (let i = 0; i < values.length; i += 2) {
    const radius = init.std * Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < values.length) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}
