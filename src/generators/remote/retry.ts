import { setTimeout as sleep } from 'node:timers/promises';

const firstMs = 500;
const longestMs = 60_000;

/**
 * The wait before repetition number `attempt` (from 0): the bound doubles each time, with full jitter, so that many
 * clients do not come back at once; never less than the service asked for. Milliseconds.
 */
export function backOffMs(attempt: number, askedMs = 0, random: () => number = Math.random): number {
  return askedMs + random() * Math.min(longestMs, firstMs * 2 ** attempt);
}

/** Retry-After in milliseconds: seconds or an HTTP date; undefined where it is neither. */
export function retryAfterMs(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  if (/^\s*\d+(\.\d+)?\s*$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/** Waits so many milliseconds; the signal ends it. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, signal && { signal });
}
