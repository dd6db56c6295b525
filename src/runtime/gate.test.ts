import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createGate } from './gate.ts';

it('runs one task at a time, in order, whatever fails', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ ms: fc.nat(2), fails: fc.boolean() }), { maxLength: 8 }),
      async (tasks) => {
        const gate = createGate();
        let inside = 0;
        const order: number[] = [];
        const results = await Promise.allSettled(
          tasks.map(({ ms, fails }, i) =>
            gate(async () => {
              inside += 1;
              expect(inside).toBe(1);
              await sleep(ms);
              order.push(i);
              inside -= 1;
              if (fails) throw new Error(`task ${i}`);
              return i;
            }),
          ),
        );
        expect(order).toEqual(tasks.map((_, i) => i));
        expect(results.map(({ status }) => status)).toEqual(
          tasks.map(({ fails }) => (fails ? 'rejected' : 'fulfilled')),
        );
      },
    ),
    { numRuns: 20 },
  );
});
