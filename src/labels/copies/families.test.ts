import { describe, expect, it } from 'vitest';
import type { Mask, Picture } from '../../images/index.ts';
import {
  type Box,
  type Drawing,
  inset,
  plainDrawing,
  randomDrawing,
  randomPictures,
  render,
} from '../testing/drawings.ts';
import { collectionOf, disturbed, randomNumbers } from '../testing/pictures.ts';
import { copyCollection } from './collection.ts';
import { findFamilies } from './families.ts';

const side = 128;
const around = randomPictures(120, 0, side);

/** A scene in which a box has another colour and pattern in every variant. */
function variantsOf(scene: Drawing, region: Box, count: number, seed: number): Picture[] {
  const next = randomNumbers(seed);
  const colour = () => [255 * next(), 255 * next(), 255 * next()] as const;
  return Array.from({ length: count }, (_, i) =>
    // As if stored by a lossy codec.
    disturbed(
      render(inset(scene, plainDrawing(colour(), i % 2 === 0 ? undefined : colour()), region), side),
      3,
      seed + i,
    ),
  );
}

/** What a mask leaves out, against a box, by pixels. */
function compareRegion({ width, height, data }: Mask, [left, top, wide, high]: Box) {
  let both = 0;
  let either = 0;
  let planted = 0;
  let beyond = 0;
  data.forEach((set, pixel) => {
    const u = ((pixel % width) + 0.5) / width;
    const v = (Math.floor(pixel / width) + 0.5) / height;
    const isPlanted = u >= left && u < left + wide && v >= top && v < top + high;
    if (isPlanted) planted++;
    if (isPlanted && set === 0) both++;
    if (isPlanted || set === 0) either++;
    if (set === 0)
      beyond = Math.max(beyond, width * Math.max(left - u, u - left - wide, top - v, v - top - high));
  });
  return {
    /** Intersection over union. */
    overlap: both / either,
    /** Share of the box that is left out. */
    covered: both / planted,
    /** How far what is left out reaches beyond the box, pixels. */
    beyond,
  };
}

/**
 * The mask leaves out all of the planted region but for its corners, and up to two pixels around it: means over 3 × 3 pixels
 * are compared, and pixels on its edge vary in part. At 128 pixels that leaves an overlap above .8.
 */
function expectRegion(mask: Mask, region: Box): void {
  const { overlap, covered, beyond } = compareRegion(mask, region);
  expect(overlap).toBeGreaterThanOrEqual(0.8);
  expect(covered).toBeGreaterThan(0.98);
  expect(beyond).toBeLessThan(2.5);
}

const search = (seeds: readonly number[], pictures: readonly Picture[], unreadable: readonly number[] = []) =>
  findFamilies(seeds, copyCollection(collectionOf(pictures, unreadable)));

/** Puts pictures among others, the k-th at position 7 + 9k. */
function planted(variants: readonly Picture[], among = around): { pictures: Picture[]; at: number[] } {
  const pictures = [...among];
  const at = variants.map((variant, k) => {
    pictures.splice(7 + 9 * k, 0, variant);
    return 7 + 9 * k;
  });
  return { pictures, at };
}

describe('findFamilies', () => {
  it.each<[string, Box]>([
    ['small', [0.55, 0.1, 0.25, 0.25]],
    ['large', [0.2, 0.25, 0.6, 0.55]],
    ['at the border', [0, 0, 0.5, 0.4]],
  ])('finds the variants of a scene, and the region that varies: %s', async (_, region) => {
    const { pictures, at } = planted(variantsOf(randomDrawing(900), region, 7, 50));
    for (const seed of [at[0]!, at[4]!]) {
      const families = await search([seed], pictures);
      expect(families).toHaveLength(1);
      expect(families[0]).toMatchObject({ seed, members: at });
      expectRegion(families[0]!.mask, region);
      const { data } = families[0]!.mask;
      expect(families[0]!.varying).toBeCloseTo(1 - data.reduce((sum, set) => sum + set, 0) / data.length, 9);
    }
  });

  it('finds a strong recolouring of a large region, which the reference’s rule misses', async () => {
    const region: Box = [0.4, 0.1, 0.6, 0.8];
    const scene = randomDrawing(901);
    const colours = [
      [250, 10, 10],
      [10, 240, 20],
      [20, 20, 250],
      [250, 250, 10],
      [5, 5, 5],
    ] as const;
    const variants = colours.map((colour) => render(inset(scene, plainDrawing(colour), region), side));
    // The reference asks for a sum of squares between 1e2 and 1e3 at 256 × 256: every pair here lies far above.
    for (const a of variants)
      for (const b of variants) if (a !== b) expect(sumAt256(a, b)).toBeGreaterThan(10_000);
    const { pictures, at } = planted(variants);
    const families = await search([at[2]!], pictures);
    expect(families.map(({ members }) => members)).toEqual([at]);
    expectRegion(families[0]!.mask, region);
  });

  it('names one family once, by its lowest seed, whichever of its pictures are asked for', async () => {
    const region: Box = [0.3, 0.3, 0.4, 0.4];
    const { pictures, at } = planted(variantsOf(randomDrawing(902), region, 6, 60));
    const families = await search([at[5]!, at[1]!, at[3]!, at[1]!], pictures);
    expect(families.map(({ seed, members }) => ({ seed, members }))).toEqual([{ seed: at[1], members: at }]);
  });

  it('keeps two families apart, and gives a picture’s family only', async () => {
    const first = planted(variantsOf(randomDrawing(903), [0.2, 0.2, 0.4, 0.4], 5, 70));
    const second = variantsOf(randomDrawing(904), [0.5, 0.4, 0.4, 0.5], 5, 80);
    const pictures = [...first.pictures, ...second];
    const there = second.map((_, k) => first.pictures.length + k);
    const families = await search([first.at[0]!, there[0]!, 0, 1], pictures);
    expect(families.map(({ members }) => members)).toEqual([first.at, there]);
    expectRegion(families[0]!.mask, [0.2, 0.2, 0.4, 0.4]);
    expectRegion(families[1]!.mask, [0.5, 0.4, 0.4, 0.5]);
    expect(await search([there[3]!], pictures)).toMatchObject([{ members: there }]);
  });

  it('takes no duplicates for a family', async () => {
    const picture = render(randomDrawing(905), side);
    const exact = planted(Array.from({ length: 8 }, () => picture));
    expect(await search(exact.at, exact.pictures)).toEqual([]);
    const stored = planted(Array.from({ length: 8 }, (_, i) => disturbed(picture, 4, i)));
    expect(await search(stored.at, stored.pictures)).toEqual([]);
  });

  it('counts a variant once, however often it is there: its copies are members', async () => {
    const variants = variantsOf(randomDrawing(906), [0.3, 0.2, 0.5, 0.5], 5, 90);
    const { pictures, at } = planted([...variants, variants[1]!, variants[1]!, variants[0]!]);
    expect(await search([at[0]!], pictures)).toMatchObject([{ members: at }]);
    // A seed and two others, one of them five times: no family.
    const two = planted([variants[0]!, variants[1]!, ...Array.from({ length: 5 }, () => variants[2]!)]);
    expect(await search(two.at, two.pictures)).toEqual([]);
  });

  it('lets no variant that is there many times say where the template does not vary', async () => {
    const box: Box = [0.3, 0.25, 0.5, 0.5];
    const left: Box = [0.3, 0.25, 0.25, 0.5];
    const drawing = inset(randomDrawing(909), plainDrawing([250, 20, 20]), box);
    // Ten copies agree with the seed in the right half of the region, three others nowhere in it.
    const half = render(inset(drawing, plainDrawing([10, 10, 250]), left), side);
    const whole = (
      [
        [10, 240, 10],
        [240, 240, 10],
        [10, 240, 240],
      ] as const
    ).map((colour) => render(inset(drawing, plainDrawing(colour), box), side));
    const { pictures, at } = planted([
      render(drawing, side),
      ...whole,
      ...Array.from({ length: 10 }, () => half),
    ]);
    const families = await search([at[0]!], pictures);
    expect(families.map(({ members }) => members)).toEqual([at]);
    expectRegion(families[0]!.mask, box);
  });

  it('needs three variants beside the seed', async () => {
    const variants = variantsOf(randomDrawing(907), [0.3, 0.2, 0.5, 0.5], 4, 95);
    const three = planted(variants.slice(0, 3));
    expect(await search(three.at, three.pictures)).toEqual([]);
    const four = planted(variants);
    expect(await search([four.at[0]!], four.pictures)).toMatchObject([{ members: four.at }]);
  });

  it('finds none among unrelated pictures, in none, and in pictures without structure', async () => {
    expect(await search([0, 10, 20, 30, 40], around)).toEqual([]);
    expect(await search([], around)).toEqual([]);
    const plain = Array.from({ length: 10 }, (_, i) => render(plainDrawing([20 * i, 100, 90])));
    expect(await search([0, 5], plain)).toEqual([]);
    expect(await search([0], around.slice(0, 1))).toEqual([]);
  });

  it('passes over what cannot be read, be it a seed or a member', async () => {
    const { pictures, at } = planted(variantsOf(randomDrawing(908), [0.3, 0.3, 0.4, 0.5], 6, 99));
    const families = await search([at[0]!, at[2]!], pictures, [at[0]!, at[4]!]);
    expect(families.map(({ seed, members }) => ({ seed, members }))).toEqual([
      { seed: at[2], members: [at[1], at[2], at[3], at[5]] },
    ]);
  });
});

/** Σ (a − b)² with each pixel standing for 2 × 2 of 256 × 256, values in [0, 1]. */
function sumAt256(a: Picture, b: Picture): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += (a.data[i]! - b.data[i]!) ** 2;
  return (4 * sum) / 255 ** 2;
}
