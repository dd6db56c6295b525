import { exitCodes } from './exit-codes.ts';

/** The reason with which a Ctrl-C aborts. */
class Interruption extends Error {
  override readonly name = 'AbortError';
}

/** Whether an error is the user's Ctrl-C on its way out, also when a library wrapped it. */
export function isInterruption(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof Interruption) return true;
  return false;
}

/**
 * A signal that fires on Ctrl-C or SIGTERM. The work stops between batches; a second Ctrl-C ends the
 * process at once (which is safe too: what lies in a run folder is whole).
 */
export function interruptible(): { readonly signal: AbortSignal; readonly dispose: () => void } {
  const controller = new AbortController();
  const handle = () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    process.stderr.write('\nstopping after the running batch; Ctrl-C again stops at once\n');
    controller.abort(new Interruption('interrupted'));
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return {
    signal: controller.signal,
    dispose: () => {
      process.off('SIGINT', handle);
      process.off('SIGTERM', handle);
    },
  };
}
