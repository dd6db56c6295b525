import { availableParallelism } from 'node:os';
import { VerbatimError } from '../errors.ts';
import { type DType, TYPED_ARRAYS } from '../math/index.ts';
import { type Channel, connect } from './channel.ts';
import { copyFeeds, describe, findPort, fits } from './feeds.ts';
import { createGate, type Gate } from './gate.ts';
import { scriptUrl, startWorker } from './launch.ts';
import { buffersOf, type RawPort } from './protocol.ts';
import { providersToTry } from './providers.ts';
import type { ModelSource, Port, Provider, Session, SessionOptions } from './session.types.ts';
import { loadable } from './source.ts';

/**
 * Loads a model into a worker thread of its own. See `Session` for what it does.
 *
 * The calling process stays alive while a call is in flight, not because a session is open. A run that
 * has begun cannot be interrupted inside onnxruntime: on `close` or abort its promise is rejected at once,
 * and the thread ends with the run.
 *
 * @throws VerbatimError when the model cannot be loaded or the provider is not there; `signal.reason` on abort
 */
export async function openSession(source: ModelSource, options: SessionOptions = {}): Promise<Session> {
  const threads = options.threads ?? availableParallelism();
  if (!Number.isInteger(threads) || threads < 1)
    throw new VerbatimError(`threads must be a whole number from 1 on, not ${threads}`, { exitCode: 2 });
  options.signal?.throwIfAborted();
  const candidates = await providersToTry(options.provider ?? 'cpu');
  for (const [at, provider] of candidates.entries()) {
    try {
      return await openWith(source, provider, threads, options);
    } catch (error) {
      if (at === candidates.length - 1 || options.signal?.aborted) throw error;
    }
  }
  throw new Error('no provider to try');
}

/**
 * ONNX Runtime gives all WebGPU sessions of a process one device, and Dawn's devices are not for several threads at
 * once: sessions that ended side by side brought the process down (double free, on an NVIDIA driver).
 */
const webgpuGate = createGate();
const noGate: Gate = (task) => task();

async function openWith(
  source: ModelSource,
  provider: Provider,
  threads: number,
  { signal, profile }: SessionOptions,
): Promise<Session> {
  const { label, model, externalFolder, cleanUp } = await loadable(source);
  if (signal?.aborted) {
    await cleanUp();
    throw signal.reason;
  }
  const channel = connect(startWorker(scriptUrl('worker')), label);
  const onAbort = () => void channel.stop(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const gate = provider === 'webgpu' ? webgpuGate : noGate;
  const calls = { running: 0 };
  const close = async () => {
    signal?.removeEventListener('abort', onAbort);
    const stop = () => channel.stop(new VerbatimError(`${label}: the session is closed`));
    // A run of this session holds the gate, and ends because of this.
    await (calls.running > 0 ? stop() : gate(stop));
    await cleanUp();
  };
  try {
    const transfer = typeof model === 'string' ? [] : [model.buffer];
    const reply = await gate(() =>
      channel.call({ kind: 'open', model, externalFolder, provider, threads, profile }, transfer),
    );
    await cleanUp();
    const inputs = reply.inputs.map((port) => knownPort(label, 'input', port));
    const outputs = reply.outputs.map((port) => knownPort(label, 'output', port));
    return createSession({ label, provider, inputs, outputs, channel, gate, calls, close });
  } catch (error) {
    await close();
    if (provider === 'cpu' || signal?.aborted || !(error instanceof VerbatimError)) throw error;
    const name = provider === 'cuda' ? 'CUDA' : 'WebGPU';
    throw new VerbatimError(
      `${name} cannot be used here: ${error.message.trim()} ("verbatim doctor" shows which providers work)`,
      { cause: error },
    );
  }
}

function knownPort(label: string, kind: string, { name, type, shape }: RawPort): Port {
  if (!(type in TYPED_ARRAYS))
    throw new VerbatimError(
      `${label}: ${kind} "${name}" is ${type}; supported are ${Object.keys(TYPED_ARRAYS).join(', ')}`,
    );
  return { name, dtype: type as DType, shape };
}

interface OpenParts {
  readonly label: string;
  readonly provider: Provider;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly channel: Channel;
  readonly gate: Gate;
  /** How many runs the thread has been asked for and not answered. */
  readonly calls: { running: number };
  readonly close: () => Promise<void>;
}

function createSession(parts: OpenParts): Session {
  const { label, provider, inputs, outputs, channel, gate, calls, close } = parts;
  return {
    provider,
    inputs,
    outputs,
    async run(feeds, { fetch, carry = {}, lend = [] } = {}) {
      checkCarry(label, inputs, outputs, carry);
      const names = fetch ?? outputs.map((port) => port.name).filter((name) => !Object.hasOwn(carry, name));
      for (const name of names) findPort(label, 'output', outputs, name);
      for (const name of lend)
        if (!Object.hasOwn(feeds, name))
          throw new VerbatimError(`${label}: "${name}" is to be lent but not fed`);
      const copies = copyFeeds(label, inputs, feeds, lend);
      const request = { kind: 'run', feeds: copies, fetch: [...new Set(names)], carry, lend } as const;
      return await gate(async () => {
        calls.running += 1;
        try {
          return { ...(await channel.call(request, buffersOf(Object.values(copies)))) };
        } finally {
          calls.running -= 1;
        }
      });
    },
    async hold(values) {
      const copies = copyFeeds(label, inputs, values);
      await channel.call({ kind: 'hold', values: copies }, buffersOf(Object.values(copies)));
    },
    async held(name) {
      findPort(label, 'input', inputs, name);
      return await channel.call({ kind: 'held', name });
    },
    close,
  };
}

function checkCarry(
  label: string,
  inputs: readonly Port[],
  outputs: readonly Port[],
  carry: Readonly<Record<string, string>>,
): void {
  const taken = new Map<string, string>();
  for (const [from, to] of Object.entries(carry)) {
    const output = findPort(label, 'output', outputs, from);
    const input = findPort(label, 'input', inputs, to);
    if (output.dtype !== input.dtype || !fits(input.shape, output.shape))
      throw new VerbatimError(
        `${label}: output "${from}", ${describe(output.dtype, output.shape)}, cannot be carried to input "${to}", ${describe(input.dtype, input.shape)}`,
      );
    const other = taken.get(to);
    if (other !== undefined)
      throw new VerbatimError(`${label}: both "${other}" and "${from}" are to be carried to input "${to}"`);
    taken.set(to, from);
  }
}
