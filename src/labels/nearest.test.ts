import { describe, expect, it } from 'vitest';
import { type Picture, squaredDifference } from '../images/index.ts';
import { rmsOf } from './distances.ts';
import { nearestPictures } from './nearest.ts';
import { collectionOf, disturbed, noisePicture } from './testing/pictures.ts';

function bruteForce(query: Picture, pictures: readonly Picture[]) {
  let best = { index: -1, squared: Number.POSITIVE_INFINITY };
  pictures.forEach((picture, index) => {
    const squared = squaredDifference(query, picture);
    if (squared < best.squared) best = { index, squared };
  });
  return { index: best.index, distance: rmsOf(best.squared, query.data.length) };
}

const training = Array.from({ length: 53 }, (_, i) => noisePicture(i));
// Close relatives, so that float32 alone could not tell who is nearest, and exact copies.
for (let i = 0; i < 20; i++) training.push(disturbed(training[5]!, 1, 100 + i));
training.push(training[7]!, training[7]!);
const queries = [
  ...Array.from({ length: 9 }, (_, i) => noisePicture(1000 + i)),
  training[7]!,
  ...Array.from({ length: 6 }, (_, i) => disturbed(training[5]!, 2, 300 + i)),
];

describe('nearestPictures', () => {
  it('equals brute force, whatever the blocks and threads', async () => {
    const expected = queries.map((query) => bruteForce(query, training));
    for (const options of [
      {},
      { blockPictures: 1 },
      { blockPictures: 7, queryPictures: 5 },
      { blockPictures: 64, threads: 1 },
    ]) {
      const { neighbours, unreadable } = await nearestPictures(queries, collectionOf(training), options);
      expect(neighbours).toEqual(expected);
      expect(unreadable).toEqual([]);
    }
  });

  it('finds equal pictures at distance 0 and takes the first of equally near ones', async () => {
    const { neighbours } = await nearestPictures([training[7]!], collectionOf(training), {
      blockPictures: 10,
    });
    expect(neighbours).toEqual([{ index: 7, distance: 0 }]);
  });

  it('works with a training set of one picture', async () => {
    const { neighbours } = await nearestPictures(queries.slice(0, 1), collectionOf(training.slice(0, 1)));
    expect(neighbours).toEqual([bruteForce(queries[0]!, training.slice(0, 1))]);
  });

  it('passes over what cannot be read and names it', async () => {
    const { neighbours, unreadable } = await nearestPictures(
      [training[7]!],
      collectionOf(training.slice(0, 20), [7]),
    );
    expect(neighbours[0]!.index).not.toBe(7);
    expect(unreadable).toEqual([{ index: 7, error: 'row 7: the picture is cut short' }]);
    const none = await nearestPictures([training[7]!], collectionOf(training.slice(0, 2), [0, 1]));
    expect(none.neighbours).toEqual([null]);
  });

  it('brings training pictures of another size to the queries’ size', async () => {
    const plain = (side: number, value: number): Picture => ({
      width: side,
      height: side,
      data: new Uint8Array(side * side * 3).fill(value),
    });
    const { neighbours } = await nearestPictures([plain(8, 90)], collectionOf([plain(8, 10), plain(20, 90)]));
    expect(neighbours).toEqual([{ index: 1, distance: 0 }]);
  });

  it('refuses queries of two sizes and an empty training set', async () => {
    await expect(
      nearestPictures([noisePicture(1, 8), noisePicture(1, 9)], collectionOf(training)),
    ).rejects.toThrow(/9×9, the first one 8×8/);
    await expect(nearestPictures(queries, collectionOf([]))).rejects.toThrow(/holds no pictures/);
  });

  it('reports progress up to 1 and stops when told to', async () => {
    const shares: number[] = [];
    await nearestPictures(queries, collectionOf(training), {
      blockPictures: 20,
      onProgress: (share) => shares.push(share),
    });
    expect(shares).toEqual([0.25, 0.5, 0.75, 1]);
    const signal = AbortSignal.abort(new Error('stop'));
    await expect(nearestPictures(queries, collectionOf(training), { signal })).rejects.toThrow();
  });
});
