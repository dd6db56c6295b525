import type { Meter } from './session.types.ts';

/** A meter at zero. `add` throws on a count that is negative or no whole number. */
export function createMeter(): Meter {
  let evaluations = 0;
  return {
    get evaluations() {
      return evaluations;
    },
    add(count) {
      if (!Number.isSafeInteger(count) || count < 0)
        throw new RangeError(`evaluations are counted in whole numbers, not ${count}`);
      evaluations += count;
    },
  };
}
