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
