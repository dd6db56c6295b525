import { describe, expect, it } from 'vitest';
import { createRandom, dot } from '../math/index.ts';
import { leastSimilarity } from './index.ts';

describe('leastSimilarity', () => {
  it('is that of the worst of all pairs, also across blocks', async () => {
    const dimension = 8;
    const random = createRandom(3);
    const count = 2500;
    const rows = Float32Array.from({ length: count * dimension }, () => 1 + 0.3 * random.normal());
    let least = Number.POSITIVE_INFINITY;
    for (let a = 0; a < count; a++)
      for (let b = 0; b <= a; b++)
        least = Math.min(
          least,
          dot(
            rows.subarray(a * dimension, (a + 1) * dimension),
            rows.subarray(b * dimension, (b + 1) * dimension),
          ),
        );
    expect(await leastSimilarity(rows, dimension, { threads: 1 })).toBeCloseTo(least, 5);
  });
});
