import { describe, expect, it } from 'vitest';
import { keptOf } from './index.ts';

const bare = { pixels: [1, 1, 1, 1], bytes: [0, 0, 0, 0] };
const at = (degrees: number) => [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];

describe('keep rules', () => {
  it('first and largest', () => {
    expect(keptOf('first', 4, bare)).toEqual([0]);
    expect(keptOf('largest', 4, { pixels: [9, 16, 16, 4], bytes: [5, 100, 200, 999] })).toEqual([2]);
    expect(keptOf('largest', 4, bare)).toEqual([0]);
  });

  it('centroid keeps what lies in the middle', () => {
    const vectors = Float32Array.from([0, 10, 20, 90].flatMap(at));
    expect(keptOf('centroid', 4, { ...bare, vectors })).toEqual([2]);
  });

  it('semdedup takes the least similar to the centroid first, and keeps what no earlier one is like', () => {
    // A chain 0 – 1 – 2 – 3: neighbours are alike.
    const alike = (a: number, b: number) => Math.abs(a - b) === 1;
    const kept = (toCentroid: number[]) => keptOf('semdedup', 4, { ...bare, toCentroid, alike });
    // Order 0, 1, 2, 3: 1 goes for 0, 2 for 1 (which went itself), 3 for 2.
    expect(kept([0.1, 0.2, 0.3, 0.4])).toEqual([0]);
    // Order 1, 3, 0, 2: 1 and 3 are not alike, the others go.
    expect(kept([0.3, 0.1, 0.4, 0.2])).toEqual([1, 3]);
  });

  it('says what a rule lacks', () => {
    expect(() => keptOf('centroid', 4, bare)).toThrow(/needs vectors/);
    expect(() => keptOf('semdedup', 4, bare)).toThrow(/needs toCentroid/);
  });
});
