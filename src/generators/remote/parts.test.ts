import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainPrompt } from '../automatic1111.ts';
import type { GeneratorCapabilities } from '../index.ts';
import { requireCapabilities } from '../index.ts';
import { markedExample } from '../testing/server.ts';
import { markedWorkflow } from '../workflow.ts';
import { base64Of } from './answer.ts';
import { sayingOf } from './exchange.ts';
import { memoryJournal } from './journal.ts';
import { createLimits } from './limits.ts';
import { backOffMs, retryAfterMs } from './retry.ts';
import { readSecret } from './secret.ts';
import { batched } from './service.ts';

describe('what an answer holds', () => {
  it('is base64 with or without the head of a data URL, white space and padding', () => {
    const bytes = (text: string) => Buffer.from(base64Of(text, 'x')).toString();
    expect([bytes('aGVsbG8='), bytes('data:image/png;base64,aGVs\nbG8=\n')]).toEqual(['hello', 'hello']);
    for (const wrong of ['', ' ', '<svg/>', undefined, 5])
      expect(() => base64Of(wrong, 'x')).toThrow('not base64');
  });

  it('is told of its length in linear time, however it is made', () => {
    // At quadratic time the test would not end within its limit.
    expect(() => base64Of(`${' '.repeat(5_000_000)}!`, 'x')).toThrow('not base64');
    expect(sayingOf(Buffer.from('<'.repeat(1_000_000)), readSecret(undefined))).toMatch(/^ \(<+\)$/);
  });
});

describe('a caption is asked for word for word', () => {
  it.each([
    ['a (red) [bus]', 'a \\(red\\) \\[bus\\]'],
    ['a\\(b', 'a\\\\\\(b'],
    ['Cats AND Dogs BREAK out in ANDORRA', 'Cats and Dogs break out in ANDORRA'],
    ['<lora:other:1> <b>bold</b>', '< lora:other:1> <b>bold</b>'],
  ])('of AUTOMATIC1111: %s', (caption, prompt) => {
    expect(plainPrompt(caption)).toBe(prompt);
  });

  it('of ComfyUI', () => {
    const filling = { seed: 1, steps: 2, cfg: 3, sampler: 'heun', width: 8, height: 8 } as const;
    const prompt = 'a (red) embedding:bus';
    const filled = markedWorkflow(markedExample, 'x').filled({ ...filling, prompt });
    expect(JSON.stringify(filled)).toContain(JSON.stringify('a \\(red\\) embedding :bus'));
  });
});

describe('the pause before a repetition', () => {
  it('doubles its bound up to a minute, with full jitter, above what the service asked for', () => {
    const most = Array.from({ length: 10 }, (_, attempt) => backOffMs(attempt, 0, () => 1));
    expect(most.slice(0, 4)).toEqual([500, 1000, 2000, 4000]);
    expect(most.slice(-2)).toEqual([60_000, 60_000]);
    expect(backOffMs(5, 0, () => 0)).toBe(0);
    expect(backOffMs(0, 3000, () => 0.5)).toBe(3250);
  });

  it('reads Retry-After as seconds and as a date', () => {
    const now = Date.UTC(2026, 0, 1);
    expect(retryAfterMs('120', now)).toBe(120_000);
    expect(retryAfterMs(' 0.5 ', now)).toBe(500);
    expect(retryAfterMs('Thu, 01 Jan 2026 00:01:30 GMT', now)).toBe(90_000);
    expect(retryAfterMs('Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(0);
    expect(retryAfterMs('soon', now)).toBeUndefined();
    expect(retryAfterMs(null, now)).toBeUndefined();
  });
});

it('a rate is a pause between requests, also of those that are under way at the same time', async () => {
  const waits: number[] = [];
  let time = 0;
  const limits = createLimits({ requestsPerMinute: 30 }, memoryJournal(), {
    now: () => time,
    wait: async (ms) => void waits.push(ms),
  });
  await Promise.all(['a', 'b', 'c'].map((request) => limits.pass([request], undefined)));
  time = 5500;
  await limits.pass(['d'], undefined);
  time = 60_000;
  await limits.pass(['e'], undefined);
  expect(waits).toEqual([2000, 4000, 500]);
});

it('requests side by side cannot both take the last of the money', async () => {
  const journal = memoryJournal();
  const limits = createLimits({ pricePerPicture: 0.1, moneyLimit: 0.3 }, journal);
  const taken = await Promise.allSettled(
    Array.from({ length: 8 }, (_, i) => limits.pass([`${i}`], undefined)),
  );
  expect(taken.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  // What was refused has cost nothing, and leaves room for another.
  await journal.refused(['0']);
  await limits.pass(['8'], undefined);
  await expect(limits.pass(['9'], undefined)).rejects.toThrow('the money limit is reached');
});

it('orders hold pictures of one caption whose seeds count up, each task once', () => {
  const task = fc.record({ caption: fc.constantFrom('a', 'b', 'c'), seed: fc.nat(12) });
  const distinct = fc.uniqueArray(task, { selector: ({ caption, seed }) => `${caption}${seed}` });
  fc.assert(
    fc.property(distinct, fc.integer({ min: 1, max: 5 }), (tasks, size) => {
      const orders = batched(tasks, size);
      for (const order of orders) {
        expect(order.length).toBeLessThanOrEqual(size);
        order.forEach(({ caption, seed }, i) => {
          expect([caption, seed]).toEqual([order[0]!.caption, order[0]!.seed + i]);
        });
      }
      const key = ({ caption, seed }: { caption: string; seed: number }) => `${caption}${seed}`;
      expect(orders.flat().map(key).sort()).toEqual(tasks.map(key).sort());
    }),
  );
});

it('a generator is refused by what it cannot do, with what to do instead', () => {
  const capabilities: GeneratorCapabilities = {
    seeds: true,
    steps: false,
    guidance: false,
    sampler: false,
    oneStep: true,
    batch: 1,
  };
  const check = (needed: Parameters<typeof requireCapabilities>[1]) =>
    requireCapabilities('attack "x"', needed, { kind: 'k', capabilities }, 'use y');
  expect(() => check(['seeds', 'oneStep'])).not.toThrow();
  expect(() => check(['seeds', 'steps', 'guidance'])).toThrow(
    'attack "x" needs pictures by seed, a step count and a guidance scale, but the generator "k" takes no step count and takes no guidance scale; use y',
  );
});
