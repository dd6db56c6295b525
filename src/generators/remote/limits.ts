import { stop } from '../../errors.ts';
import type { Journal } from './journal.ts';
import type { ServiceOptions } from './options.ts';
import { pause } from './retry.ts';

/** What must be passed before a request for pictures leaves. */
export interface Limits {
  /** Waits for the rate, and refuses pictures that the money limit does not allow any more; then they are noted as asked. */
  pass(requests: readonly string[], signal: AbortSignal | undefined): Promise<void>;
}

type LimitOptions = Pick<ServiceOptions, 'requestsPerMinute' | 'pricePerPicture' | 'moneyLimit'>;

/**
 * A rate as a smallest pause between requests, and a sum of money over all processes of the run. A request without an
 * answer counts as paid, since nobody here can know; one that the service refused does not.
 */
export function createLimits(
  { requestsPerMinute, pricePerPicture = 0, moneyLimit }: LimitOptions,
  journal: Journal,
  { now = () => performance.now(), wait = pause }: { now?: () => number; wait?: typeof pause } = {},
): Limits {
  const pauseMs = requestsPerMinute === undefined ? 0 : 60_000 / requestsPerMinute;
  let nextMs = Number.NEGATIVE_INFINITY;
  return {
    async pass(requests, signal) {
      const time = now();
      const start = Math.max(time, nextMs);
      nextMs = start + pauseMs;
      if (start > time) await wait(start - time, signal);
      // Looked at and noted without a pause between, so that two requests side by side cannot both take the last one.
      const price = (journal.charged + requests.length) * pricePerPicture;
      if (moneyLimit !== undefined && price > moneyLimit * (1 + 1e-9))
        throw stop(
          `the money limit is reached: ${journal.charged} pictures have been asked for at ${pricePerPicture} each, and the next would exceed generator.moneyLimit ${moneyLimit}; raise it and run the same command again, it goes on from here`,
        );
      await journal.asked(requests);
    },
  };
}
