import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { closingDatasets } from '../datasets/testing/opened.ts';
import { pixelDescriptor, vectorsOf } from '../descriptors/index.ts';
import { encodePng, type Picture } from '../images/index.ts';
import { createRandom } from '../math/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { listCandidates } from './candidates.ts';
import { auditConfigSchema } from './config.ts';
import { dataOfDataset } from './data.ts';
import { makeIndex, openIndex } from './indexing.ts';
import { rankOutliers, readOutliers } from './outliers.ts';

const folder = temporaryFolder('outliers');
const openDataset = closingDatasets();
const captions: string[] = [];
const pictures: Picture[] = [];
const index = join(folder, 'index');
const descriptor = pixelDescriptor(8);

/** Three drawings with more and more copies of them, lone ones, a plain one; two lone ones share a caption. */
beforeAll(async () => {
  const random = createRandom(7);
  const drawing = () => Uint8Array.from({ length: 8 * 8 * 3 }, () => random.integer(256));
  const add = (data: Uint8Array, caption: string) => {
    pictures.push({ width: 8, height: 8, data });
    captions.push(caption);
  };
  for (let kind = 0; kind < 3; kind++) {
    const base = drawing();
    for (let copy = 0; copy < 4; copy++)
      add(
        base.map((value) => Math.max(0, Math.min(255, value + random.integer(8 * kind + 1)))),
        `kind ${kind}`,
      );
  }
  for (let lone = 0; lone < 4; lone++) add(drawing(), lone < 2 ? 'a pair, of nothing alike' : `lone ${lone}`);
  add(new Uint8Array(8 * 8 * 3).fill(90), 'plain');
  const path = join(folder, 'pictures');
  const { mkdir } = await import('node:fs/promises');
  await mkdir(path);
  const name = (i: number) => `${String(i).padStart(2, '0')}.png`;
  for (const [i, picture] of pictures.entries())
    await writeFile(join(path, name(i)), await encodePng(picture));
  await writeFile(join(path, '99.png'), 'no picture');
  const rows = [...captions, 'broken'].map((text, i) =>
    JSON.stringify({ file_name: i === captions.length ? '99.png' : name(i), text }),
  );
  await writeFile(join(path, 'metadata.jsonl'), `${rows.join('\n')}\n`);
  await makeIndex({
    dataset: await openDataset(path),
    descriptor,
    descriptorName: 'pixels',
    output: index,
    dtype: 'float32',
    shardSize: 6,
    verbatim: '0.0.0',
    versions: {},
  });
});

/** 1 − cosine to all others, ascending, by the definition. */
async function distances(of: number): Promise<number[]> {
  const all = await Promise.all(pictures.map((picture) => vectorsOf(descriptor, [picture])));
  const cosine = (a: Float32Array, b: Float32Array) => {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = 0; i < a.length; i++) {
      ab += a[i]! * b[i]!;
      aa += a[i]! ** 2;
      bb += b[i]! ** 2;
    }
    return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
  };
  return all.flatMap((other, i) => (i === of ? [] : [1 - cosine(all[of]!, other)])).sort((a, b) => a - b);
}

describe('rankOutliers', () => {
  it.each([
    [1, false],
    [3, false],
    [3, true],
  ])('is the distance to the %i nearest by the definition (mean: %s)', async (neighbours, mean) => {
    const { rows, plain } = await rankOutliers(await openIndex(index), { neighbours, mean, threads: 1 });
    expect(plain).toBe(1);
    expect(rows).toHaveLength(16);
    for (const { dataset_index, outlierness } of rows) {
      const near = (await distances(dataset_index)).slice(0, neighbours);
      const expected = mean ? near.reduce((sum, value) => sum + value, 0) / neighbours : near.at(-1)!;
      // Vectors of float32: two of them make a cosine to about 1e-7.
      expect(outlierness).toBeCloseTo(expected, 6);
    }
    const order = rows.map(({ outlierness }) => outlierness);
    expect(order).toEqual(order.toSorted((a, b) => b - a));
    expect(
      rows
        .slice(0, 4)
        .map(({ dataset_index }) => dataset_index)
        .sort((a, b) => a - b),
    ).toEqual([12, 13, 14, 15]);
    // The first kind are copies with equal pixels.
    expect(rows.at(-1)!.outlierness).toBeCloseTo(0, 6);
  });

  it('refuses more neighbours than there are', async () => {
    await expect(rankOutliers(await openIndex(index), { neighbours: 17 })).rejects.toMatchObject({
      message: expect.stringMatching(
        /17 neighbours need more than 17 pictures, and the index of pictures has 17/,
      ),
      exitCode: 2,
    });
  });

  it('closes the index where it stops', async () => {
    for (const stopped of [{ neighbours: 17 }, { signal: AbortSignal.abort(), threads: 1 }]) {
      const opened = await openIndex(index);
      let closed = 0;
      const vectors = {
        ...opened.vectors,
        close: async () => {
          closed++;
          await opened.vectors.close();
        },
      };
      await expect(rankOutliers({ ...opened, vectors }, stopped)).rejects.toThrow();
      expect(closed).toBe(1);
    }
  });
});

describe('candidates.outliers', () => {
  it('takes the captions of the most outlying pictures first, each caption once', async () => {
    const dataset = await openDataset(join(folder, 'pictures'));
    const { rows } = await rankOutliers(await openIndex(index), { threads: 1 });
    const expected = [...new Set(rows.map(({ caption }) => caption))];
    const data = dataOfDataset(dataset, undefined, await readOutliers(index, dataset, { threads: 1 }));
    const config = (candidates: object) =>
      auditConfigSchema.parse({ model: 'm', dataset: 'd', candidates: { outliers: index, ...candidates } });
    const all = await listCandidates(data, config({}));
    expect(all.map(({ caption }) => caption)).toEqual(expected);
    expect(all.find(({ caption }) => caption.startsWith('a pair'))!.copies).toBe(2);
    expect(all.some(({ caption }) => caption === 'plain' || caption === 'broken')).toBe(false);
    const first = await listCandidates(data, config({ limit: 2 }));
    expect(first.map(({ caption }) => caption)).toEqual(expected.slice(0, 2));
    // The most outlying picture of a caption is its own one.
    expect(first[0]!.dataset_index).toBe(rows[0]!.dataset_index);
  });

  it('stands neither beside `from` nor without an index, and wants the index of this dataset', async () => {
    const parse = (candidates: object) =>
      auditConfigSchema
        .safeParse({ model: 'm', dataset: 'd', candidates })
        .error?.issues.map(({ message }) => message);
    expect(parse({ outliers: 'a', from: 'b' })).toEqual(['stands beside from; leave one of the two out']);
    expect(parse({ neighbours: 2 })).toEqual(['goes with outliers']);
    expect(parse({ outliers: 'a', neighbours: 2 })).toBeUndefined();
    const captionsAlone = join(folder, 'other.csv');
    await writeFile(captionsAlone, 'caption\na bus\n');
    await expect(readOutliers(index, await openDataset(captionsAlone))).rejects.toMatchObject({
      message: expect.stringMatching(
        /candidates\.outliers: .* was made of pictures with 18 rows, and the training set is other\.csv/,
      ),
      exitCode: 2,
    });
  });
});
