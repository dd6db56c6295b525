/**
 * The one error that users are meant to read: what is wrong, where, what to do.
 *
 * `message` is a single line. `exitCode` is 1 for a failure and 2 for wrong usage or configuration
 * (see docs/cli.md). Anything else that is thrown is a defect of ours and is shown with its stack.
 */
export class VerbatimError extends Error {
  override readonly name = 'VerbatimError';
  readonly exitCode: 1 | 2;

  constructor(message: string, options: { exitCode?: 1 | 2; cause?: unknown } = {}) {
    super(message.replace(/\s*[\r\n]+\s*/g, ' '), { cause: options.cause });
    this.exitCode = options.exitCode ?? 1;
  }
}

/** What an error of any kind says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const stopped = 'stop';

/** An error that ends the run cleanly: nothing that is stored is lost, and the same command goes on. */
export function stop(message: string): VerbatimError {
  return new VerbatimError(message, { cause: stopped });
}

/** Whether an error ends the run, whichever item it came from: a limit, a refused key, a service that is gone. */
export function isStop(error: unknown): boolean {
  return error instanceof VerbatimError && error.cause === stopped;
}
