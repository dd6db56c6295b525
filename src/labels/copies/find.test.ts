import { beforeAll, describe, expect, it } from 'vitest';
import { crop, type Picture, resize } from '../../images/index.ts';
import { countedCollection, inset, randomDrawing, randomPictures, render } from '../testing/drawings.ts';
import { collectionOf, disturbed, noisePicture } from '../testing/pictures.ts';
import type { Transform } from '../types.ts';
import { regionOf } from './agreement.ts';
import type { Alignments } from './align.ts';
import { type Background, createBackground } from './background.ts';
import { copyCollection } from './collection.ts';
import { type CopyQuery, compareCopies, findCopies } from './find.ts';
import { workingPicture } from './working.ts';

const count = 220;
let training: Picture[];
let background: Background;
beforeAll(() => {
  training = randomPictures(count, 0);
  background = createBackground(randomPictures(60, 10_000).map(workingPicture));
});

const queryOf = (picture: Picture): CopyQuery => {
  const working = workingPicture(picture);
  return { picture: working, background: background.of(working) };
};
const find = async (pictures: readonly Picture[], among: readonly Picture[] = training) =>
  findCopies(pictures.map(queryOf), copyCollection(collectionOf(among)));

/** The training picture `index` as it lies over a picture by a transform, drawn anew, with a little noise. */
const copyOf = (index: number, transform: Transform) =>
  disturbed(render(randomDrawing(index), 64, transform), 4, index);

const still = { flip: false, scale: 1, x: 0, y: 0 };
const indices = [11, 24, 37, 50, 63];

/**
 * How far, in working pixels, a corner of what is covered lies from where it should. The search compares at 32 × 32, where
 * an edge is no sharper than a pixel, and ends in steps of a quarter of one and 1.25% in scale: `placed` is one and a quarter.
 */
function misplaced(found: Transform, planted: Transform): number {
  if (found.flip !== planted.flip) return Number.POSITIVE_INFINITY;
  const at = (move: 'x' | 'y', side: number) => {
    // A corner that the planted transform puts outside of the picture is pulled to its border.
    const place = Math.min(1, Math.max(0, 0.5 + planted.scale * side + planted[move]));
    const there = (place - 0.5 - planted[move]) / planted.scale;
    return 32 * Math.abs(found.scale * there + found[move] - (planted.scale * there + planted[move]));
  };
  return Math.max(at('x', -0.5), at('x', 0.5), at('y', -0.5), at('y', 0.5));
}
const placed = 1.25;

function expectFound({ whole }: Alignments, index: number, transform: Transform): void {
  expect(whole!.index).toBe(index);
  expect(misplaced(whole!.transform, transform)).toBeLessThan(placed);
}

describe('findCopies', () => {
  const cases: Record<string, readonly Transform[]> = {
    exact: [still],
    mirrored: [{ ...still, flip: true }],
    shifted: [
      { ...still, x: 0.1, y: 0.06 },
      { ...still, x: -0.15, y: 0.1 },
      { ...still, y: -0.2 },
    ],
    cropped: [
      { ...still, scale: 1.25 },
      { ...still, scale: 1.25, x: 0.08, y: -0.08 },
      { flip: true, scale: 1.2, x: -0.05, y: 0.05 },
    ],
    scaled: [
      { ...still, scale: 0.8 },
      { ...still, scale: 0.8, x: 0.05, y: 0.05 },
      { flip: true, scale: 0.85, x: 0, y: 0.03 },
    ],
  };
  it.each(Object.keys(cases))('finds %s copies and how they lie', async (name) => {
    const planted = cases[name]!.flatMap((transform) => indices.map((index) => ({ index, transform })));
    const found = await find(planted.map(({ index, transform }) => copyOf(index, transform)));
    const right = planted.filter(({ index, transform }, i) => {
      const { whole, part } = found[i]!;
      expect([whole!.index, part!.index]).toEqual([index, index]);
      return misplaced(whole!.transform, transform) < placed;
    });
    // The picture is always found. The search for how it lies may end on a lesser summit, the more often the less it covers.
    const share = { shifted: 0.9, cropped: 0.9, scaled: 0.8 }[name] ?? 1;
    expect(right.length).toBeGreaterThanOrEqual(share * planted.length);
  });

  it('explains an exact copy wholly, in place', async () => {
    const [found] = await find([training[17]!]);
    expect(found!.whole).toMatchObject({ index: 17, transform: still });
    expect(found!.whole!.explained).toBeGreaterThan(0.98);
  });

  it('finds a crop that was cut and resized as pictures are, not drawn anew', async () => {
    const cut = resize(crop(training[40]!, 2, 8, 52, 52), 64, 64, 'bicubic');
    const [found] = await find([cut]);
    // The crop's middle lies at (28, 34) of 64: moved to the middle, at 64/52 of the size.
    const scale = 64 / 52;
    expectFound(found!, 40, { flip: false, scale, x: (scale * 4) / 64, y: (scale * -2) / 64 });
  });

  it('finds parts that were pasted elsewhere, and where they lie', async () => {
    // Of picture i, what lies at (.1, .15) to (.7, .75) reappears at (.3, .3), in a picture that is not in the set.
    const moved = { ...still, x: 0.2, y: 0.15 };
    const pasted = Array.from({ length: 20 }, (_, i) => 5 + 10 * i);
    const pictures = pasted.map((index) => {
      const original = randomDrawing(index);
      const part: typeof original = (u, v) => original(u - moved.x, v - moved.y);
      return render(inset(randomDrawing(20_000 + index), part, [0.3, 0.3, 0.6, 0.6]));
    });
    const found = await find(pictures);
    // What unrelated pictures never have (see below) is the right picture in the right place, or it is no evidence.
    const strong = pasted.flatMap((index, i) => (found[i]!.part!.part.score > 0.06 ? [{ index, i }] : []));
    for (const { index, i } of strong) {
      const { part } = found[i]!;
      expect(part!.index).toBe(index);
      expect(misplaced(part!.transform, moved)).toBeLessThan(placed);
      // Cells are an eighth wide: the part lies in columns and rows 2.4 to 7.2.
      const { share, box } = regionOf(part!.part.cells)!;
      // Corners, not the straight edges between them: a quarter of the pasted part at least.
      expect(share).toBeGreaterThan(0.09);
      expect(Math.min(box[0], box[1])).toBeGreaterThanOrEqual(2 / 8);
      expect(Math.max(box[0] + box[2], box[1] + box[3])).toBeLessThanOrEqual(1);
    }
    // Parts with hardly a corner in them are not found: three in four have enough.
    expect(strong.length).toBeGreaterThanOrEqual(15);
  });

  it('explains little of pictures that are in no way copies', async () => {
    const found = await find(randomPictures(12, 30_000));
    for (const { whole, part } of found) {
      expect(whole!.explained).toBeLessThan(0.25);
      expect(part!.part.score).toBeLessThan(0.06);
    }
  });

  it('tries the pictures that it is told to try', async () => {
    // Without patches in common only `also` leads to it.
    const plain: Picture = { width: 64, height: 64, data: new Uint8Array(64 * 64 * 3).fill(90) };
    const query = queryOf(plain);
    const [without, told] = await findCopies(
      [query, { ...query, also: [33] }],
      copyCollection(collectionOf(training)),
    );
    expect(without!.whole).toBeUndefined();
    expect(told!.whole!.index).toBe(33);
  });
});

describe('findCopies, whatever the circumstances', () => {
  it('gives the same alone and among others, with any number of threads and any memory', async () => {
    const pictures = [
      copyOf(11, still),
      ...randomPictures(9, 40_000),
      copyOf(24, { ...still, scale: 1.25, x: 0.08 }),
      noisePicture(3, 64),
      copyOf(37, { ...still, flip: true }),
    ];
    const queries = pictures.map(queryOf);
    const kept = countedCollection(training);
    const among = copyCollection(kept);
    const expected = await findCopies(queries, among, { threads: 1 });
    expect(kept.reads).toBe(count);
    expect(await findCopies(queries, among, { threads: 2 })).toEqual(expected);
    expect(kept.reads).toBe(count);
    for (const at of [0, 5, 10, 12]) expect(await findCopies([queries[at]!], among)).toEqual([expected[at]]);
    expect(await findCopies([...queries].reverse(), among)).toEqual([...expected].reverse());
    // Room for nothing, and for some of the small pictures: read again, with the same end.
    for (const bytes of [0, 100 * 32 * 32 * 3]) {
      const forgetful = countedCollection(training);
      expect(await findCopies(queries, copyCollection(forgetful, bytes), { threads: 1 })).toEqual(expected);
      expect(forgetful.reads).toBeGreaterThan(count);
    }
  });

  it('passes over training pictures that cannot be read', async () => {
    const queries = [queryOf(training[20]!), queryOf(training[21]!)];
    const collection = copyCollection(collectionOf(training, [0, 20, 219]));
    const [gone, there] = await findCopies(queries, collection);
    expect(gone!.whole!.index).not.toBe(20);
    expect(gone!.whole!.explained).toBeLessThan(0.3);
    expect(there!.whole!.index).toBe(21);
    const none = copyCollection(collectionOf(training.slice(0, 3), [0, 1, 2]));
    expect(await findCopies(queries, none)).toEqual([
      { whole: undefined, part: undefined },
      { whole: undefined, part: undefined },
    ]);
  });

  it('works with a collection of one picture', async () => {
    const found = await find(
      [copyOf(3, { ...still, x: 0.1 }), randomPictures(1, 50_000)[0]!],
      [training[3]!],
    );
    expectFound(found[0]!, 0, { ...still, x: 0.1 });
    expect(found[1]!.whole!.explained).toBeLessThan(0.3);
  });

  it('names the first of identical pictures', async () => {
    const same = Array.from({ length: 30 }, () => training[8]!);
    const found = await find([training[8]!, copyOf(8, { ...still, flip: true })], same);
    expectFound(found[0]!, 0, still);
    expectFound(found[1]!, 0, { ...still, flip: true });
  });

  it('finds nothing in, and of, pictures without structure', async () => {
    const plain = Array.from({ length: 12 }, (_, i) => ({
      width: 64,
      height: 64,
      data: new Uint8Array(64 * 64 * 3).fill(20 * i),
    }));
    const found = await find([plain[3]!, training[0]!], plain);
    expect(found[0]).toEqual({ whole: undefined, part: undefined });
    expect(found[1]!.whole?.explained ?? 0).toBeLessThan(0.1);
    expect(await find([])).toEqual([]);
  });

  it('reports progress up to 1 and stops when told to', async () => {
    const shares: number[] = [];
    const collection = copyCollection(collectionOf(training.slice(0, 20)));
    await findCopies([queryOf(training[2]!)], collection, { onProgress: (share) => shares.push(share) });
    expect(shares.at(-1)).toBe(1);
    expect([...shares].sort((a, b) => a - b)).toEqual(shares);
    const signal = AbortSignal.abort(new Error('stop'));
    await expect(findCopies([queryOf(training[2]!)], collection, { signal })).rejects.toThrow();
  });
});

describe('compareCopies', () => {
  it('lays a single picture over a query as the search does, under the position −1', () => {
    for (const transform of [still, { ...still, flip: true }, { ...still, scale: 1.2, x: 0.05 }]) {
      const found = compareCopies(queryOf(copyOf(9, transform)), workingPicture(training[9]!));
      expectFound(found, -1, transform);
    }
  });

  it('explains no less by the same picture than the search did, when told how that laid it', async () => {
    const queries = [
      copyOf(11, { flip: true, scale: 0.85, x: 0, y: 0.03 }),
      ...randomPictures(8, 60_000),
      copyOf(24, { ...still, scale: 1.2, x: 0.1 }),
    ].map(queryOf);
    const found = await findCopies(queries, copyCollection(collectionOf(training)));
    for (const [i, query] of queries.entries()) {
      const { whole, part } = found[i]!;
      for (const other of [whole!, part!]) {
        const alone = compareCopies(query, workingPicture(training[other.index]!), [
          whole!.transform,
          part!.transform,
        ]);
        if (other === whole) expect(alone.whole!.explained).toBeGreaterThanOrEqual(whole!.explained - 1e-9);
        else expect(alone.part!.part.score).toBeGreaterThanOrEqual(part!.part.score - 1e-9);
      }
    }
  });
});
