import type { Model, Shape } from '../graph/index.ts';
import type { DType, Tensor } from '../math/index.ts';

export type Provider = 'cpu' | 'webgpu' | 'cuda';

export interface Port {
  readonly name: string;
  readonly dtype: DType;
  /** Known sizes as numbers, symbolic ones by name. */
  readonly shape: Shape;
}

/** What a session is opened from: a graph of ours, the bytes of an ONNX file, or a file's path. */
export type ModelSource = Model | Uint8Array | { readonly path: string };

export interface SessionOptions {
  /** 'auto' takes the first that works of cuda, webgpu, cpu. Default 'cpu'. */
  readonly provider?: Provider | 'auto';
  /** Threads inside one operator; default: the number of cores. */
  readonly threads?: number;
  /**
   * onnxruntime writes a JSON profile when the session closes: for every operator where it ran, and for how long. The
   * file's name is this path followed by the time and `.json`.
   */
  readonly profile?: string;
  /** Closes the session and rejects what is in flight when it fires. */
  readonly signal?: AbortSignal;
}

export interface RunOptions {
  /** Outputs to bring back; default all that are not carried. */
  readonly fetch?: readonly string[];
  /**
   * Output → input: the result stays with the session and is that input's value in the following runs
   * (a training step's new weights). It crosses no thread boundary. See `held`.
   */
  readonly carry?: Readonly<Record<string, string>>;
  /**
   * Feeds whose memory goes to the session for this run instead of being copied, and comes back in the result
   * under the input's name: for blocks of many megabytes. Each must fill an ArrayBuffer of its own, which is
   * detached until then; a run that fails keeps it.
   */
  readonly lend?: readonly string[];
}

/**
 * A loaded model in a worker thread of its own: onnxruntime's `run` blocks the thread that calls it,
 * and progress and Ctrl-C must stay alive. Runs of one session are queued in the order of the calls.
 */
export interface Session {
  readonly provider: Provider;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Runs once. Feeds are copied and the caller keeps its arrays, but for those that it lends. */
  run(feeds: Readonly<Record<string, Tensor>>, options?: RunOptions): Promise<Record<string, Tensor>>;
  /** Keeps values inside the session as inputs of all later runs, until replaced. */
  hold(values: Readonly<Record<string, Tensor>>): Promise<void>;
  /** A copy of what is held under an input's name. */
  held(name: string): Promise<Tensor>;
  close(): Promise<void>;
}

/** Counts denoiser evaluations: one call of the denoiser on one sample; a guided call costs two. */
export interface Meter {
  readonly evaluations: number;
  add(evaluations: number): void;
}
