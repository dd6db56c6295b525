import { type Tensor, TYPED_ARRAYS } from '../math/index.ts';
import type { Port, Provider } from './session.types.ts';

/** What the session's two halves say to each other. Tensors' buffers are transferred, never shared. */
export type Tensors = Readonly<Record<string, Tensor>>;

export interface OpenRequest {
  readonly kind: 'open';
  /** The model's file, or its bytes. */
  readonly model: string | Uint8Array;
  /** Where the external data of a model given as bytes lies. */
  readonly externalFolder: string | undefined;
  readonly provider: Provider;
  readonly threads: number;
  /** How the path of a profile begins; undefined: none is made. */
  readonly profile: string | undefined;
}

export interface RunRequest {
  readonly kind: 'run';
  readonly feeds: Tensors;
  /** Outputs to bring back. */
  readonly fetch: readonly string[];
  /** Output → input. */
  readonly carry: Readonly<Record<string, string>>;
  /** Feeds that go back with the outputs. */
  readonly lend: readonly string[];
}

/** What threads do that hold no session: some requests of one task. */
export interface TasksRequest {
  readonly kind: 'tasks';
  readonly requests: readonly unknown[];
}

/** What came of one of them. Errors that users may see come over whole, of others what is shown. */
export type Outcome =
  | { readonly reply: unknown }
  | { readonly message: string; readonly exitCode: 1 | 2 }
  | { readonly defect: string; readonly stack: string | undefined };

export type Request =
  | OpenRequest
  | RunRequest
  | TasksRequest
  | { readonly kind: 'hold'; readonly values: Tensors }
  | { readonly kind: 'held'; readonly name: string };

/** A port as ONNX Runtime reports it: its type may be one that we do not have. */
export interface RawPort {
  readonly name: string;
  readonly type: string;
  readonly shape: Port['shape'];
}

export interface Replies {
  open: { readonly inputs: readonly RawPort[]; readonly outputs: readonly RawPort[] };
  run: Tensors;
  hold: undefined;
  held: Tensor;
  tasks: readonly Outcome[];
}

/**
 * Memory that both threads see, one 32-bit word each: whether the worker shall end, and what it is doing.
 * A thread that is stopped inside native code takes the process down with it (onnxruntime-node's binding
 * throws where nobody can catch), so it has to be asked, and the process's own exit has to wait for it.
 */
export const CONTROL_BYTES = 8;
export const STOP = 0;
export const ACTIVITY = 1;
/** Values of the activity word. */
export const IDLE = 0;
export const BUSY = 1;
export const STARTING = 2;

export interface Envelope {
  readonly id: number;
  /** Undefined only wakes the worker up, to find that it shall end. */
  readonly request: Request | undefined;
}

export type Answer =
  | { readonly id: number; readonly ok: true; readonly reply: unknown }
  | { readonly id: number; readonly ok: false; readonly message: string };

/** The buffers of tensors, for a transfer list. */
export function buffersOf(tensors: Iterable<Tensor>): ArrayBuffer[] {
  return [...new Set([...tensors].map((tensor) => tensor.data.buffer as ArrayBuffer))];
}

/** A copy of a tensor in a buffer of its own. */
export function copyTensor({ dtype, shape, data }: Tensor): Tensor {
  const copy = new ArrayBuffer(data.byteLength);
  new Uint8Array(copy).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return { dtype, shape: [...shape], data: new TYPED_ARRAYS[dtype](copy) };
}
