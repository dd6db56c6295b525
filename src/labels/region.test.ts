import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskRegion } from './region.ts';

describe('maskRegion', () => {
  it('gives share and smallest box, for every rectangle', () => {
    const rectangle = fc.record({
      x: fc.integer({ min: 0, max: 8 }),
      y: fc.integer({ min: 0, max: 5 }),
      wide: fc.integer({ min: 1, max: 4 }),
      high: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(rectangle, ({ x, y, wide, high }) => {
        const data = new Uint8Array(12 * 8);
        for (let v = y; v < y + high; v++) for (let u = x; u < x + wide; u++) data[v * 12 + u] = 1;
        expect(maskRegion({ width: 12, height: 8, data })).toEqual({
          share: (wide * high) / 96,
          box: [x / 12, y / 8, wide / 12, high / 8],
        });
      }),
    );
  });

  it('is nothing for an empty mask, and all of a full one', () => {
    expect(maskRegion({ width: 3, height: 2, data: new Uint8Array(6) })).toBeNull();
    expect(maskRegion({ width: 3, height: 2, data: new Uint8Array(6).fill(1) })).toEqual({
      share: 1,
      box: [0, 0, 1, 1],
    });
  });
});
