import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, VerbatimError } from '../../errors.ts';
import type { Tensor } from '../../math/index.ts';
import { addNode, constant, createGraph, fileConstant, model as finishModel, input } from '../build.ts';
import { dtypeOf } from '../dtypes.ts';
import type { Attribute, Attributes, Dim, Graph, Model, Shape, Value } from '../value.ts';
import {
  ATTRIBUTE_TYPE,
  type AttributeProto,
  decodeProto,
  EXTERNAL,
  type GraphProto,
  LARGEST_MODEL_BYTES,
  type ModelProto,
  type NodeProto,
  toNumber,
  type ValueInfoProto,
} from './schema.ts';
import { refuseStandIn } from './stand-in.ts';
import { constantFrom, externalConstant, tensorFrom } from './tensors.ts';
import { NEWEST_OPSET, OLDEST_OPSET, OUR_OPSET, upgrade } from './upgrade.ts';

export interface DecodeOptions {
  /** Sizes for symbolic dimensions of the inputs, such as `{ batch: 2 }`. */
  readonly dims?: Readonly<Record<string, number>>;
  /** The folder in which external data is looked for. */
  readonly baseFolder?: string;
  /** What errors call the model. */
  readonly name?: string;
}

/**
 * Reads an `.onnx` file into a graph. Weights beside it stay on disk; see `decodeModel`.
 *
 * @throws VerbatimError that names the file, and the node or tensor that is wrong
 */
export function readModel(path: string, options: Pick<DecodeOptions, 'dims'> = {}): Model {
  const entry = statSync(path, { throwIfNoEntry: false });
  if (!entry?.isFile()) throw new VerbatimError(`${path}: there is no such file; expected an ONNX model`);
  if (entry.size > LARGEST_MODEL_BYTES)
    throw new VerbatimError(
      `${path}: ${entry.size} bytes are more than an .onnx file can have (2 GiB); is it the weights file?`,
    );
  return decodeModel(readFileSync(path), { ...options, baseFolder: dirname(path), name: path });
}

/** Files above this hold their weights inside, as optimum writes them up to 2 GiB; they are not read twice. */
const LARGEST_CHECKED_BYTES = 2 ** 28;

/**
 * Refuses an `.onnx` file whose external data is missing, too short or outside its folder, before something else
 * opens that file as it stands. Operators and opsets are not looked at.
 *
 * @returns the files of its external data, each once
 * @throws VerbatimError that names the file and the tensor
 */
export function checkExternalData(path: string): string[] {
  const entry = statSync(path, { throwIfNoEntry: false });
  if (!entry?.isFile()) throw new VerbatimError(`${path}: there is no such file; expected an ONNX model`);
  if (entry.size > LARGEST_CHECKED_BYTES) return [];
  const files = new Set<string>();
  for (const tensor of parse(readFileSync(path), path).graph?.initializer ?? [])
    if (tensor.data_location === EXTERNAL)
      files.add(externalConstant(tensor, `${path}: tensor "${tensor.name ?? ''}"`, dirname(path)).path);
  return [...files];
}

/**
 * Reads the bytes of an `.onnx` file into a graph of opset 20: opsets 13 to 23 are accepted, and operators
 * whose form has changed are rewritten. Every node passes through `addNode`, so shapes are inferred and
 * checked; a dimension without a name is called `<input>_<axis>`. `Constant` nodes become constants.
 *
 * @throws VerbatimError for bytes that are no model, for subgraphs (If, Loop, Scan), functions and unknown
 *   operators (named), for external data that is missing, too short or outside the folder
 */
export function decodeModel(bytes: Uint8Array, options: DecodeOptions = {}): Model {
  const label = options.name ?? 'model';
  const proto = parse(bytes, label);
  const file = checkHeader(proto, label);
  const build: Build = {
    label,
    opset: file.opset,
    folder: options.baseFolder,
    graph: createGraph({ opset: OUR_OPSET }),
    values: new Map(),
    names: namesIn(file.graph),
  };
  addInputs(build, file.graph, options.dims ?? {});
  for (const tensor of file.graph.initializer ?? []) {
    const name = tensor.name ?? '';
    const where = `${label}: tensor "${name}"`;
    const data = constantFrom(tensor, where, options.baseFolder);
    define(
      build,
      name,
      data.kind === 'file' ? fileConstant(build.graph, name, data) : constant(build.graph, data.tensor, name),
    );
  }
  for (const node of file.graph.node ?? []) addFileNode(build, node);
  return finishModel(build.graph, namedOutputs(build, file.graph), { inputs: build.graph.inputs });
}

interface Build {
  readonly label: string;
  readonly opset: number;
  readonly folder: string | undefined;
  readonly graph: Graph;
  /** The file's names of values, and what they have become. */
  readonly values: Map<string, Value>;
  /** Every name that occurs in the file; names that we make up must differ from them. */
  readonly names: Set<string>;
}

function parse(bytes: Uint8Array, label: string): ModelProto {
  refuseStandIn(label, bytes);
  try {
    return decodeProto(bytes);
  } catch (cause) {
    throw new VerbatimError(`${label}: not an ONNX model, or cut short (${messageOf(cause)})`, { cause });
  }
}

function checkHeader(proto: ModelProto, label: string): { graph: GraphProto; opset: number } {
  const { graph } = proto;
  const set = proto.opset_import?.find(({ domain = '' }) => domain === '' || domain === 'ai.onnx');
  if (!graph?.output?.length || !set)
    throw new VerbatimError(`${label}: not an ONNX model, or cut short (it holds no graph with outputs)`);
  const opset = toNumber(set.version ?? 0);
  if (opset < OLDEST_OPSET || opset > NEWEST_OPSET)
    throw new VerbatimError(
      `${label}: opset ${opset} is not supported; export the model with opset ${OLDEST_OPSET} to ${NEWEST_OPSET}`,
    );
  const called = proto.functions?.[0];
  if (called)
    throw new VerbatimError(
      `${label}: model-local functions ("${called.name}") are not supported; inline them`,
    );
  if (graph.sparse_initializer?.length)
    throw new VerbatimError(`${label}: sparse initializers are not supported; export them dense`);
  return { graph, opset };
}

function namesIn(graph: GraphProto): Set<string> {
  const names = new Set<string>();
  for (const { name } of [...(graph.input ?? []), ...(graph.initializer ?? [])]) names.add(name ?? '');
  for (const node of graph.node ?? []) for (const name of node.output ?? []) names.add(name);
  return names;
}

function define(build: Build, name: string, value: Value): void {
  build.values.set(name, value);
}

function addInputs(build: Build, graph: GraphProto, dims: Readonly<Record<string, number>>): void {
  const { label } = build;
  // Files before IR version 4 list the initializers among the inputs.
  const constants = new Set((graph.initializer ?? []).map((tensor) => tensor.name));
  const symbols = new Set<string>();
  for (const info of graph.input ?? []) {
    const name = info.name ?? '';
    if (constants.has(name)) continue;
    const where = `${label}: input "${name}"`;
    const type = info.type?.tensor_type;
    if (!type) throw new VerbatimError(`${where} is no tensor, which is not supported`);
    const shape = declaredShape(info).map((size) => {
      if (typeof size === 'number') return size;
      symbols.add(size);
      return Object.hasOwn(dims, size) ? checkedSize(dims[size]!, size, label) : size;
    });
    define(build, name, input(build.graph, name, dtypeOf(type.elem_type, where), shape));
  }
  for (const name of Object.keys(dims))
    if (!symbols.has(name))
      throw new VerbatimError(
        `${label}: there is no dimension "${name}"; open dimensions are ${[...symbols].join(', ') || 'none'}`,
      );
}

function checkedSize(size: number, symbol: string, label: string): number {
  if (!Number.isSafeInteger(size) || size < 0)
    throw new VerbatimError(`${label}: dimension "${symbol}" cannot have the size ${size}`);
  return size;
}

function declaredShape(info: ValueInfoProto): Shape {
  return (info.type?.tensor_type?.shape?.dim ?? []).map((dim, axis): Dim => {
    if (Object.hasOwn(dim, 'dim_value') && dim.dim_value != null) {
      const size = toNumber(dim.dim_value);
      if (size >= 0) return size;
    }
    return dim.dim_param || `${info.name}_${axis}`;
  });
}

function addFileNode(build: Build, node: NodeProto): void {
  const op = node.op_type ?? '';
  const title = `${build.label}: node "${node.name || node.output?.[0] || ''}" (${op})`;
  const inputs = (node.input ?? []).map((name) => {
    if (name === '') return undefined;
    const value = build.values.get(name);
    if (!value)
      throw new VerbatimError(`${title} reads "${name}", which no input, initializer or earlier node is`);
    return value;
  });
  const attributes: Record<string, Attribute> = {};
  for (const proto of node.attribute ?? []) attributes[proto.name ?? ''] = attributeFrom(proto, title);
  const outputNames = node.output ?? [];
  const domain = node.domain ?? '';
  if (op === 'Constant' && domain === '') {
    const name = outputNames[0] ?? '';
    define(build, name, constant(build.graph, constantValue(attributes, title), name));
    return;
  }
  const fileNode = { op, inputs, attributes, outputs: outputNames.length };
  const made = domain === '' ? upgrade(fileNode, build.opset, (v) => intVector(build, v)) : fileNode;
  if (typeof made === 'string') throw new VerbatimError(`${title}: ${made}`);
  const outputs = wrapped(title, () =>
    addNode(build.graph, op, made.inputs, made.attributes, {
      domain,
      ...(node.name ? { name: node.name } : {}),
      outputs: outputNames.length,
      outputNames: outputNames.map((name) => name || undefined),
    }),
  );
  outputs.forEach((value, at) => {
    if (outputNames[at]) define(build, outputNames[at], value);
  });
}

/** A constant that the file does not have, under a name that the file does not use. */
function intVector(build: Build, values: readonly number[]): Value {
  let name = 'axes';
  for (let i = 1; build.names.has(name); i++) name = `axes_${i}`;
  build.names.add(name);
  const data = BigInt64Array.from(values, BigInt);
  return constant(build.graph, { dtype: 'int64', shape: [values.length], data }, name);
}

function wrapped<T>(title: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    if (cause instanceof VerbatimError) throw new VerbatimError(`${title}: ${cause.message}`, { cause });
    throw cause;
  }
}

const utf8 = new TextDecoder();

function attributeFrom(proto: AttributeProto, title: string): Attribute {
  const { name = '' } = proto;
  switch (proto.type) {
    case ATTRIBUTE_TYPE.INT:
      return { type: 'int', value: toNumber(proto.i ?? 0) };
    case ATTRIBUTE_TYPE.FLOAT:
      return { type: 'float', value: proto.f ?? 0 };
    case ATTRIBUTE_TYPE.STRING:
      // A message without the field reads as protobufjs's default for bytes, which is a plain array.
      return { type: 'string', value: utf8.decode(Uint8Array.from(proto.s ?? [])) };
    case ATTRIBUTE_TYPE.INTS:
      return { type: 'ints', value: (proto.ints ?? []).map(toNumber) };
    case ATTRIBUTE_TYPE.FLOATS:
      return { type: 'floats', value: [...(proto.floats ?? [])] };
    case ATTRIBUTE_TYPE.STRINGS:
      return { type: 'strings', value: (proto.strings ?? []).map((text) => utf8.decode(text)) };
    case ATTRIBUTE_TYPE.TENSOR:
      return { type: 'tensor', value: tensorFrom(proto.t ?? {}, `${title}: attribute "${name}"`) };
    case ATTRIBUTE_TYPE.GRAPH:
    case ATTRIBUTE_TYPE.GRAPHS:
      throw new VerbatimError(`${title} holds a subgraph ("${name}"), which is not supported`);
    default:
      throw new VerbatimError(
        `${title}: attribute "${name}" is of type ${proto.type}, which is not supported`,
      );
  }
}

/** What a `Constant` node holds. */
function constantValue(attributes: Attributes, title: string): Tensor {
  const [entry] = Object.entries(attributes);
  const [name, attribute] = entry ?? [];
  switch (attribute?.type) {
    case 'tensor':
      return attribute.value;
    case 'float':
      return { dtype: 'float32', shape: [], data: Float32Array.of(attribute.value) };
    case 'floats':
      return { dtype: 'float32', shape: [attribute.value.length], data: Float32Array.from(attribute.value) };
    case 'int':
      return { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(attribute.value)) };
    case 'ints':
      return {
        dtype: 'int64',
        shape: [attribute.value.length],
        data: BigInt64Array.from(attribute.value, BigInt),
      };
    default:
      throw new VerbatimError(`${title}: a constant of the kind "${name}" is not supported`);
  }
}

function namedOutputs(build: Build, graph: GraphProto): Record<string, Value> {
  const outputs: Record<string, Value> = {};
  for (const info of graph.output ?? []) {
    const name = info.name ?? '';
    const value = build.values.get(name);
    if (!value) throw new VerbatimError(`${build.label}: output "${name}" is made by no node`);
    const declared = info.type?.tensor_type?.elem_type;
    const where = `${build.label}: output "${name}"`;
    if (declared && dtypeOf(declared, where) !== value.dtype)
      throw new VerbatimError(`${where} is declared as ${dtypeOf(declared, where)}, but is ${value.dtype}`);
    outputs[name] = value;
  }
  return outputs;
}
