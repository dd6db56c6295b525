import { availableParallelism } from 'node:os';
import { VerbatimError } from '../errors.ts';
import { type Channel, connect } from './channel.ts';
import { startWorker } from './launch.ts';
import type { Outcome } from './protocol.ts';

/** Threads that do one task, over and over, each request on the one that has least to do. */
export interface Threads<Request, Reply> {
  readonly count: number;
  /**
   * Rejects with the VerbatimError that the task throws, with an Error for a defect, and when the threads are closed. The buffers in
   * `transfer` are detached.
   */
  run(request: Request, transfer?: readonly ArrayBuffer[]): Promise<Reply>;
  /** Rejects what is under way; resolves when all threads are gone. */
  close(): Promise<void>;
}

export interface ThreadsOptions {
  /** Names them in errors. */
  readonly label: string;
  /** Default: as many as there are cores. */
  readonly threads?: number | undefined;
}

/** Requests that go to a thread in one message: each message costs some 50 µs, as much as some requests. */
const MOST_TOGETHER = 8;
/** Messages that a thread has before it: the next waits there while one is done. */
const MOST_MESSAGES = 2;

interface Waiting {
  readonly request: unknown;
  readonly transfer: readonly ArrayBuffer[];
  readonly resolve: (reply: never) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly channel: Channel;
  messages: number;
}

/**
 * Threads for work that takes a core: they start with the first request, and do not keep the process alive. `script` is the
 * `scriptUrl` of a module that calls `serveTasks`. A thread takes some .1 s to start and some 30 MB: not worth it for a handful of
 * pictures.
 *
 * Requests are copied as `structuredClone` does: of a view the whole buffer, so give copies of small views.
 */
export function openThreads<Request, Reply>(script: URL, options: ThreadsOptions): Threads<Request, Reply> {
  const count = options.threads ?? availableParallelism();
  if (!Number.isInteger(count) || count < 1)
    throw new VerbatimError(`threads must be a whole number from 1 on, not ${count}`, { exitCode: 2 });
  const threads: Thread[] = [];
  const waiting: Waiting[] = [];
  let [scheduled, closed] = [false, false];
  const closedError = () => new VerbatimError(`${options.label}: the threads are closed`);

  const send = async (thread: Thread, some: readonly Waiting[]) => {
    thread.messages++;
    try {
      const request = { kind: 'tasks', requests: some.map(({ request }) => request) } as const;
      const transfer = some.flatMap(({ transfer }) => transfer);
      const outcomes = await thread.channel.call(request, transfer);
      outcomes.forEach((outcome, i) => {
        settle(some[i]!, outcome);
      });
    } catch (error) {
      for (const { reject } of some) reject(error);
    }
    thread.messages--;
    dispatch();
  };
  const dispatch = () => {
    scheduled = false;
    while (waiting.length > 0) {
      if (threads.length < count && threads.every(({ messages }) => messages > 0))
        threads.push({ channel: connect(startWorker(script), options.label), messages: 0 });
      const thread = threads.reduce((a, b) => (b.messages < a.messages ? b : a));
      if (thread.messages >= MOST_MESSAGES) return;
      // Few are shared out evenly.
      const share = Math.ceil(waiting.length / (count * MOST_MESSAGES));
      void send(thread, waiting.splice(0, Math.min(MOST_TOGETHER, share)));
    }
  };
  return {
    count,
    run(request, transfer = []) {
      return new Promise<Reply>((resolve, reject) => {
        if (closed) return reject(closedError());
        waiting.push({ request, transfer, resolve, reject });
        // After all that is asked for now, so that it goes in few messages.
        if (!scheduled) setImmediate(dispatch);
        scheduled = true;
      });
    },
    async close() {
      closed = true;
      for (const { reject } of waiting.splice(0)) reject(closedError());
      await Promise.all(threads.map(({ channel }) => channel.stop(closedError())));
    },
  };
}

function settle({ resolve, reject }: Waiting, outcome: Outcome): void {
  if ('reply' in outcome) resolve(outcome.reply as never);
  else if ('defect' in outcome)
    reject(Object.assign(new Error(outcome.defect), outcome.stack && { stack: outcome.stack }));
  else reject(new VerbatimError(outcome.message, { exitCode: outcome.exitCode }));
}
