import { VerbatimError } from '../errors.ts';
import { type DType, elementCount, type Tensor, toFloat16 } from '../math/index.ts';
import { noteKnown } from './known.ts';
import { knownOps, ruleOf } from './registry.ts';
import { formatShape } from './shapes.ts';
import type {
  Attributes,
  ConstantData,
  Graph,
  Model,
  Node,
  Precision,
  Shape,
  Target,
  Value,
} from './value.ts';

/** Short constants that a graph has already, so that each number is stored once. */
const shared = new WeakMap<Graph, Map<string, Value>>();

export interface GraphOptions {
  /** The version of ONNX's operators that its nodes mean; functions here build for 20, the default. */
  readonly opset?: number;
  /** For a graph that is only run here: see `Graph`. Default false. */
  readonly runtimeOperators?: boolean;
  /** See `Graph`. Default 'float32'. */
  readonly precision?: Precision;
  /** See `Graph`. Default 'cpu'. */
  readonly target?: Target;
}

/** An empty graph. */
export function createGraph(options: GraphOptions = {}): Graph {
  const { opset = 20, runtimeOperators = false, precision = 'float32', target = 'cpu' } = options;
  const empty = { nodes: [], inputs: [], constants: new Map(), names: new Set<string>() };
  return { opset, runtimeOperators, precision, target, ...empty };
}

/** The graph that a model's graph was cut from: where its values live and new nodes are added. */
const origins = new WeakMap<Graph, Graph>();

function originOf(graph: Graph): Graph {
  return origins.get(graph) ?? graph;
}

function claimName(graph: Graph, name: string): string {
  if (graph.names.has(name))
    throw new VerbatimError(`graph: the name "${name}" is used twice; give every value a name of its own`);
  graph.names.add(name);
  return name;
}

function freshName(graph: Graph, stem: string): string {
  let name = stem;
  for (let i = 1; graph.names.has(name); i++) name = `${stem}_${i}`;
  graph.names.add(name);
  return name;
}

/** A value that is fed at run time. A string in `shape` is a size that is bound then. */
export function input(cut: Graph, name: string, dtype: DType, shape: Shape): Value {
  const graph = originOf(cut);
  const value: Value = { graph, name: claimName(graph, name), dtype, shape: [...shape], producer: undefined };
  graph.inputs.push(value);
  return value;
}

function addConstant(graph: Graph, name: string, dtype: DType, shape: readonly number[], data: ConstantData) {
  const value: Value = { graph, name, dtype, shape: [...shape], producer: undefined };
  graph.constants.set(value, data);
  return value;
}

/** A constant: a tensor (kept by reference, not copied), or a number as a float32 scalar. */
export function constant(cut: Graph, tensor: Tensor | number, name?: string): Value {
  const graph = originOf(cut);
  if (typeof tensor === 'number' && name === undefined) return scalar(graph, tensor, 'float32');
  const content: Tensor =
    typeof tensor === 'number' ? { dtype: 'float32', shape: [], data: Float32Array.of(tensor) } : tensor;
  if (content.data.length !== elementCount(content.shape))
    throw new VerbatimError(
      `constant ${name ?? ''}: ${content.data.length} values do not fill shape ${formatShape(content.shape)}`,
    );
  const called =
    name === undefined ? freshName(graph, `constant_${graph.constants.size}`) : claimName(graph, name);
  return addConstant(graph, called, content.dtype, content.shape, { kind: 'memory', tensor: content });
}

/** A constant whose content stays in a file until it is needed: a large weight. */
export function fileConstant(cut: Graph, name: string, data: ConstantData & { kind: 'file' }): Value {
  return lateConstant(cut, name, data);
}

/** A constant whose content is made when it is needed, and not kept. */
export function deferredConstant(cut: Graph, name: string, data: ConstantData & { kind: 'deferred' }): Value {
  return lateConstant(cut, name, data);
}

function lateConstant(cut: Graph, name: string, data: Exclude<ConstantData, { kind: 'memory' }>): Value {
  const graph = originOf(cut);
  return addConstant(graph, claimName(graph, name), data.dtype, data.shape, data);
}

/** A scalar of any element type, stored once per graph. */
export function scalar(graph: Graph, value: number, dtype: DType): Value {
  return sharedConstant(graph, [value], dtype, []);
}

/** A vector of one number repeated, stored once per graph. */
export function constantVector(
  cut: Graph,
  length: number,
  value: number,
  dtype: Precision = 'float32',
): Value {
  const graph = originOf(cut);
  const table = shared.get(graph) ?? new Map<string, Value>();
  shared.set(graph, table);
  const key = `${length} times ${value} ${dtype}`;
  const known = table.get(key);
  if (known !== undefined) return known;
  const values = new Float32Array(length).fill(value);
  const data = dtype === 'float16' ? toFloat16(values) : values;
  const vector = constant(graph, { dtype, shape: [length], data });
  table.set(key, vector);
  return vector;
}

/** A vector of 64-bit integers (shapes, axes, pads), stored once per graph. */
export function intVector(graph: Graph, values: readonly number[]): Value {
  return sharedConstant(graph, values, 'int64', [values.length]);
}

function sharedConstant(
  cut: Graph,
  values: readonly number[],
  dtype: DType,
  shape: readonly number[],
): Value {
  const graph = originOf(cut);
  const table = shared.get(graph) ?? new Map<string, Value>();
  shared.set(graph, table);
  const key = `${dtype}[${shape.join()}]${values.map((v) => (Object.is(v, -0) ? '-0' : v)).join()}`;
  let value = table.get(key);
  if (value === undefined) {
    value = constant(graph, { dtype, shape, data: numbersAs(dtype, values) });
    table.set(key, value);
  }
  return value;
}

function numbersAs(dtype: DType, values: readonly number[]): Tensor['data'] {
  switch (dtype) {
    case 'float32':
      return Float32Array.from(values);
    case 'float64':
      return Float64Array.from(values);
    case 'int64':
      return BigInt64Array.from(values, BigInt);
    case 'int32':
      return Int32Array.from(values);
    case 'int8':
      return Int8Array.from(values);
    case 'uint8':
    case 'bool':
      return Uint8Array.from(values);
    case 'float16':
      return toFloat16(Float32Array.from(values));
  }
}

export interface NodeOptions {
  /** '' for ONNX's own operators (default), 'com.microsoft' for ONNX Runtime's. */
  readonly domain?: string;
  /** The node's name; made up when absent. */
  readonly name?: string;
  /** Number of outputs, where the operator leaves it open (Split) or has optional ones. */
  readonly outputs?: number;
  /** Names of the outputs, in their order; made up where absent. */
  readonly outputNames?: readonly (string | undefined)[];
}

/**
 * The one door through which a node enters a graph: looks the operator up, infers its outputs' types
 * and shapes, and throws a VerbatimError that names the operator and the shapes when they do not fit.
 */
export function addNode(
  cut: Graph,
  op: string,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes = {},
  options: NodeOptions = {},
): Value[] {
  const graph = originOf(cut);
  const domain = options.domain === 'ai.onnx' ? '' : (options.domain ?? '');
  const rule = ruleOf(op, domain);
  if (rule === undefined) {
    const title = domain === '' ? op : `${domain}.${op}`;
    throw new VerbatimError(
      `${title}: unknown operator; a graph may hold the ${knownOps().length} operators of docs/graph.md`,
    );
  }
  for (const value of inputs)
    if (value !== undefined && value.graph !== graph)
      throw new VerbatimError(`${op}: input "${value.name}" belongs to another graph`);
  const types = rule.infer({ graph, op, domain, inputs, attributes, outputs: options.outputs });

  const name = options.name ?? `${op}_${graph.nodes.length}`;
  const outputs: Value[] = [];
  const node: Node = { op, domain, name, inputs: [...inputs], outputs, attributes };
  types.forEach((type, i) => {
    const wished = options.outputNames?.[i];
    const called =
      wished === undefined ? freshName(graph, i === 0 ? name : `${name}.${i}`) : claimName(graph, wished);
    const value: Value = { graph, name: called, dtype: type.dtype, shape: [...type.shape], producer: node };
    if (type.known !== undefined) noteKnown(value, type.known);
    outputs.push(value);
  });
  graph.nodes.push(node);
  return outputs;
}

/** Adds a node with one output. */
export function addOne(
  graph: Graph,
  op: string,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes = {},
  options: NodeOptions = {},
): Value {
  return addNode(graph, op, inputs, attributes, options)[0]!;
}

/**
 * A model with the named outputs: a copy of the graph that holds only what they need (nodes, constants
 * and inputs), so several models can be cut from one graph. The values go on living in the graph that they
 * were built in; nodes and models can be added to it through the model's graph as well.
 *
 * @param options.inputs inputs to keep although no output needs them, such as an exported file's declared ones
 */
export function model(
  cut: Graph,
  outputs: Readonly<Record<string, Value>>,
  options: { readonly inputs?: readonly Value[] } = {},
): Model {
  const graph = originOf(cut);
  const leaving = Object.entries(outputs);
  for (const [name, value] of leaving)
    if (value.graph !== graph) throw new VerbatimError(`model: output "${name}" belongs to another graph`);
  const wanted = leaving.map(([, value]) => value);
  return { graph: prune(graph, wanted, options.inputs ?? []), outputs: new Map(leaving) };
}

/** A copy of the graph with only what the given values need, and the inputs named to be kept. */
export function prune(graph: Graph, wanted: readonly Value[], keep: readonly Value[] = []): Graph {
  const needed = new Set<Value>(wanted);
  const nodes: Node[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i]!;
    if (!node.outputs.some((output) => needed.has(output))) continue;
    nodes.push(node);
    for (const value of node.inputs) if (value !== undefined) needed.add(value);
  }
  nodes.reverse();
  const inputs = graph.inputs.filter((value) => needed.has(value) || keep.includes(value));
  const constants = new Map([...graph.constants].filter(([value]) => needed.has(value)));
  const names = new Set(
    [...inputs, ...constants.keys(), ...nodes.flatMap((node) => node.outputs)].map((v) => v.name),
  );
  const pruned: Graph = { ...graph, nodes, inputs, constants, names };
  origins.set(pruned, originOf(graph));
  return pruned;
}
