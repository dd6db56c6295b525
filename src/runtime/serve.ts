import { parentPort, workerData } from 'node:worker_threads';
import { messageOf, VerbatimError } from '../errors.ts';
import { ACTIVITY, type Answer, BUSY, type Envelope, IDLE, type Outcome, STOP } from './protocol.ts';

/**
 * The other half of `openThreads`, for the script that it starts: does its tasks, one message's after the other's, those of one
 * message side by side. `buffersOf` names the buffers of a reply that are handed over instead of copied.
 */
export function serveTasks<Request, Reply>(
  task: (request: Request) => Promise<Reply>,
  buffersOf: (reply: Reply) => readonly ArrayBuffer[] = () => [],
): void {
  const port = parentPort!;
  const control = new Int32Array(workerData as SharedArrayBuffer);
  const rest = () => {
    Atomics.store(control, ACTIVITY, IDLE);
    Atomics.notify(control, ACTIVITY);
  };
  const answer = async ({ id, request }: Envelope): Promise<void> => {
    // First claim to be busy, then look at the stop word: the other thread writes and reads in reverse order.
    Atomics.store(control, ACTIVITY, BUSY);
    if (Atomics.load(control, STOP) || request?.kind !== 'tasks') {
      rest();
      process.exit();
    }
    const transfer: ArrayBuffer[] = [];
    const outcomes = await Promise.all(
      request.requests.map(async (item): Promise<Outcome> => {
        try {
          const reply = await task(item as Request);
          transfer.push(...buffersOf(reply));
          return { reply };
        } catch (error) {
          if (error instanceof VerbatimError) return { message: error.message, exitCode: error.exitCode };
          return { defect: messageOf(error), stack: error instanceof Error ? error.stack : undefined };
        }
      }),
    );
    port.postMessage({ id, ok: true, reply: outcomes } satisfies Answer, transfer);
    rest();
  };
  let queue: Promise<void> = Promise.resolve();
  port.on('message', (envelope: Envelope) => {
    queue = queue.then(() => answer(envelope));
  });
  rest();
}
