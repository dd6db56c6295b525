import { appendFile, mkdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePicture, encodePng, type Picture } from '../../images/index.ts';
import { temporaryFolder } from '../../testing/folder.ts';
import { type Dataset, type DatasetRow, datasetFormats, openDataset, sceneSource } from '../index.ts';
import { type WrittenItem, writeFormat, writtenFormats } from '../testing/write-formats.ts';

const captions = [
  'a red sofa',
  '007',
  'with "quotes", commas; and more',
  '<script>alert(1)</script>',
  '../../etc',
  'سجادة 🧶',
];

/** Each format gets the same pictures and captions where it can hold them; four rows are a shard. */
interface Case {
  readonly name: string;
  readonly write: (folder: string, items: readonly WrittenItem[]) => Promise<Record<string, unknown>>;
  readonly isDrawn: boolean;
}

const cases: readonly Case[] = [
  { name: 'scenes', isDrawn: true, write: async () => ({ format: 'scenes', seed: 3, count: 6 }) },
  {
    name: 'planted',
    isDrawn: true,
    write: async () => ({
      format: 'planted',
      planted: {
        uniques: 3,
        heldOut: 1,
        copyCounts: [5],
        groupsPerCopyCount: 1,
        familiesPerTwin: 1,
        variantsMax: 30,
      },
    }),
  },
  ...Object.keys(writtenFormats).map((name) => ({
    name,
    isDrawn: false,
    write: (folder: string, items: readonly WrittenItem[]) => writeFormat(name, folder, items),
  })),
];

async function list(dataset: Dataset, from?: number, to?: number): Promise<DatasetRow[]> {
  const rows: DatasetRow[] = [];
  for await (const row of dataset.rows(from, to)) rows.push(row);
  return rows;
}

/** What must hold of any dataset, whatever is wrong with its files. */
async function expectWhole(dataset: Dataset): Promise<DatasetRow[]> {
  const rows = await list(dataset);
  expect(rows).toHaveLength(dataset.size);
  expect(rows.map((row) => row.index)).toEqual(rows.map((_, index) => index));
  expect(new Set(rows.map((row) => row.key)).size).toBe(rows.length);
  let at = 0;
  for (const { from, to, digest } of dataset.shards) {
    expect(from).toBe(at);
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    at = to;
  }
  expect(at).toBe(dataset.size);
  expect(new Set(dataset.shards.map((shard) => shard.name)).size).toBe(dataset.shards.length);
  for (const { key, index, error } of rows) {
    expect(await dataset.find(key)).toBe(index);
    if (error !== undefined) await expect(dataset.picture(index)).rejects.toThrow(error);
  }
  return rows;
}

const root = temporaryFolder('datasets');
let pictures: Picture[];
let items: WrittenItem[];
beforeAll(async () => {
  pictures = await Promise.all(captions.map((_, index) => sceneSource(9).picture(index)));
  items = await Promise.all(
    captions.map(async (caption, index) => ({
      bytes: await encodePng(pictures[index]!),
      caption,
      key: `00000000${index}`,
    })),
  );
});

it('covers every format', () => {
  const named = new Set(cases.map(({ name }) => name.split(':')[0]!));
  expect([...named].sort()).toEqual(datasetFormats.map((format) => format.name).sort());
});

describe.each(cases)('$name conforms', ({ name, write, isDrawn }) => {
  const format = name.split(':')[0]!;
  let dataset: Dataset;
  let folder: string;
  let spec: Record<string, unknown>;
  beforeAll(async () => {
    // Brackets in a folder's name are not a pattern; nor is a colon in it a drive.
    folder = join(root, `${name.replace(':', '')} [1]`);
    spec = await write(folder, items);
    dataset = await openDataset(spec);
  });
  afterAll(() => dataset.close());

  it('lists its rows in order, in shards, with keys that are found again', async () => {
    const rows = await expectWhole(dataset);
    expect(dataset.size).toBeGreaterThanOrEqual(6);
    expect(dataset.format).toBe(format);
    expect(dataset.problems).toEqual([]);
    for (const key of ['', 'row-1', '../x', `${dataset.size}`, `${rows[0]!.key}#`, `x/${rows[0]!.key}`])
      expect(await dataset.find(key)).toBeUndefined();
    if (isDrawn) return;
    expect(rows.map((row) => row.caption)).toEqual(captions);
    expect(rows.filter((row) => row.error !== undefined)).toEqual([]);
    if (format !== 'image-folder') expect(dataset.shards.map(({ to }) => to)).toEqual([4, 6]);
  });

  it('lists any stretch', async () => {
    const rows = await list(dataset);
    expect(await list(dataset, 2, 5)).toEqual(rows.slice(2, 5));
    expect(await list(dataset, dataset.size - 1)).toEqual(rows.slice(-1));
    expect(await list(dataset, 0, dataset.size + 10)).toEqual(rows);
    expect(await list(dataset, dataset.size + 1, dataset.size + 2)).toEqual([]);
    expect(await list(dataset, 3, 3)).toEqual([]);
  });

  it('gives the same picture in any order, many at a time, and the bytes that it is stored as', async () => {
    expect(dataset.hasPictures).toBe(format !== 'captions');
    if (!dataset.hasPictures) {
      await expect(dataset.picture(0)).rejects.toThrow('has captions alone, no pictures');
      expect(dataset.encoded).toBeUndefined();
      return;
    }
    const order = [5, 0, 3, 5];
    const found = await Promise.all(order.map((index) => dataset.picture(index)));
    expect(found[0]).toEqual(found[3]);
    for (const [position, index] of order.entries()) {
      const picture = found[position]!;
      expect(picture.data).toHaveLength(picture.width * picture.height * 3);
      if (!isDrawn) expect(Buffer.compare(picture.data, pictures[index]!.data)).toBe(0);
    }
    if (!isDrawn) {
      const stored = await Promise.all(items.map((_, index) => dataset.encoded!(index)));
      for (const [index, bytes] of stored.entries())
        expect(Buffer.compare(bytes, items[index]!.bytes)).toBe(0);
      expect(await decodePicture(stored[5]!, { where: 'x' })).toEqual(found[0]);
    } else expect(await dataset.picture(0)).toEqual(found[1]);
    if (isDrawn) expect(dataset.encoded).toBeUndefined();
  });

  it.each([-1, 1.5, 1_000_000, Number.NaN])('has no row %s', async (index) => {
    const said = /there is no row .*the dataset has \d+ rows/;
    await expect(dataset.picture(index)).rejects.toThrow(said);
    if (dataset.encoded) await expect(dataset.encoded(index)).rejects.toThrow(said);
  });

  it('has a digest of its content, wherever it lies', async () => {
    expect(dataset.digest).toMatch(/^[0-9a-f]{64}$/);
    if (isDrawn) return;
    const digestOf = async (where: string, written: readonly WrittenItem[]) => {
      const place = join(root, `${name.replace(':', '')} ${where}`, 'data');
      const other = await openDataset(await write(place, written));
      await other.close();
      return other.digest;
    };
    expect(await digestOf('elsewhere', items)).toBe(dataset.digest);
    const swapped = items.map((item, index) => ({ ...item, caption: captions[5 - index]! }));
    expect(await digestOf('with other captions', swapped)).not.toBe(dataset.digest);
    const exchanged = items.map((item, index) => ({ ...item, bytes: items[5 - index]!.bytes }));
    const other = await digestOf('with other pictures', exchanged);
    if (dataset.hasPictures && name !== 'parquet: names') expect(other).not.toBe(dataset.digest);
  });

  it('refuses an option that it does not have', async () => {
    await expect(openDataset({ ...spec, captoinColumn: 'x' })).rejects.toThrow(/captoinColumn/);
  });

  it.runIf(!isDrawn)('is found by looking', async () => {
    const found = await openDataset(folder);
    expect(found.format).toBe(format);
    expect(found.digest).toBe(dataset.digest);
    await found.close();
  });

  it.runIf(!isDrawn)('copies exactly the rows that are kept', async () => {
    const output = join(root, `${name.replace(':', '')} copy`);
    const told: number[] = [];
    const kept = [1, 4, 5];
    const { rows } = await dataset.copyTo!(output, (index) => kept.includes(index), {
      onProgress: (done) => told.push(done),
    });
    expect(rows).toBe(3);
    expect(told.at(-1)).toBe(6);
    const copy = await openDataset({ ...spec, path: output });
    expect(copy.problems).toEqual([]);
    expect((await expectWhole(copy)).map((row) => row.caption)).toEqual(kept.map((row) => captions[row]));
    if (copy.hasPictures)
      for (const [row, index] of kept.entries())
        expect(Buffer.compare(await copy.encoded!(row), items[index]!.bytes)).toBe(0);
    await copy.close();
    const found = await openDataset(output);
    expect(found.format).toBe(format);
    await found.close();
    await expect(dataset.copyTo!(output, () => true)).rejects.toThrow('is there already');
    await expect(dataset.copyTo!(join(folder, 'inside'), () => true)).rejects.toThrow('lies inside');
    const stopped = dataset.copyTo!(join(root, `${name} stopped`), () => true, {
      signal: AbortSignal.abort(),
    });
    await expect(stopped).rejects.toThrow(/abort/);
  });
});

const cutShort = (file: string) => async (folder: string) => {
  const { size } = await stat(join(folder, file));
  await truncate(join(folder, file), Math.floor(size / 2));
};
const breakLine = (file: string, line: string) => (folder: string) => appendFile(join(folder, file), line);

/** What happens to the last of two shards. */
const spoiled: Readonly<Record<string, (folder: string) => Promise<void>>> = {
  img2dataset: cutShort('00001.tar'),
  'img2dataset: files': (folder) => rm(join(folder, '00001_stats.json')),
  'img2dataset: parquet': cutShort('00001.parquet'),
  webdataset: cutShort('part-00001.tar'),
  'webdataset: json': cutShort('part-00001.tar'),
  parquet: cutShort('train-00001.parquet'),
  'parquet: names': cutShort('train-00001.parquet'),
  embeddings: cutShort('img_emb/img_emb_1.npy'),
  captions: breakLine('00001.csv', '9;"broken" quotes;x\n'),
  'captions: tsv': breakLine('00001.tsv', 'one\n'),
  'captions: jsonl': breakLine('00001.jsonl', '{"Prompt": \n'),
  'captions: parquet': cutShort('00001.parquet'),
};

describe.each(Object.entries(spoiled))('%s with a spoiled shard', (name, spoil) => {
  it('says so and goes on with the others', async () => {
    const folder = join(root, `${name.replace(':', '')} spoiled`);
    await mkdir(root, { recursive: true });
    const spec = await writeFormat(name, folder, items);
    await spoil(folder);
    const dataset = await openDataset(spec);
    expect(dataset.problems).not.toEqual([]);
    for (const { where, what } of dataset.problems) {
      expect(where).toContain(folder);
      expect(what).toMatch(/\w/);
    }
    const rows = await expectWhole(dataset);
    expect(rows.slice(0, 4).map(({ caption }) => caption)).toEqual(captions.slice(0, 4));
    if (dataset.hasPictures)
      for (const index of [0, 3])
        expect(Buffer.compare(await dataset.encoded!(index), items[index]!.bytes)).toBe(0);
    const output = join(root, `${name.replace(':', '')} spoiled copy`);
    await dataset.copyTo!(output, (index) => index < 2);
    const copy = await openDataset({ ...spec, path: output });
    expect(copy.problems).toEqual([]);
    expect((await expectWhole(copy)).map(({ caption }) => caption)).toEqual(captions.slice(0, 2));
    await Promise.all([dataset.close(), copy.close()]);
  });
});

it('writes 500 pictures in every format', async () => {
  const many = Array.from({ length: 500 }, (_, index) => ({
    bytes: items[index % 6]!.bytes,
    caption: `caption ${index}`,
    key: String(index).padStart(9, '0'),
  }));
  for (const name of Object.keys(writtenFormats)) {
    const spec = await writeFormat(name, join(root, `many ${name.replace(':', '')}`), many, {
      perShard: 200,
    });
    const dataset = await openDataset(spec);
    expect(dataset.size).toBe(500);
    expect((await list(dataset, 499))[0]!.caption).toBe('caption 499');
    await dataset.close();
  }
}, 60_000);
