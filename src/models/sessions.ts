import { totalmem } from 'node:os';
import { messageOf, VerbatimError } from '../errors.ts';
import {
  checkExternalData,
  createGraph,
  type Graph,
  type GraphOptions,
  type Model,
  model,
  type Precision,
  peakActivationBytes,
  type Value,
} from '../graph/index.ts';
import { concatBatch, floatTensor, type Tensor, toFloat16 } from '../math/index.ts';
import {
  openSession,
  type Port,
  type Provider,
  type Session,
  type SessionOptions,
} from '../runtime/index.ts';
import type { PartSource } from './folder/open.ts';
import { asFloat32 } from './safetensors.ts';
import { checkWeights, openTensorStore, storeWeights } from './store.ts';
import { listParameters, sketchNetwork, type Weights } from './weights.ts';

/** How a network is built for one folder's files; `build` names what goes in and what comes out. */
export interface NetworkPlan {
  readonly source: PartSource;
  readonly otherName?: (name: string) => string | undefined;
  /** What it computes in. Default 'float32'; a finished ONNX graph has a precision of its own. */
  readonly precision?: Precision | undefined;
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
    const graph = createGraph({ ...graphOptions, precision: plan.precision ?? 'float32' });
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

/** How a denoiser is opened. */
export interface DenoiserNetworkOptions extends SessionOptions {
  /**
   * What the denoiser computes in; VAE and text encoders stay in float32, where half precision is known to fail.
   * Default 'float32'. Only graphics cards gain by 'float16'.
   */
  readonly precision?: Precision;
}

/** A session over our own graph, or over an exported file as it stands. */
export async function openNetwork(plan: NetworkPlan, options: SessionOptions = {}): Promise<Session> {
  if (plan.source.kind === 'onnx') {
    if (plan.precision === 'float16')
      throw new VerbatimError(
        `${plan.source.path}: a finished graph computes in the precision that it was exported in; leave precision out`,
        { exitCode: 2 },
      );
    checkExternalData(plan.source.path);
  }
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

/** Share of the machine's memory that the activations of one run may take. */
const activationShare = 1 / 8;
/** What they may take on a graphics card, whose memory nobody tells; a run that does not fit is split further. */
const acceleratorBytes = 4 * 2 ** 30;

/** How many rows go through a network at once; lowered when a run finds too little memory. */
export interface RowLimit {
  rows: number;
}

/**
 * The rows whose activations fit into the memory there is, from 1 to `most`: estimated from the network's graph, with
 * as much again for what operators and the allocator take. Depends on the machine's memory, not on what is free of it,
 * so that a run that is gone on with is split as before.
 */
export function rowLimit(plan: NetworkPlan, most: number, provider: Provider): RowLimit {
  const { graph } = sketchNetwork((scratch, weights) => plan.build(scratch, weights), {
    runtimeOperators: plan.source.kind !== 'onnx',
    precision: plan.precision ?? 'float32',
  });
  const rowBytes = 2 * peakActivationBytes(graph, { batch_size: 1 });
  const memoryBytes = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  const budgetBytes = provider === 'cpu' ? activationShare * memoryBytes : acceleratorBytes;
  return { rows: Math.max(1, Math.min(most, Math.floor(budgetBytes / rowBytes))) };
}

/** A session with the limit of the rows that it takes at once. */
export interface LimitedSession {
  readonly session: Session;
  readonly limit: RowLimit;
}

/** Opens a plan's session; `most` bounds its limit of rows. */
export async function openLimited(
  plan: NetworkPlan,
  options: SessionOptions,
  most = Number.POSITIVE_INFINITY,
): Promise<LimitedSession> {
  const session = await openNetwork(plan, options);
  return orClose(session, () => ({ session, limit: rowLimit(plan, most, session.provider) }));
}

/** What `prepare` makes of a session that was just opened; when it throws, the session is closed. */
export async function orClose<T>(session: Session, prepare: () => T): Promise<T> {
  try {
    return prepare();
  } catch (error) {
    await session.close();
    throw error;
  }
}

/** Pictures of one run at most, where memory allows more: larger batches gain nothing. */
const picturesPerRun = 16;

/** The networks of an autoencoder. */
export interface Halves<Half extends string> {
  /** Opens one of them the first time. */
  get(half: Half): Promise<LimitedSession>;
  /** Closes those that were opened. */
  close(): Promise<void>;
}

/** Networks whose weights are checked now, and of which each is opened when it is first used. */
export function openHalves<Half extends string>(
  plans: Readonly<Record<Half, NetworkPlan>>,
  options: SessionOptions,
): Halves<Half> {
  for (const plan of Object.values<NetworkPlan>(plans)) checkNetwork(plan);
  const opened = new Map<Half, Promise<LimitedSession>>();
  return {
    get(half) {
      const found = opened.get(half) ?? openLimited(plans[half], options, picturesPerRun);
      opened.set(half, found);
      return found;
    },
    async close() {
      // One that could not be opened has said so to whoever used it.
      const found = await Promise.allSettled(opened.values());
      await Promise.all(
        found.map((result) => (result.status === 'fulfilled' ? result.value.session.close() : undefined)),
      );
    },
  };
}

const outOfMemory = /out of memory|failed to allocate|bad_alloc|alloc_failed/i;

/**
 * Runs a network over rows (dimension 0) in chunks of at most `limit`, and joins what comes back as
 * float32. `run` gets the chunk's range. A chunk for which there is too little memory is halved, and the limit with it.
 */
export async function inChunks(
  rows: number,
  limit: RowLimit,
  run: (from: number, to: number) => Promise<Tensor>,
): Promise<Tensor<'float32'>> {
  const parts: Tensor<'float32'>[] = [];
  for (let from = 0; from < rows; ) {
    const to = Math.min(rows, from + limit.rows);
    try {
      const part = await run(from, to);
      parts.push(floatTensor(part.shape, asFloat32(part, 'network output')));
      from = to;
    } catch (error) {
      if (to - from === 1 || !outOfMemory.test(messageOf(error))) throw error;
      limit.rows = Math.ceil((to - from) / 2);
    }
  }
  if (parts.length === 1) return parts[0]!;
  return parts.length === 0 ? floatTensor([0]) : concatBatch(parts);
}
