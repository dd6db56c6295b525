import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hammingDistance } from '../../descriptors/index.ts';
import { dot } from '../../math/index.ts';
import type { LoadedItems } from './loaded.ts';
import { worstPairs } from './worst-pairs.ts';

const dimension = 3;

/** Items of which only what a group's pairs need is given. Equal content: the same picture. */
const item = fc.record({
  content: fc.integer({ min: 0, max: 3 }),
  pictured: fc.boolean(),
  hashed: fc.boolean(),
  described: fc.boolean(),
});

describe('the worst pairs of a group', () => {
  it('are those of all its pairs, whatever is a copy of what', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(item, { minLength: 2, maxLength: 9 }),
        fc.infiniteStream(fc.nat(255)),
        async (list, bytes) => {
          const next = () => bytes.next().value as number;
          const hashes = Array.from({ length: 4 }, () => Uint8Array.from({ length: 8 }, next));
          const units = Array.from({ length: list.length + 4 }, () => {
            const values = Array.from({ length: dimension }, () => next() - 127.5);
            const length = Math.hypot(...values);
            return Float32Array.from(values, (value) => value / length);
          });
          // A picture's copies have its hash and its vector; without a picture each item has its own vector.
          const vectorOf = list.map(({ content, pictured }, i) => units[pictured ? content : 4 + i]!);
          const items = {
            hashed: Uint8Array.from(list, ({ hashed, pictured }) => (hashed && pictured ? 1 : 0)),
            phash: Uint8Array.from(list.flatMap(({ content }) => [...hashes[content]!])),
            pixels: Float64Array.from(list, ({ pictured }) => (pictured ? 9 : 0)),
            content: Uint8Array.from(
              list.flatMap(({ content, pictured }) => Array(16).fill(pictured ? content + 1 : 0)),
            ),
          } as unknown as LoadedItems;
          const described = list.flatMap((one, i) => (one.described ? [i] : []));
          const found = await worstPairs({ items }, Uint32Array.from(list.keys()), {
            dimension,
            data: Float32Array.from(described.flatMap((i) => [...vectorOf[i]!])),
            place: new Map(described.map((i, row) => [i, row])),
          });
          const [bits, cosines]: [number[], number[]] = [[], []];
          for (let i = 0; i < list.length; i++)
            for (let j = 0; j < i; j++) {
              if (items.hashed[i] === 1 && items.hashed[j] === 1)
                bits.push(
                  hammingDistance(
                    items.phash.subarray(8 * i, 8 * i + 8),
                    items.phash.subarray(8 * j, 8 * j + 8),
                  ),
                );
              if (list[i]!.described && list[j]!.described) cosines.push(dot(vectorOf[i]!, vectorOf[j]!));
            }
          expect(found.mostBits).toBe(bits.length === 0 ? null : Math.max(...bits));
          if (cosines.length === 0) expect(found.leastCosine).toBeNull();
          else expect(found.leastCosine).toBeCloseTo(Math.min(1, ...cosines), 6);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('of many different pictures can be stopped', async () => {
    const count = 40_000;
    const items = {
      hashed: new Uint8Array(count).fill(1),
      phash: new Uint8Array(Float64Array.from({ length: count }, (_, i) => i).buffer),
    } as unknown as LoadedItems;
    const controller = new AbortController();
    const running = worstPairs(
      { items, signal: controller.signal },
      Uint32Array.from({ length: count }, (_, i) => i),
      undefined,
    );
    // As Ctrl-C: from an event of its own.
    setImmediate(() => controller.abort(new Error('stopped')));
    await expect(running).rejects.toThrow('stopped');
  });
});
