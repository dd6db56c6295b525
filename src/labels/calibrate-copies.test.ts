import { describe, expect, it } from 'vitest';
import { calibrateCopies, evenlySpaced, unrelatedPictures } from './calibrate-copies.ts';
import { copyCollection, findCopies, workingPicture } from './copies/index.ts';
import { nearestPictures } from './nearest.ts';
import { plainDrawing, randomDrawing, randomPictures, render } from './testing/drawings.ts';
import { collectionOf } from './testing/pictures.ts';

const training = randomPictures(120, 0);
const heldOut = randomPictures(60, 5000);
const calibrate = async (pictures: typeof heldOut, among = training) => {
  const { neighbours } = await nearestPictures(pictures, collectionOf(among));
  return calibrateCopies(unrelatedPictures(pictures), neighbours, copyCollection(collectionOf(among)), 0.001);
};

describe('calibrateCopies', () => {
  it('sets thresholds that unrelated pictures do not reach and copies do', async () => {
    const { whole, part, heldOut: compared } = await calibrate(heldOut);
    expect(compared).toBe(60);
    for (const tail of [whole, part]) {
      expect(tail).toMatchObject({ quantile: 0.001, reached: 0 });
      // One clean set in ten has a suspect, by the definition.
      expect(tail.suspects).toBeLessThanOrEqual(1);
    }
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
    for (const tail of [dirty.whole, dirty.part]) {
      expect(tail.reached).toBe(3);
      // The three, and the one that a clean set may have.
      expect(tail.suspects).toBeGreaterThanOrEqual(3);
      expect(tail.suspects).toBeLessThanOrEqual(4);
    }
    // Three of 60 move it by less than the standard error of a threshold from 60 scores: ln 500 / √(.4 · 60) scales.
    expect(Math.abs(dirty.whole.threshold - clean.whole.threshold)).toBeLessThan(1.27 * clean.whole.scale);
    expect(dirty.whole.threshold).toBeLessThan(0.5);
  });

  it('tries the nearest picture in place, as it is tried with generated pictures', async () => {
    // Pictures without corners have no patches: only the nearest one can be laid over them.
    const ramp = (level: number): (typeof heldOut)[number] => ({
      width: 64,
      height: 64,
      data: Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => level + 2 * (Math.floor(i / 3) % 64)),
    });
    const ramps = Array.from({ length: 30 }, (_, i) => ramp(2 * i));
    const { whole } = await calibrate(ramps, ramps);
    expect(whole.median).toBeGreaterThan(0.9);
    const plain = unrelatedPictures(ramps);
    const none = ramps.map(() => null);
    const without = await calibrateCopies(plain, none, copyCollection(collectionOf(ramps)), 0.001);
    expect(without.whole.median).toBe(0);
    await expect(calibrateCopies(plain, [], copyCollection(collectionOf(ramps)), 0.001)).rejects.toThrow(
      /0 nearest pictures for 30/,
    );
  });

  it('has thresholds with a floor, where held-out pictures have nothing in common with the training set', async () => {
    const plain = Array.from({ length: 30 }, (_, i) => render(plainDrawing([8 * i, 90, 90])));
    const { whole, part } = await calibrate(plain);
    expect([whole.threshold, part.threshold]).toEqual([0.2, 0.05]);
  });

  it('needs twenty held-out pictures', async () => {
    await expect(calibrate(heldOut.slice(0, 19))).rejects.toThrow(/19 held-out pictures/);
  });
});

describe('evenlySpaced', () => {
  it('takes all of a few, and 600 of many, each once', () => {
    expect(evenlySpaced(5, 600)).toEqual([0, 1, 2, 3, 4]);
    const positions = evenlySpaced(10_000, 600);
    expect(positions).toHaveLength(600);
    expect(new Set(positions).size).toBe(600);
    expect(positions[0]).toBe(0);
    expect(positions.at(-1)).toBe(9983);
    expect(evenlySpaced(0, 600)).toEqual([]);
  });
});
