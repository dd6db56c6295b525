import { VerbatimError } from '../errors.ts';
import type { Launched } from './launch.ts';
import { type Answer, type Envelope, type Replies, type Request, STOP } from './protocol.ts';

/** Requests to a worker and their answers. */
export interface Channel {
  /**
   * Sends a request; rejects with a VerbatimError when the worker refuses it, dies, or has been stopped.
   * The buffers in `transfer` are detached.
   */
  call<K extends Request['kind']>(
    request: Request & { kind: K },
    transfer?: readonly ArrayBuffer[],
  ): Promise<Replies[K]>;
  /** Rejects everything in flight with `reason`, and every later call; resolves when the thread is gone, after the run that it is in. */
  stop(reason: Error): Promise<void>;
}

/** Connects to a worker that speaks our protocol. While nothing is in flight it does not keep the process alive. */
export function connect({ worker, control }: Launched, label: string): Channel {
  const pending = new Map<number, { resolve: (reply: never) => void; reject: (error: Error) => void }>();
  let nextId = 0;
  let ended: Error | undefined;

  const end = (reason: Error) => {
    ended ??= reason;
    for (const { reject } of pending.values()) reject(ended);
    pending.clear();
  };
  const settle = (id: number) => {
    const waiting = pending.get(id);
    pending.delete(id);
    if (pending.size === 0 && !ended) worker.unref();
    return waiting;
  };

  worker.on('message', (answer: Answer) => {
    const waiting = settle(answer.id);
    if (answer.ok) waiting?.resolve(answer.reply as never);
    else waiting?.reject(new VerbatimError(`${label}: ${answer.message}`));
  });
  const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  worker.on('error', (cause: Error) => {
    end(new VerbatimError(`${label}: its worker thread failed: ${cause.message}`, { cause }));
  });
  worker.on('exit', (code) => {
    end(new VerbatimError(`${label}: its worker thread stopped (exit code ${code}); open the session again`));
  });
  worker.unref();

  return {
    call(request, transfer = []) {
      return new Promise((resolve, reject) => {
        if (ended) return reject(ended);
        const id = nextId++;
        pending.set(id, { resolve, reject });
        worker.ref();
        try {
          worker.postMessage({ id, request } satisfies Envelope, transfer);
        } catch (error) {
          settle(id)?.reject(error as Error);
        }
      });
    },
    async stop(reason) {
      end(reason);
      Atomics.store(control, STOP, 1);
      worker.ref();
      worker.postMessage({ id: -1, request: undefined } satisfies Envelope);
      await gone;
    },
  };
}
