import { isStop, messageOf, VerbatimError } from '../errors.ts';

/**
 * The one line that a failed item's row keeps: no stack, no line feeds, at most 500 characters, and of an
 * absolute path the last part only, since tables are the same wherever a run lies.
 */
export function errorText(error: unknown): string {
  const line = messageOf(error)
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/(?<![\w.:/])(?:[A-Za-z]:)?(?:[\\/][^\s\\/:'"]+)+[\\/](?=[^\s\\/])/g, '');
  return line.slice(0, 500) || 'unknown error';
}

/** What the whole run must stop for: Ctrl-C, a wrong option, a full disk, a service that wants no more. */
export function rethrowFatal(error: unknown, signal: AbortSignal | undefined): void {
  signal?.throwIfAborted();
  if (isStop(error) || (error instanceof VerbatimError && error.exitCode === 2)) throw error;
}
