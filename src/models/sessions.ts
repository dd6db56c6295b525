import { VerbatimError } from '../errors.ts';
import {
  checkExternalData,
  createGraph,
  type Graph,
  type GraphOptions,
  type Model,
  model,
  type Value,
} from '../graph/index.ts';
import { concatBatch, floatTensor, type Tensor, toFloat16 } from '../math/index.ts';
import { openSession, type Port, type Session, type SessionOptions } from '../runtime/index.ts';
import type { PartSource } from './folder/open.ts';
import { asFloat32 } from './safetensors.ts';
import { checkWeights, openTensorStore, storeWeights } from './store.ts';
import { listParameters, type Weights } from './weights.ts';

/** How a network is built for one folder's files; `build` names what goes in and what comes out. */
export interface NetworkPlan {
  readonly source: PartSource;
  readonly otherName?: (name: string) => string | undefined;
  build(graph: Graph, weights: Weights): Readonly<Record<string, Value>>;
}

/**
 * The network of a plan as a finished graph with its weights. Safetensors sources only. A graph with
 * `runtimeOperators` is for a session here, one without for a file that other programs read.
 */
export function buildNetwork(plan: NetworkPlan, graphOptions: GraphOptions = {}): Model {
  if (plan.source.kind !== 'safetensors')
    throw new RangeError(`${plan.source.path} is a finished graph already`);
  const store = openTensorStore(plan.source.files, plan.source.places);
  try {
    const graph = createGraph(graphOptions);
    const options = plan.otherName ? { otherName: plan.otherName } : {};
    return model(graph, plan.build(graph, storeWeights(graph, store, options)));
  } finally {
    store.close();
  }
}

/**
 * Refuses a plan whose files lack a tensor or hold one of another shape, or whose ONNX file has lost its external
 * data; reads no weights. For a network
 * that is opened late, so that a damaged file is named before anything is computed with the others.
 */
export function checkNetwork(plan: NetworkPlan): void {
  if (plan.source.kind === 'onnx') {
    checkExternalData(plan.source.path);
    return;
  }
  const store = openTensorStore(plan.source.files, plan.source.places);
  try {
    const tensors = listParameters((graph, weights) => plan.build(graph, weights));
    checkWeights(store, tensors, plan.otherName ? { otherName: plan.otherName } : {});
  } finally {
    store.close();
  }
}

/** A session over our own graph, or over an exported file as it stands. */
export async function openNetwork(plan: NetworkPlan, options: SessionOptions = {}): Promise<Session> {
  if (plan.source.kind === 'onnx') checkExternalData(plan.source.path);
  const source =
    plan.source.kind === 'onnx' ? { path: plan.source.path } : buildNetwork(plan, { runtimeOperators: true });
  return openSession(source, options);
}

/** The first of some names that a session has; exports of different ages name the same port differently. */
export function findPort(ports: readonly Port[], names: readonly string[], where: string): Port {
  const found = names
    .map((name) => ports.find((port) => port.name === name))
    .find((port) => port !== undefined);
  if (found) return found;
  const all = ports.map((port) => port.name).join(', ');
  throw new VerbatimError(`${where}: no input or output "${names[0]}"; the file has ${all}.`);
}

/** A float32 tensor in the element type of a port. */
export function feedFloat(port: Port, tensor: Tensor<'float32'>): Tensor {
  const { shape, data } = tensor;
  switch (port.dtype) {
    case 'float32':
      return tensor;
    case 'float16':
      return { dtype: 'float16', shape, data: toFloat16(data) };
    case 'float64':
      return { dtype: 'float64', shape, data: Float64Array.from(data) };
    case 'int64':
      return { dtype: 'int64', shape, data: BigInt64Array.from(data, (value) => BigInt(Math.round(value))) };
    case 'int32':
      return { dtype: 'int32', shape, data: Int32Array.from(data, Math.round) };
    default:
      throw new VerbatimError(`input "${port.name}" of type ${port.dtype} cannot take numbers.`);
  }
}

/**
 * Runs a network over rows (dimension 0) in chunks of at most `limit`, and joins what comes back as
 * float32. `run` gets the chunk's range.
 */
export async function inChunks(
  rows: number,
  limit: number,
  run: (from: number, to: number) => Promise<Tensor>,
): Promise<Tensor<'float32'>> {
  const parts: Tensor<'float32'>[] = [];
  for (let from = 0; from < rows; from += limit) {
    const part = await run(from, Math.min(rows, from + limit));
    parts.push(floatTensor(part.shape, asFloat32(part, 'network output')));
  }
  return parts.length === 0 ? floatTensor([0]) : concatBatch(parts);
}
