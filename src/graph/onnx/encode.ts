import { closeSync, openSync, readSync, realpathSync } from 'node:fs';
import { relative, sep } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import type { DType } from '../../math/index.ts';
import { prune } from '../build.ts';
import { DTYPE_CODES } from '../dtypes.ts';
import type { Attribute, ConstantData, Graph, Model, Node, Shape, Value } from '../value.ts';
import { byteCount, bytesOf } from './bytes.ts';
import {
  ATTRIBUTE_TYPE,
  type AttributeProto,
  EXTERNAL,
  encodeProto,
  type GraphProto,
  LARGEST_MODEL_BYTES,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  toInt64,
  type ValueInfoProto,
} from './schema.ts';

/** How a constant enters the file: its bytes inside, or a reference to bytes elsewhere. */
export type PlaceConstant = (name: string, constant: ConstantData) => Partial<TensorProto>;

export interface EncodeOptions {
  /**
   * Leaves constants that lie in files where they are and refers to them, relative to this folder.
   * Such bytes are for a session of this process, not for a file that travels.
   */
  readonly referToFilesFrom?: string | undefined;
}

/**
 * The bytes of an `.onnx` file with the weights inside.
 *
 * Written are the nodes and constants that the outputs need, and every input of the graph. A value that
 * leaves the model takes its public name; values that have several names, or are inputs or constants
 * themselves, pass through an Identity. Constants in files are read.
 *
 * @throws VerbatimError above protobuf's 2 GiB: use `writeModel`, which puts weights beside the model.
 */
export function encodeModel(model: Model, options: EncodeOptions = {}): Uint8Array {
  const folder = options.referToFilesFrom;
  const { constants } = needed(model);
  let weightBytes = 0;
  for (const [, data] of constants)
    if (data.kind !== 'file' || folder === undefined) weightBytes += constantBytes(data);
  const refuse = () => {
    throw new VerbatimError(
      `a model of ${weightBytes} bytes of weights does not fit into one .onnx file, whose limit is 2 GiB; use writeModel, which puts the weights beside it`,
    );
  };
  if (weightBytes > LARGEST_MODEL_BYTES) refuse();
  const bytes = encodeProto(
    modelProto(model, (_, data) =>
      data.kind === 'file' && folder !== undefined
        ? externalData(relative(folder, realpathSync(data.path)), data.offsetBytes, data.lengthBytes)
        : { raw_data: readConstant(data) },
    ),
  );
  if (bytes.byteLength > LARGEST_MODEL_BYTES) refuse();
  return bytes;
}

/** The fields of a tensor whose bytes lie in another file, at `location` relative to the model's folder. */
export function externalData(location: string, offsetBytes: number, lengthBytes: number): TensorProto {
  return {
    data_location: EXTERNAL,
    external_data: [
      { key: 'location', value: location.split(sep).join('/') },
      { key: 'offset', value: String(offsetBytes) },
      { key: 'length', value: String(lengthBytes) },
    ],
  };
}

/** A constant's size in bytes. */
export function constantBytes(data: ConstantData): number {
  switch (data.kind) {
    case 'file':
      return data.lengthBytes;
    case 'memory':
      return data.tensor.data.byteLength;
    case 'deferred':
      return byteCount(data.dtype, data.shape);
  }
}

/** Element type and shape of a constant's content. */
function typeOf(data: ConstantData): { readonly dtype: DType; readonly shape: readonly number[] } {
  return data.kind === 'memory' ? data.tensor : data;
}

/** A constant's content as bytes: a view on memory, made, or read from its file. */
export function readConstant(data: ConstantData): Uint8Array {
  if (data.kind === 'memory') return bytesOf(data.tensor);
  if (data.kind === 'deferred') {
    const tensor = data.read();
    if (tensor.data.byteLength !== constantBytes(data))
      throw new RangeError(
        `a constant of ${constantBytes(data)} bytes was made with ${tensor.data.byteLength}`,
      );
    return bytesOf(tensor);
  }
  const bytes = new Uint8Array(data.lengthBytes);
  const file = openWeights(data.path);
  try {
    let done = 0;
    while (done < bytes.byteLength) {
      const count = readSync(file, bytes, done, bytes.byteLength - done, data.offsetBytes + done);
      if (count === 0)
        throw new VerbatimError(
          `${data.path}: ends after ${data.offsetBytes + done} bytes, but a constant reaches to byte ${data.offsetBytes + data.lengthBytes}; the file was cut short`,
        );
      done += count;
    }
  } finally {
    closeSync(file);
  }
  return bytes;
}

function openWeights(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw new VerbatimError(`${path}: this file of weights cannot be read (${(cause as Error).message})`, {
      cause,
    });
  }
}

/** The part of the graph that the model's outputs depend on. */
function needed(model: Model): Graph {
  return prune(model.graph, [...model.outputs.values()]);
}

/** The model as a protobuf message; `place` decides where each constant's bytes go. */
export function modelProto(model: Model, place: PlaceConstant): ModelProto {
  const { graph, outputs } = model;
  const { nodes, constants } = needed(model);
  const { nameOf, identities } = publicNames(model);
  const proto: GraphProto = {
    name: 'main',
    node: nodes.map((node) => nodeProto(node, nameOf)),
    initializer: [...constants].map(([value, data]) => ({
      name: nameOf(value),
      data_type: DTYPE_CODES[value.dtype],
      dims: [...typeOf(data).shape],
      ...place(nameOf(value), checkConstant(value, data)),
    })),
    input: graph.inputs.map((value) => valueInfo(nameOf(value), value)),
    output: [...outputs].map(([name, value]) => valueInfo(name, value)),
  };
  for (const [name, value] of identities)
    proto.node?.push({ op_type: 'Identity', name: `output ${name}`, input: [nameOf(value)], output: [name] });
  const domains = new Set(nodes.map((node) => node.domain).filter((domain) => domain !== ''));
  return {
    ir_version: graph.opset > 20 ? 10 : 9,
    producer_name: 'verbatim',
    opset_import: [
      { domain: '', version: graph.opset },
      ...[...domains].sort().map((domain) => ({ domain, version: 1 })),
    ],
    graph: proto,
  };
}

/**
 * The name under which each value is written, and the outputs that need an Identity.
 * Public names win: an inner value that happens to be called like an output is renamed.
 */
function publicNames(model: Model): {
  nameOf: (value: Value) => string;
  identities: [string, Value][];
} {
  const chosen = new Map<Value, string>();
  const identities: [string, Value][] = [];
  const taken = new Set(model.graph.inputs.map((value) => value.name));
  for (const name of model.outputs.keys()) {
    if (taken.has(name))
      throw new VerbatimError(`output "${name}" is called like an input of the model; give it another name`);
    taken.add(name);
  }
  for (const value of model.graph.inputs) chosen.set(value, value.name);
  for (const [name, value] of model.outputs) {
    if (value.producer && !chosen.has(value)) chosen.set(value, name);
    else identities.push([name, value]);
  }
  const nameOf = (value: Value): string => {
    const known = chosen.get(value);
    if (known !== undefined) return known;
    let name = value.name;
    for (let copy = 1; taken.has(name); copy++) name = `${value.name}.${copy}`;
    taken.add(name);
    chosen.set(value, name);
    return name;
  };
  return { nameOf, identities };
}

function checkConstant(value: Value, data: ConstantData): ConstantData {
  const { dtype, shape } = typeOf(data);
  const expected = byteCount(dtype, shape);
  if (dtype !== value.dtype || constantBytes(data) !== expected)
    throw new VerbatimError(
      `constant "${value.name}": ${constantBytes(data)} bytes of ${dtype} do not fill ${value.dtype} [${shape.join(', ')}], which takes ${expected} bytes`,
    );
  return data;
}

function valueInfo(name: string, value: Value): ValueInfoProto {
  return {
    name,
    type: { tensor_type: { elem_type: DTYPE_CODES[value.dtype], shape: { dim: dimensions(value.shape) } } },
  };
}

function dimensions(shape: Shape): { dim_value?: number; dim_param?: string }[] {
  return shape.map((size) => (typeof size === 'number' ? { dim_value: size } : { dim_param: size }));
}

function nodeProto(node: Node, nameOf: (value: Value) => string): NodeProto {
  return {
    op_type: node.op,
    domain: node.domain,
    name: node.name,
    input: node.inputs.map((value) => (value ? nameOf(value) : '')),
    output: node.outputs.map(nameOf),
    attribute: Object.entries(node.attributes).map(([name, attribute]) => ({
      name,
      ...attributeProto(attribute),
    })),
  };
}

const utf8 = new TextEncoder();

function attributeProto(attribute: Attribute): AttributeProto {
  switch (attribute.type) {
    case 'int':
      return { type: ATTRIBUTE_TYPE.INT, i: toInt64(attribute.value) };
    case 'float':
      return { type: ATTRIBUTE_TYPE.FLOAT, f: attribute.value };
    case 'string':
      return { type: ATTRIBUTE_TYPE.STRING, s: utf8.encode(attribute.value) };
    case 'ints':
      return { type: ATTRIBUTE_TYPE.INTS, ints: attribute.value.map(toInt64) };
    case 'floats':
      return { type: ATTRIBUTE_TYPE.FLOATS, floats: [...attribute.value] };
    case 'strings':
      return { type: ATTRIBUTE_TYPE.STRINGS, strings: attribute.value.map((text) => utf8.encode(text)) };
    case 'tensor': {
      const { dtype, shape } = attribute.value;
      return {
        type: ATTRIBUTE_TYPE.TENSOR,
        t: { data_type: DTYPE_CODES[dtype], dims: [...shape], raw_data: bytesOf(attribute.value) },
      };
    }
  }
}
