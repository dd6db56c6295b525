import { exitCodes } from './exit-codes.ts';

/**
 * A signal that fires on Ctrl-C or SIGTERM. The work stops between batches; a second Ctrl-C ends the
 * process at once (which is safe too: what lies in a run folder is whole).
 */
export function interruptible(): { readonly signal: AbortSignal; readonly dispose: () => void } {
  const controller = new AbortController();
  const handle = () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    process.stderr.write('\nstopping after the running batch; Ctrl-C again stops at once\n');
    controller.abort();
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
