import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { encodePng } from '../images/index.ts';
import { sql, textLiteral } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import {
  type PictureSource,
  photographSource,
  plantedConfigSchema,
  plantedSet,
  sceneSource,
} from './index.ts';

const root = temporaryFolder('photographs');
let path: string;
let source: PictureSource;
const classes = ['airplane', 'cat'];
beforeAll(async () => {
  path = join(root, 'train.parquet');
  const scenes = sceneSource(2);
  const rows: string[] = [];
  for (let index = 0; index < 40; index++) {
    const png = Buffer.from(await encodePng(await scenes.picture(index))).toString('base64');
    // Sorted by class, as such files often are.
    rows.push(`SELECT {bytes: from_base64('${png}'), path: ''} AS img, ${index < 20 ? 0 : 1} AS label`);
  }
  await sql(`COPY (${rows.join(' UNION ALL ')}) TO ${textLiteral(path)} (FORMAT parquet)`);
  source = await photographSource({ path, classes, seed: 1, size: 32 });
});

it('takes every photograph once, classes mixed, and names the class in the caption', () => {
  const described = Array.from({ length: source.count }, (_, index) => source.describe(index));
  expect(described.filter((one) => one.scene === 'cat')).toHaveLength(20);
  const firstHalf = described.slice(0, 20).filter((one) => one.scene === 'cat').length;
  expect(firstHalf).toBeGreaterThan(3);
  expect(firstHalf).toBeLessThan(17);
  for (const { caption, scene } of described) expect(caption.toLowerCase()).toContain(scene);
  expect(new Set(described.map((one) => one.caption)).size).toBe(40);
  expect(source.recaption(3, 1)).not.toBe(source.recaption(3, 2));
});

it('carries planted sets and is the same each time', async () => {
  const config = plantedConfigSchema.parse({
    uniques: 20,
    heldOut: 5,
    copyCounts: [5],
    groupsPerCopyCount: 3,
    familiesPerTwin: 2,
    variantsMax: 30,
  });
  const set = plantedSet(source, config);
  const again = plantedSet(await photographSource({ path, classes, seed: 1, size: 32 }), config);
  expect(again.digest).toBe(set.digest);
  expect(again.truth).toEqual(set.truth);
  for (const index of [0, 22, 27, set.pictureCount - 1]) {
    const picture = await set.picture(index);
    expect([picture.width, picture.height]).toEqual([32, 32]);
    expect(picture).toEqual(await again.picture(index));
  }
  expect(plantedSet(await photographSource({ path, classes, seed: 2, size: 32 }), config).digest).not.toBe(
    set.digest,
  );
});

it('has families that vary inside their region only', async () => {
  for (let family = 0; family < 6; family++) {
    const { region } = source.describeVariant(family, 0);
    const [left, top, width, height] = region;
    expect((width * height) / 32 ** 2).toBeGreaterThanOrEqual(0.15);
    expect((width * height) / 32 ** 2).toBeLessThanOrEqual(0.4);
    const a = await source.pictureVariant(family, 0);
    const b = await source.pictureVariant(family, 1);
    let inside = 0;
    for (let at = 0; at < a.data.length; at++) {
      const x = Math.floor(at / 3) % 32;
      const y = Math.floor(at / 96);
      if (x >= left && x < left + width && y >= top && y < top + height)
        inside += Math.abs(a.data[at]! - b.data[at]!);
      else expect(a.data[at]).toBe(b.data[at]);
    }
    expect(inside).toBeGreaterThan(0);
  }
});

it('names the row whose class has no name', async () => {
  await expect(photographSource({ path, classes: ['airplane'], seed: 1 })).rejects.toThrow(
    `${path}, row 20: label "1" has no name; "classes" lists 1`,
  );
  const unnamed = await photographSource({ path, seed: 1 });
  expect(unnamed.describe(0).scene).toMatch(/^class [01]$/);
  expect(unnamed.size).toBe(64);
});
