import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePng, type Picture } from '../../images/index.ts';
import { sql, textLiteral } from '../../tables/index.ts';
import { temporaryFolder } from '../../testing/folder.ts';
import { type Dataset, type DatasetRow, datasetFormats, openDataset, sceneSource } from '../index.ts';

/** Each format gets the same pictures and captions where it can hold them, and one change of its content. */
interface Case {
  readonly name: string;
  readonly spec: (folder: string) => Record<string, unknown>;
  readonly write?: (
    folder: string,
    pictures: readonly Picture[],
    captions: readonly string[],
  ) => Promise<void>;
}

const captions = [
  'a red sofa',
  '007',
  'with "quotes", commas',
  '<script>alert(1)</script>',
  '../../etc',
  'سجادة 🧶',
];

async function writePngs(folder: string, pictures: readonly Picture[]): Promise<string[]> {
  const files = pictures.map((_, index) => `sub/picture ${index}.png`);
  await mkdir(join(folder, 'sub'), { recursive: true });
  for (const [index, picture] of pictures.entries()) {
    await writeFile(join(folder, files[index]!), await encodePng(picture));
  }
  return files;
}

async function writeParquet(
  folder: string,
  pictures: readonly Picture[],
  texts: readonly string[],
): Promise<void> {
  // Two files, so that rows cross from one to the next.
  for (const [file, from, to] of [
    ['a.parquet', 0, 4],
    ['b.parquet', 4, 6],
  ] as const) {
    const rows: string[] = [];
    for (let index = from; index < to; index++) {
      const bytes = Buffer.from(await encodePng(pictures[index]!)).toString('base64');
      rows.push(
        `SELECT {bytes: from_base64('${bytes}'), path: 'p${index}.png'} AS image, ${textLiteral(texts[index]!)} AS text`,
      );
    }
    await sql(`COPY (${rows.join(' UNION ALL ')}) TO ${textLiteral(join(folder, file))} (FORMAT parquet)`);
  }
}

const cases: readonly Case[] = [
  { name: 'scenes', spec: () => ({ format: 'scenes', seed: 3, count: 6 }) },
  {
    name: 'planted',
    spec: () => ({
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
  { name: 'parquet', spec: (folder) => ({ format: 'parquet', path: folder }), write: writeParquet },
  {
    name: 'image-folder',
    spec: (folder) => ({ format: 'image-folder', path: folder }),
    write: async (folder, pictures, texts) => {
      const files = await writePngs(folder, pictures);
      const lines = files.map((file, index) => JSON.stringify({ file_name: file, text: texts[index] }));
      await writeFile(join(folder, 'metadata.jsonl'), `${lines.join('\n')}\n`);
    },
  },
];

async function list(dataset: Dataset, from?: number, to?: number): Promise<DatasetRow[]> {
  const rows: DatasetRow[] = [];
  for await (const row of dataset.rows(from, to)) rows.push(row);
  return rows;
}

const root = temporaryFolder('datasets');
let pictures: Picture[];
beforeAll(async () => {
  pictures = await Promise.all(captions.map((_, index) => sceneSource(9).picture(index)));
});

it('covers every format', () => {
  expect(cases.map((one) => one.name).sort()).toEqual(datasetFormats.map((format) => format.name).sort());
});

describe.each(cases)('$name conforms', ({ name, spec, write }) => {
  let dataset: Dataset;
  let folder: string;
  beforeAll(async () => {
    // Brackets in a folder's name are not a pattern.
    folder = join(root, `${name} [1]`);
    await mkdir(folder);
    await write?.(folder, pictures, captions);
    dataset = await openDataset(spec(folder));
  });
  afterAll(() => dataset.close());

  it('lists its rows in order, with unique keys', async () => {
    const rows = await list(dataset);
    expect(rows).toHaveLength(dataset.size);
    expect(dataset.size).toBeGreaterThanOrEqual(6);
    expect(rows.map((row) => row.index)).toEqual(rows.map((_, index) => index));
    expect(new Set(rows.map((row) => row.key)).size).toBe(rows.length);
    if (write) expect(rows.map((row) => row.caption)).toEqual(captions);
  });

  it('lists any stretch', async () => {
    const rows = await list(dataset);
    expect(await list(dataset, 2, 5)).toEqual(rows.slice(2, 5));
    expect(await list(dataset, dataset.size - 1)).toEqual(rows.slice(-1));
    expect(await list(dataset, 0, dataset.size + 10)).toEqual(rows);
    expect(await list(dataset, dataset.size + 1, dataset.size + 2)).toEqual([]);
    expect(await list(dataset, 3, 3)).toEqual([]);
  });

  it('gives the same picture in any order, many at a time', async () => {
    const order = [5, 0, 3, 5, 1, 4, 2];
    const found = await Promise.all(order.map((index) => dataset.picture(index)));
    expect(found[0]).toEqual(found[3]);
    for (const [position, index] of order.entries()) {
      const picture = found[position]!;
      expect(picture.data).toHaveLength(picture.width * picture.height * 3);
      expect(picture).toEqual(await dataset.picture(index));
      if (write) expect(Buffer.compare(picture.data, pictures[index]!.data)).toBe(0);
    }
  });

  it.each([-1, 1.5, 1_000_000, Number.NaN])('has no row %s', async (index) => {
    await expect(dataset.picture(index)).rejects.toThrow(/there is no row .*the dataset has \d+ rows/);
  });

  it('has a digest of its content', async () => {
    expect(dataset.digest).toMatch(/^[0-9a-f]{64}$/);
    const again = await openDataset(spec(folder));
    expect(again.digest).toBe(dataset.digest);
    await again.close();
    if (!write) return;
    const other = join(root, `${name} other`);
    await mkdir(other);
    await write(other, [...pictures].reverse(), captions);
    expect((await openDataset(spec(other))).digest).not.toBe(dataset.digest);
    await write(other, pictures, [...captions].reverse());
    expect((await openDataset(spec(other))).digest).not.toBe(dataset.digest);
  });

  it('refuses an option that it does not have', async () => {
    await expect(openDataset({ ...spec(folder), captoinColumn: 'x' })).rejects.toThrow(/captoinColumn/);
  });

  it.runIf(write)('is found by looking', async () => {
    const found = await openDataset(folder);
    expect(found.digest).toBe(dataset.digest);
  });
});
