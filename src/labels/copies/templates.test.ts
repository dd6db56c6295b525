import { beforeAll, describe, expect, it } from 'vitest';
import type { Picture } from '../../images/index.ts';
import { type Box, inset, plainDrawing, randomDrawing, randomPictures, render } from '../testing/drawings.ts';
import { collectionOf, disturbed } from '../testing/pictures.ts';
import { type CopyCollection, copyCollection } from './collection.ts';
import { findFamilies, type TemplateFamily } from './families.ts';
import { matchTemplates, templateShare, workingMask } from './templates.ts';
import { workingPicture } from './working.ts';

const region: Box = [0.25, 0.375, 0.5, 0.5];
const second: Box = [0.5, 0.125, 0.375, 0.5];
const scene = (colour: readonly [number, number, number], number = 900, box = region) =>
  render(inset(randomDrawing(number), plainDrawing(colour), box));
const variants = [
  [250, 10, 10],
  [10, 240, 20],
  [20, 20, 250],
  [250, 250, 10],
  [5, 5, 5],
].map(([r, g, b]) => scene([r!, g!, b!]));
const others = [
  [250, 10, 200],
  [10, 240, 200],
  [120, 20, 0],
  [50, 250, 150],
].map(([r, g, b]) => scene([r!, g!, b!], 950, second));
const pictures: Picture[] = [...randomPictures(80, 0), ...variants, ...others];
const heldOut = randomPictures(40, 600).map(workingPicture);

describe('matchTemplates', () => {
  let collection: CopyCollection;
  let families: TemplateFamily[];
  beforeAll(async () => {
    collection = copyCollection(collectionOf(pictures));
    families = await findFamilies([80, 85], collection);
    expect(families.map(({ members }) => members)).toEqual([
      [80, 81, 82, 83, 84],
      [85, 86, 87, 88],
    ]);
  });
  const match = (queries: readonly Picture[], options = {}) =>
    matchTemplates(queries.map(workingPicture), families, collection, heldOut, options);

  it('finds a template with a new look in the region that varies', async () => {
    const matches = await match([
      scene([130, 130, 130]),
      // Another picture altogether where the region is, and the noise of a codec around it.
      disturbed(render(inset(randomDrawing(900), randomDrawing(77), region)), 8, 1),
      scene([0, 90, 90], 950, second),
      // A variant as it is.
      variants[2]!,
    ]);
    expect(matches.map((found) => found?.family)).toEqual([0, 0, 1, 0]);
    for (const { ratio, distance } of matches.map((found) => found!)) {
      expect(ratio).toBeLessThanOrEqual(templateShare);
      // At the working size the region's edge lies on a pixel's, and noise of 8 levels averages out.
      expect(distance).toBeLessThan(0.02);
    }
  });

  it('sets the distance in proportion to the eight nearest that do not belong to the family', async () => {
    const query = workingPicture(disturbed(scene([130, 130, 130]), 60, 3));
    const [found] = await matchTemplates([query], families, collection, heldOut);
    const mask = workingMask(families[0]!);
    const rms = (picture: Picture | { data: Float32Array }) => {
      const data =
        picture.data instanceof Float32Array ? picture.data : workingPicture(picture as Picture).data;
      let sum = 0;
      let count = 0;
      mask.forEach((set, pixel) => {
        for (let i = 3 * pixel; set === 1 && i < 3 * pixel + 3; i++, count++)
          sum += (query.data[i]! - data[i]!) ** 2;
      });
      return Math.sqrt(sum / count);
    };
    const around = [...pictures.filter((_, i) => i < 80 || i > 84), ...heldOut]
      .map(rms)
      .sort((a, b) => a - b);
    const mean = around.slice(0, 8).reduce((sum, value) => sum + value, 0) / 8;
    expect(found!.distance).toBeCloseTo(rms(variants[0]!), 9);
    // Products in float32: Σ over 3,072 values errs by some 1e-5 of it.
    expect(found!.ratio).toBeCloseTo(rms(variants[0]!) / mean, 4);
  });

  it('leaves out members, however far from the seed', async () => {
    const query = workingPicture(disturbed(scene([130, 130, 130]), 60, 3));
    const ratio = async (members: readonly number[]) => {
      const family = { ...families[0]!, members };
      return (await matchTemplates([query], [family], collection, []))[0]!.ratio;
    };
    // Half of what is around become members: the eight nearest of the others are further away.
    const some = [...families[0]!.members, ...Array.from({ length: 40 }, (_, i) => i)];
    expect(await ratio(some)).toBeLessThan(await ratio(families[0]!.members));
  });

  it('does not take unrelated, plain or blurred pictures for repetitions', async () => {
    const blurred = workingPicture(variants[0]!);
    const mean = [0, 1, 2].map(
      (c) => blurred.data.filter((_, i) => i % 3 === c).reduce((s, v) => s + v, 0) / 1024,
    );
    const flat = render(plainDrawing([255 * mean[0]!, 255 * mean[1]!, 255 * mean[2]!]));
    for (const found of await match([...randomPictures(20, 700), flat])) {
      if (found !== null) expect(found.ratio).toBeGreaterThan(templateShare);
    }
  });

  it('does not take the repetition of a picture outside the family for one of the template', async () => {
    for (const found of await match(pictures.slice(0, 40))) {
      if (found !== null) expect(found.ratio).toBeGreaterThan(templateShare);
    }
  });

  it('passes over families whose seed cannot be read', async () => {
    const unreadable = copyCollection(collectionOf(pictures, [80]));
    const query = workingPicture(scene([130, 130, 130]));
    expect(await matchTemplates([query], families, unreadable, heldOut)).toEqual([null]);
  });

  it('does not hold a held-out picture against itself', async () => {
    // Near enough to the template for a look around; the same picture among the held-out ones would explain it.
    const query = workingPicture(disturbed(scene([130, 130, 130]), 40, 5));
    const among = [...heldOut.slice(0, 3), query];
    const ratio = async (options: object, pool = among) =>
      (await matchTemplates([query], families, collection, pool, options))[0]!.ratio;
    const without = await ratio({}, heldOut.slice(0, 3));
    expect(await ratio({ heldOutPositions: [3] })).toBeCloseTo(without, 9);
    expect(await ratio({})).toBeGreaterThan(without);
  });

  it('says nothing where there is nothing around to hold a distance against', async () => {
    // Two families, of which one is the whole collection under its own mask.
    const only = copyCollection(collectionOf(variants));
    const alone = await findFamilies([0], only);
    const query = workingPicture(scene([130, 130, 130]));
    expect(await matchTemplates([query], alone, only, [])).toEqual([null]);
    expect(await matchTemplates([query], [], only, heldOut)).toEqual([null]);
    expect(await matchTemplates([], alone, only, heldOut)).toEqual([]);
  });
});

describe('workingMask', () => {
  it('keeps pixels of which at least half is the template’s', () => {
    const data = new Uint8Array(64 * 64).fill(1);
    // One of four pixels under the first, two under the second, three under the third working pixel.
    for (const [x, y] of [
      [0, 0],
      [2, 0],
      [3, 0],
      [4, 0],
      [5, 0],
      [4, 1],
    ])
      data[y! * 64 + x!] = 0;
    const seed = { mask: { width: 64, height: 64, data } };
    expect([...workingMask(seed).subarray(0, 4)]).toEqual([1, 1, 0, 1]);
  });
});
