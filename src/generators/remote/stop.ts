import { VerbatimError } from '../../errors.ts';

const stopped = 'stop';

/** An error that ends the run cleanly: nothing that is stored is lost, and the same command goes on. */
export function stop(message: string): VerbatimError {
  return new VerbatimError(message, { cause: stopped });
}

/** Whether an error ends the run, whichever item it came from: a limit, a refused key, a service that is gone. */
export function isStop(error: unknown): boolean {
  return error instanceof VerbatimError && error.cause === stopped;
}
