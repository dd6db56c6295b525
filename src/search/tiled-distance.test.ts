import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Picture } from '../images/index.ts';
import { createRandom } from '../math/index.ts';
import { openTiledDistances, type TiledDistances } from './index.ts';

/** Pictures of which some are near each other, some far, and some equal; with extreme values. */
function pictures(count: number, width: number, height: number, seed: number): Picture[] {
  const random = createRandom(seed);
  const made: Picture[] = [];
  for (let i = 0; i < count; i++) {
    const data = new Uint8Array(3 * width * height);
    const kind = random.integer(4);
    const like = made[random.integer(Math.max(1, i))];
    for (let at = 0; at < data.length; at++) {
      if (kind === 0) data[at] = random.integer(256);
      else if (kind === 1) data[at] = random.integer(2) * 255;
      else if (kind === 2) data[at] = like?.data[at] ?? 255;
      else data[at] = Math.min(255, (like?.data[at] ?? 128) + random.integer(3));
    }
    made.push({ width, height, data });
  }
  return made;
}

/** The distance as the paper has it, in plain loops over where numpy.array_split cuts. */
function reference(a: Picture, b: Picture, tiles: number): number {
  const cuts = (size: number) => {
    const edges = [0];
    for (let part = 0; part < tiles; part++)
      edges.push(edges[part]! + Math.floor(size / tiles) + (part < size % tiles ? 1 : 0));
    return edges;
  };
  const [xs, ys] = [cuts(a.width), cuts(a.height)];
  let largest = 0;
  for (let row = 0; row < tiles; row++)
    for (let column = 0; column < tiles; column++) {
      let [sum, values] = [0, 0];
      for (let y = ys[row]!; y < ys[row + 1]!; y++)
        for (let at = 3 * (y * a.width + xs[column]!); at < 3 * (y * a.width + xs[column + 1]!); at++) {
          sum += (a.data[at]! - b.data[at]!) ** 2;
          values++;
        }
      largest = Math.max(largest, sum / values);
    }
  return Math.sqrt(largest) / 255;
}

function referenceTriangle(all: readonly Picture[], tiles: number): number[] {
  return all.flatMap((a, i) => all.slice(0, i).map((b) => reference(a, b, tiles)));
}

describe.each([false, true])('tiled distances, unsigned: %s', (unsigned) => {
  let engine: TiledDistances;
  beforeAll(async () => {
    engine = await openTiledDistances({ unsigned, blockPictures: 5, groupBytes: 4000, threads: 2 });
  });
  afterAll(() => engine.close());

  it('are those of plain loops, to the last bit, whatever the size and however pictures come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          count: fc.integer({ min: 1, max: 13 }),
          tiles: fc.integer({ min: 1, max: 5 }),
          width: fc.integer({ min: 5, max: 23 }),
          height: fc.integer({ min: 5, max: 23 }),
          seed: fc.nat(),
          cuts: fc.array(fc.integer({ min: 0, max: 13 }), { maxLength: 3 }),
        }),
        async ({ count, tiles, width, height, seed, cuts }) => {
          const all = pictures(count, width, height, seed);
          const set = engine.collect(tiles);
          const edges = [0, ...cuts.sort((a, b) => a - b).filter((cut) => cut < count), count];
          for (let at = 1; at < edges.length; at++) await set.add(all.slice(edges[at - 1], edges[at]));
          expect(set.count).toBe(count);
          expect([...set.distances]).toEqual(referenceTriangle(all, tiles));
          for (const [i, picture] of all.entries()) expect(set.picture(i)).toEqual(picture);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('are 0 between equal pictures and 1 between black and white', async () => {
    const [black, white] = [0, 255].map((value) => ({
      width: 40,
      height: 40,
      data: new Uint8Array(4800).fill(value),
    })) as [Picture, Picture];
    const set = engine.collect();
    await set.add([black, white, black]);
    expect([...set.distances]).toEqual([1, 0, 1]);
  });

  it('see one tile that differs on a background that is shared', async () => {
    const plain: Picture = { width: 16, height: 16, data: new Uint8Array(768).fill(90) };
    const other: Picture = { ...plain, data: plain.data.slice() };
    // The tile of rows 4–7 and columns 8–11 alone.
    for (let y = 4; y < 8; y++) other.data.fill(90 + 51, 3 * (16 * y + 8), 3 * (16 * y + 12));
    const set = engine.collect(4);
    await set.add([plain, other]);
    expect(set.distances[0]).toBeCloseTo(0.2, 14);
  });

  it('hold sums that 32 bits do not, in pieces', async () => {
    // One tile of 3 · 300 · 300 values, twice what a sum of 32 bits holds; and values that make it largest.
    const all = pictures(3, 300, 300, 2).map((picture, i) =>
      i === 0 ? { ...picture, data: picture.data.map((_, at) => (at % 2) * 255) } : picture,
    );
    all.push({ ...all[0]!, data: all[0]!.data.map((value) => 255 - value) });
    const set = engine.collect(1);
    await set.add(all);
    expect([...set.distances]).toEqual(referenceTriangle(all, 1));
    expect(set.distances[3]).toBe(1);
  });

  it.each([
    [[4, 4, 4, 5], 4, /picture 1 is 4×5, the first one 4×4/],
    [[3, 9, 3, 9], 4, /pictures of 3×9 pixels cannot be cut into 4×4 tiles/],
  ] as const)('refuse pictures of %s with %d tiles', async ([w, h, u, v], tiles, message) => {
    const set = engine.collect(tiles);
    const one = (width: number, height: number) => ({
      width,
      height,
      data: new Uint8Array(3 * width * height),
    });
    await expect(set.add([one(w, h), one(u, v)])).rejects.toThrow(message);
    expect(set.count).toBe(0);
  });
});

it('do not depend on blocks and threads, and refuse no tiles', async () => {
  const all = pictures(20, 17, 18, 4);
  const results: string[] = [];
  for (const options of [
    { threads: 1, blockPictures: 1 },
    { threads: 2, blockPictures: 7 },
    { threads: 2, groupBytes: 1 },
  ]) {
    const engine = await openTiledDistances(options);
    const set = engine.collect(4);
    await set.add(all);
    results.push(set.distances.join());
    expect(() => engine.collect(0)).toThrow(/tiles must be/);
    await engine.close();
  }
  expect(new Set(results).size).toBe(1);
});
