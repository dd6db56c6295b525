import { describe, expect, it } from 'vitest';
import { calibrateCopies, evenlySpaced, unrelatedPictures } from './calibrate-copies.ts';
import { copyCollection, findCopies, workingPicture } from './copies/index.ts';
import { randomDrawing, randomPictures, render } from './testing/drawings.ts';
import { collectionOf } from './testing/pictures.ts';

const training = randomPictures(120, 0);
const heldOut = randomPictures(60, 5000);
const calibrate = (pictures: typeof heldOut) =>
  calibrateCopies(unrelatedPictures(pictures), copyCollection(collectionOf(training)), 0.001);

describe('calibrateCopies', () => {
  it('sets thresholds that unrelated pictures do not reach and copies do', async () => {
    const { whole, part, heldOut: compared } = await calibrate(heldOut);
    expect(compared).toBe(60);
    for (const tail of [whole, part])
      expect(tail).toMatchObject({ quantile: 0.001, reached: 0, suspects: 0 });
    const { background } = unrelatedPictures(heldOut);
    const find = async (pictures: typeof heldOut) =>
      findCopies(
        pictures.map((picture) => {
          const working = workingPicture(picture);
          return { picture: working, background: background.of(working) };
        }),
        copyCollection(collectionOf(training)),
      );
    for (const found of await find(randomPictures(60, 7000))) {
      expect(found.whole!.explained).toBeLessThan(whole.threshold);
      expect(found.part!.part.score).toBeLessThan(part.threshold);
    }
    const moved = { flip: true, scale: 1.1, x: 0.05, y: 0 };
    for (const found of await find([3, 30, 60, 90].map((i) => render(randomDrawing(i), 64, moved)))) {
      expect(found.whole!.explained).toBeGreaterThan(whole.threshold);
      expect(found.part!.part.score).toBeGreaterThan(part.threshold);
    }
  });

  it('counts copies of training pictures among the held-out ones, and is hardly moved by them', async () => {
    const clean = await calibrate(heldOut);
    const dirty = await calibrate(heldOut.map((picture, i) => (i % 20 === 0 ? training[i]! : picture)));
    expect(dirty.whole.suspects).toBe(3);
    expect(dirty.part.suspects).toBe(3);
    expect(dirty.whole.reached).toBe(3);
    // Three of 60 move it by less than the standard error of a threshold from 60 scores: ln 500 / √(.4 · 60) scales.
    expect(Math.abs(dirty.whole.threshold - clean.whole.threshold)).toBeLessThan(1.27 * clean.whole.scale);
    expect(dirty.whole.threshold).toBeLessThan(0.5);
  });

  it('needs twenty held-out pictures', async () => {
    await expect(calibrate(heldOut.slice(0, 19))).rejects.toThrow(/19 held-out pictures/);
  });
});

describe('evenlySpaced', () => {
  it('takes all of a few, and 600 of many, each once', () => {
    expect(evenlySpaced(5)).toEqual([0, 1, 2, 3, 4]);
    const positions = evenlySpaced(10_000);
    expect(positions).toHaveLength(600);
    expect(new Set(positions).size).toBe(600);
    expect(positions[0]).toBe(0);
    expect(positions.at(-1)).toBe(9983);
    expect(evenlySpaced(0)).toEqual([]);
  });
});
