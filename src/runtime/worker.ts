/**
 * The worker's half of a session: it holds one onnxruntime session and answers requests in their order.
 * `run` of onnxruntime-node blocks the thread that calls it, which is why it stands in a thread of its own.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { env, InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { messageOf } from '../errors.ts';
import type { Tensor } from '../math/index.ts';
import {
  ACTIVITY,
  type Answer,
  BUSY,
  buffersOf,
  copyTensor,
  type Envelope,
  IDLE,
  type OpenRequest,
  type RawPort,
  type Replies,
  type Request,
  type RunRequest,
  STOP,
} from './protocol.ts';

const port = parentPort!;
const control = new Int32Array(workerData as SharedArrayBuffer);
/** Inputs whose values stay here: onnxruntime's own tensors, fed to every run. */
const held = new Map<string, OrtTensor>();
let session: InferenceSession | undefined;
let profiling = false;
// Errors come back as exceptions; without this, onnxruntime prints each of them to stderr as well.
env.logLevel = 'fatal';

async function open(request: OpenRequest): Promise<Replies['open']> {
  const options: InferenceSession.SessionOptions = {
    executionProviders: [request.provider],
    intraOpNumThreads: request.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    enableCpuMemArena: true,
    // One block planned per shape of the inputs would stand beside what the first run took, and gains no time.
    enableMemPattern: false,
    logSeverityLevel: 4,
    ...(request.profile !== undefined && { enableProfiling: true, profileFilePrefix: request.profile }),
    ...(request.externalFolder === undefined
      ? {}
      : { extra: { session: { model_external_initializers_file_folder_path: request.externalFolder } } }),
  };
  profiling = request.profile !== undefined;
  session =
    typeof request.model === 'string'
      ? await InferenceSession.create(request.model, options)
      : await InferenceSession.create(request.model, options);
  return { inputs: session.inputMetadata.map(rawPort), outputs: session.outputMetadata.map(rawPort) };
}

function rawPort(metadata: InferenceSession.ValueMetadata): RawPort {
  return metadata.isTensor
    ? { name: metadata.name, type: metadata.type, shape: metadata.shape }
    : { name: metadata.name, type: 'no tensor', shape: [] };
}

async function run({ feeds, fetch, carry, lend }: RunRequest): Promise<Replies['run']> {
  if (!session) throw new Error('the session is not open');
  const all: Record<string, OrtTensor> = Object.fromEntries(held);
  for (const [name, tensor] of Object.entries(feeds)) all[name] = toOrt(tensor);
  for (const name of session.inputNames)
    if (!all[name])
      throw new Error(`input "${name}" is neither fed nor held; fed are ${list(Object.keys(all))}`);
  const results = await session.run(all, [...new Set([...fetch, ...Object.keys(carry)])]);
  // Only after the whole run has succeeded does anything replace what is held.
  for (const [output, input] of Object.entries(carry)) held.set(input, results[output]!);
  const outputs = fetch.map((name): [string, Tensor] => {
    const tensor = fromOrt(results[name]!);
    return [name, name in carry || !ownsBuffer(tensor) ? copyTensor(tensor) : tensor];
  });
  return Object.fromEntries([...lend.map((name): [string, Tensor] => [name, feeds[name]!]), ...outputs]);
}

function list(names: readonly string[]): string {
  return names.length ? names.map((name) => `"${name}"`).join(', ') : 'none';
}

function toOrt(tensor: Tensor): OrtTensor {
  return new OrtTensor(tensor.dtype, tensor.data as Float32Array, tensor.shape);
}

/** Our view of a result. Where Node has Float16Array, onnxruntime uses it; we keep the raw bits. */
function fromOrt(tensor: OrtTensor): Tensor {
  const dtype = tensor.type as Tensor['dtype'];
  const data = tensor.data as Tensor['data'];
  const view =
    dtype === 'float16' ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2) : data;
  return { dtype, shape: tensor.dims, data: view };
}

function ownsBuffer({ data }: Tensor): boolean {
  return data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength;
}

async function handle(request: Request): Promise<{ reply: unknown; transfer: ArrayBuffer[] }> {
  switch (request.kind) {
    case 'open':
      return { reply: await open(request), transfer: [] };
    case 'run': {
      const reply = await run(request);
      return { reply, transfer: buffersOf(Object.values(reply)) };
    }
    case 'hold':
      for (const [name, tensor] of Object.entries(request.values)) held.set(name, toOrt(tensor));
      return { reply: undefined, transfer: [] };
    case 'held': {
      const tensor = held.get(request.name);
      if (!tensor)
        throw new Error(`nothing is held for input "${request.name}"; held are ${list([...held.keys()])}`);
      const reply = copyTensor(fromOrt(tensor));
      return { reply, transfer: buffersOf([reply]) };
    }
    case 'tasks':
      throw new Error('a session does no other tasks');
  }
}

/** Without the place in onnxruntime's own sources with which a failed check of its begins. */
function plainMessage(message: string): string {
  return message.replace(/^\S+\.(?:cc|h):\d+ .* was false\.\s*/s, '');
}

async function answer({ id, request }: Envelope): Promise<void> {
  // First claim to be busy, then look at the stop word: the other thread writes and reads in reverse order.
  Atomics.store(control, ACTIVITY, BUSY);
  if (Atomics.load(control, STOP) || !request) await end();
  else {
    try {
      const { reply, transfer } = await handle(request);
      port.postMessage({ id, ok: true, reply } satisfies Answer, transfer);
    } catch (error) {
      const message = plainMessage(messageOf(error));
      port.postMessage({ id, ok: false, message } satisfies Answer);
    }
  }
  rest();
}

/** Frees the model and ends this thread; what is still queued is dropped. */
async function end(): Promise<void> {
  held.clear();
  if (profiling) session?.endProfiling();
  await session?.release();
  rest();
  process.exit();
}

function rest(): void {
  Atomics.store(control, ACTIVITY, IDLE);
  Atomics.notify(control, ACTIVITY);
}

let queue: Promise<void> = Promise.resolve();
port.on('message', (envelope: Envelope) => {
  queue = queue.then(() => answer(envelope));
});
rest();
