import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../datasets/index.ts';
import { pixelDescriptor } from '../../descriptors/index.ts';
import { encodeJpeg, type Picture, resize } from '../../images/index.ts';
import { fromParquet, readTable, sql, tableFiles } from '../../tables/index.ts';
import { temporaryFolder } from '../../testing/folder.ts';
import { dedupFamilyColumns, duplicatedColumns, memberColumns } from './columns.ts';
import { dedupConfigSchema } from './config.ts';
import { readDuplicated } from './duplicated.ts';
import { type DedupSummary, findDuplicates } from './run.ts';
import { drawing, type FakeRow, fakeDataset, laid } from './testing/fake-dataset.ts';

const root = temporaryFolder('dedup');
let counter = 0;
const newFolder = () => join(root, `run${counter++}`);

async function dedup(
  dataset: Dataset,
  output: string,
  config: Record<string, unknown> = {},
  rest: { signal?: AbortSignal; onProgress?: () => void } = {},
): Promise<DedupSummary> {
  return findDuplicates({
    dataset,
    config: dedupConfigSchema.parse(config),
    descriptor: undefined,
    output,
    verbatim: '0',
    versions: {},
    ...rest,
  });
}

const groupsIn = (folder: string) => readTable(join(folder, 'groups.parquet'), memberColumns);

/** Groups as lists of keys, whatever their numbers. */
async function keysOfGroups(folder: string): Promise<string[][]> {
  const groups = new Map<number, string[]>();
  for (const { group, key } of await groupsIn(folder)) groups.set(group, [...(groups.get(group) ?? []), key]);
  return [...groups.values()].map((keys) => keys.sort()).sort();
}

async function snapshot(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && entry.name !== 'log.jsonl')
      files[path.slice(folder.length)] = (await readFile(path)).toString('base64');
  }
  return files;
}

const row = (seed: number, caption = `drawing ${seed}`): FakeRow => ({ caption, picture: drawing(seed) });
const copies = (seed: number, captions: readonly string[]): FakeRow[] =>
  captions.map((caption) => row(seed, caption));

/** Three groups: 4 with one caption, 3 with three captions, 2 re-encoded; a failed row; singles. */
async function mixed() {
  const jpeg = async (seed: number, quality: number): Promise<FakeRow> => ({
    caption: 'the same, compressed',
    encoded: await encodeJpeg(resize(drawing(seed), 96, 96, 'bicubic'), quality),
  });
  return fakeDataset({
    a: [row(1), ...copies(2, ['two', 'two']), row(3), { caption: 'gone', error: 'HTTP 404' }],
    b: [...copies(2, ['Two ', 'two']), ...copies(4, ['x', 'y', 'z']), row(5, 'the same, compressed')],
    c: [await jpeg(5, 80), row(6), row(7)],
  });
}

describe('findDuplicates', () => {
  it('refuses pictures that are larger than the dataset allows', async () => {
    const small: FakeRow = { caption: 'small', picture: drawing(3, 24) };
    const dataset = await fakeDataset({ a: [row(1), small, small] }, { maxPixels: 48 * 48 - 1 });
    const summary = await dedup(dataset, newFolder());
    expect(summary).toMatchObject({ items: 2, failed: 1, groups: 1 });
  });

  it('finds groups with their rates, captions and what to keep', async () => {
    const folder = newFolder();
    const dataset = await mixed();
    const summary = await dedup(dataset, folder);
    expect(await keysOfGroups(folder)).toEqual([
      ['a/1', 'a/2', 'b/0', 'b/1'],
      ['b/2', 'b/3', 'b/4'],
      ['b/5', 'c/0'],
    ]);
    expect(summary).toMatchObject({
      items: 13,
      failed: 1,
      groups: 3,
      grouped: 9,
      kept: 7,
      removed: 6,
      histogram: [
        [2, 1, 2],
        [3, 1, 3],
        [4, 1, 4],
      ],
      modalities: {
        'image-and-text': { groups: 2, items: 6 },
        mixed: { groups: 0, items: 0 },
        'image-only': { groups: 1, items: 3 },
      },
      byLevel: { file: { items: 7 }, perceptual: { items: 9 } },
      chained: 0,
    });
    const rows = await groupsIn(folder);
    expect(rows.map(({ group, rate }) => [group, rate])).toEqual([
      ...Array(4).fill([0, 4]),
      ...Array(3).fill([1, 3]),
      ...Array(2).fill([2, 2]),
    ]);
    // The larger picture stays.
    expect(rows.filter(({ keep }) => keep).map(({ key }) => key)).toEqual(['a/1', 'b/2', 'c/0']);
    expect(rows.find(({ key }) => key === 'c/0')).toMatchObject({ level: 'perceptual', width: 96 });
    expect((await readFile(join(folder, 'keep.txt'), 'utf8')).split('\n')).toEqual([
      'a/0',
      'a/1',
      'a/3',
      'b/2',
      'c/0',
      'c/1',
      'c/2',
      '',
    ]);
  });

  it('says nothing of the captions of groups that have none', async () => {
    const folder = newFolder();
    const dataset = await fakeDataset({ a: [...copies(1, ['', ' ', '']), ...copies(2, ['', 'two'])] });
    const summary = await dedup(dataset, folder);
    expect((await groupsIn(folder)).map(({ captions, modality }) => [captions, modality])).toEqual([
      ...Array(3).fill([0, null]),
      ...Array(2).fill([2, 'image-only']),
    ]);
    expect(summary).toMatchObject({ meanCaptionShare: 0.5, modalities: { 'image-and-text': { groups: 0 } } });
  });

  it('lists the most duplicated captions, the first that has one by name', async () => {
    const folder = newFolder();
    const dataset = await mixed();
    await dedup(dataset, folder);
    const listed = await readDuplicated(folder, dataset);
    expect(
      listed.map(({ key, caption, copies, caption_copies }) => [key, caption, copies, caption_copies]),
    ).toEqual([
      ['a/1', 'two', 4, 4],
      ['b/2', 'x', 3, 1],
      ['b/5', 'the same, compressed', 2, 2],
      ['b/3', 'y', 3, 1],
      ['b/4', 'z', 3, 1],
    ]);
    await dedup(dataset, folder, { top: 2 });
    expect(await readTable(join(folder, 'candidates.parquet'), duplicatedColumns)).toEqual(
      listed.slice(0, 2),
    );
    await expect(readDuplicated(folder, await fakeDataset({ a: [row(1)] }))).rejects.toThrow(
      /was made of fake/,
    );
  });

  it('deals out places to groups by their copies: one picture under many captions leaves room for others', async () => {
    const folder = newFolder();
    const many = Array.from({ length: 12 }, (_, i) => `of many ${i}`);
    const dataset = await fakeDataset({
      a: [...copies(1, many), ...copies(2, ['b', 'c', 'c', 'c', 'd']), ...copies(3, ['e', 'e', 'e'])],
    });
    await dedup(dataset, folder, { top: 9 });
    const listed = await readTable(join(folder, 'candidates.parquet'), duplicatedColumns);
    expect(listed.map(({ rank }) => rank)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // 12, 6, 5, 4, 3, 3, 12/5, 5/2, 2
    expect(listed.map(({ caption }) => caption)).toEqual([
      'of many 0',
      'of many 1',
      'c',
      'of many 2',
      'of many 3',
      'e',
      'b',
      'of many 4',
      'of many 5',
    ]);
    expect(listed.map(({ copies }) => copies)).toEqual([12, 12, 5, 12, 12, 3, 5, 12, 12]);
  });

  it('ends with the same bytes when it was stopped anywhere', async () => {
    const dataset = await mixed();
    const whole = newFolder();
    await dedup(dataset, whole, { shardSize: 2, levels: ['file', 'perceptual', 'tiles'], families: true });
    const expected = await snapshot(whole);
    let calls = 0;
    for (let stopAt = 1; ; stopAt += 7) {
      const folder = newFolder();
      const controller = new AbortController();
      calls = 0;
      const config = { shardSize: 2, levels: ['file', 'perceptual', 'tiles'], families: true };
      const stopped = await dedup(dataset, folder, config, {
        signal: controller.signal,
        onProgress: () => {
          if (++calls === stopAt) controller.abort(new Error('stopped'));
        },
      }).then(
        () => false,
        () => true,
      );
      await dedup(dataset, folder, config);
      expect(await snapshot(folder)).toEqual(expected);
      await rm(folder, { recursive: true });
      if (!stopped) break;
    }
    expect(calls).toBeGreaterThan(15);
  });

  it('adds shards without describing the old ones again, wherever they stand', async () => {
    const parts = {
      b: [...copies(2, ['Two ', 'two']), ...copies(4, ['x', 'y', 'z']), row(5, 'the same')],
      d: [row(7), row(4, 'w'), row(8)],
    };
    const added = { a: [row(1), ...copies(2, ['two', 'two']), row(3)], e: [row(8, 'eight'), row(2, 'two')] };
    const folder = newFolder();
    await dedup(await fakeDataset(parts), folder);
    const before = await snapshot(folder);
    const grown = await fakeDataset({ a: added.a, ...parts, e: added.e });
    let asked: number[] = [];
    const watched: Dataset = {
      ...grown,
      encoded(index) {
        asked.push(index);
        return grown.encoded!(index);
      },
    };
    await dedup(watched, folder);
    // Rows of b and d, which stand between the new ones, are not read.
    expect(asked.sort((x, y) => x - y)).toEqual([0, 1, 2, 3, 13, 14]);
    const after = await snapshot(folder);
    for (const [file, bytes] of Object.entries(before))
      if (file.startsWith('/tables/')) expect(after[file]).toBe(bytes);
    const fresh = newFolder();
    await dedup(grown, fresh);
    expect(await keysOfGroups(folder)).toEqual(await keysOfGroups(fresh));
    expect(await readFile(join(folder, 'keep.txt'), 'utf8')).toBe(
      await readFile(join(fresh, 'keep.txt'), 'utf8'),
    );
    const listed = (path: string) =>
      readDuplicated(path, grown).then((rows) => rows.map(({ group: _, ...rest }) => rest));
    expect(await listed(folder)).toEqual(await listed(fresh));
    // Nothing new: nothing is read.
    asked = [];
    await dedup(watched, folder);
    expect(asked).toEqual([]);
  });

  it('forgets shards that are gone and looks again at those that changed', async () => {
    const first = { a: copies(1, ['one', 'one']), b: [row(1, 'one'), row(2)], c: [row(2), row(3)] };
    const folder = newFolder();
    await dedup(await fakeDataset(first), folder);
    expect(await keysOfGroups(folder)).toEqual([
      ['a/0', 'a/1', 'b/0'],
      ['b/1', 'c/0'],
    ]);
    // The first of the group goes: what it held together stays together.
    await dedup(await fakeDataset({ b: [...first.b, row(1, 'one')].slice(0, 3), c: first.c }), folder);
    expect(await keysOfGroups(folder)).toEqual([
      ['b/0', 'b/2'],
      ['b/1', 'c/0'],
    ]);
    await dedup(await fakeDataset({ c: first.c }), folder);
    expect(await keysOfGroups(folder)).toEqual([]);
  });

  it('takes shards in again that went and came back', async () => {
    const [a, b] = [copies(1, ['one', 'one']), [row(1, 'one'), row(2)]];
    const folder = newFolder();
    await dedup(await fakeDataset({ a, b }), folder);
    // One goes, the other changes.
    await dedup(await fakeDataset({ b: [...b, row(3)] }), folder);
    const summary = await dedup(await fakeDataset({ a, b }), folder);
    expect(summary).toMatchObject({ items: 4, grouped: 3, kept: 2 });
    expect(await keysOfGroups(folder)).toEqual([['a/0', 'a/1', 'b/0']]);
    expect((await readFile(join(folder, 'keep.txt'), 'utf8')).split('\n')).toEqual(['a/0', 'b/1', '']);
  });

  it('has no results of an earlier state once run.json names another', async () => {
    const parts = { b: copies(1, ['one', 'one']) };
    const folder = newFolder();
    await dedup(await fakeDataset(parts), folder);
    const grown = await fakeDataset({ a: [row(2), row(3), row(4)], ...parts });
    const controller = new AbortController();
    const stopped = dedup(
      grown,
      folder,
      {},
      {
        signal: controller.signal,
        onProgress: () => controller.abort(new Error('stopped')),
      },
    );
    await expect(stopped).rejects.toThrow('stopped');
    // Its positions are those of the smaller dataset.
    await expect(readDuplicated(folder, grown)).rejects.toThrow(/is not finished/);
  });

  it('goes back to earlier options when it was killed while it removed what was made with them', async () => {
    const dataset = await mixed();
    const folder = newFolder();
    await dedup(dataset, folder);
    const expected = await snapshot(folder);
    // A folder in the place of a file that is to be removed stops it there, as a kill would.
    const families = join(folder, 'families.parquet');
    await mkdir(families);
    await expect(dedup(dataset, folder, { radius: 8 })).rejects.toThrow();
    await rm(families, { recursive: true });
    expect(await tableFiles(join(folder, 'tables/edges-perceptual'))).toEqual([]);
    await dedup(dataset, folder);
    expect(await snapshot(folder)).toEqual(expected);
  });

  it('makes edges anew for other thresholds, of the same items', async () => {
    const folder = newFolder();
    const dataset = await mixed();
    await dedup(dataset, folder, { radius: 0, levels: ['perceptual'] });
    const items = join(folder, 'tables/items/0000/00000.parquet');
    const { mtimeMs } = await stat(items);
    const loose = await dedup(dataset, folder, { radius: 30, levels: ['perceptual'] });
    expect((await stat(items)).mtimeMs).toBe(mtimeMs);
    expect(loose.grouped).toBeGreaterThan(9);
    expect(loose.chained).toBeGreaterThan(0);
    const strict = newFolder();
    await dedup(dataset, strict, { radius: 30, levels: ['perceptual'], linkage: 'complete' });
    const [worst] = await sql<{ bits: number }>(
      `SELECT max(most_bits) AS bits FROM ${fromParquet([join(strict, 'groups.parquet')])}`,
    );
    expect(worst!.bits).toBeLessThanOrEqual(30);
  });

  it('makes other cells when others are asked for', async () => {
    const dataset = await fakeDataset({ a: Array.from({ length: 12 }, (_, i) => row(i)) });
    const cells = async (folder: string, wanted: number) => {
      const { completeness } = await findDuplicates({
        dataset,
        config: dedupConfigSchema.parse({ levels: ['descriptor'], cells: wanted }),
        descriptor: pixelDescriptor(8),
        output: folder,
        verbatim: '0',
        versions: {},
      });
      return (completeness as { cells: number }).cells;
    };
    const folder = newFolder();
    expect(await cells(folder, 2)).toBe(2);
    expect(await cells(folder, 5)).toBe(5);
  });

  it('refuses a folder of other items, or of another command', async () => {
    const folder = newFolder();
    const dataset = await mixed();
    await dedup(dataset, folder);
    await expect(dedup(dataset, folder, { levels: ['file'] })).rejects.toThrow(
      /holds other items: levels is/,
    );
    await expect(dedup(dataset, folder, { shardSize: 7 })).rejects.toThrow(
      /shardSize is 4096 there and 7 here/,
    );
  });

  it('goes on where rows cannot be read, and fails when none can', async () => {
    const bad: FakeRow = { caption: 'bad', encoded: Uint8Array.from([1, 2, 3]) };
    const folder = newFolder();
    const summary = await dedup(await fakeDataset({ a: [bad, row(1), row(1)] }), folder);
    expect(summary).toMatchObject({ items: 2, failed: 1, groups: 1 });
    await expect(dedup(await fakeDataset({ a: [bad, bad] }), newFolder())).rejects.toThrow(
      /none of the 2 rows/,
    );
  });

  it('gives pictures of one colour no hash: only their bytes can be the same', async () => {
    const plain = (level: number): FakeRow => ({
      caption: 'plain',
      picture: { width: 8, height: 8, data: new Uint8Array(192).fill(level) },
    });
    const folder = newFolder();
    await dedup(await fakeDataset({ a: [plain(3), plain(3), plain(200)] }), folder);
    expect(await keysOfGroups(folder)).toEqual([['a/0', 'a/1']]);
  });
});

describe('parts and families', () => {
  it('joins a framed copy, and lists what a collage holds', async () => {
    const jpeg = async (caption: string, picture: Picture): Promise<FakeRow> => ({
      caption,
      encoded: await encodeJpeg(picture, 85),
    });
    const [one, two, three, four] = [11, 12, 13, 14].map((seed) => drawing(seed, 80)) as [
      Picture,
      Picture,
      Picture,
      Picture,
    ];
    const dataset = await fakeDataset({
      a: await Promise.all([one, two, three, four].map((picture, i) => jpeg(`alone ${i}`, picture))),
      b: [
        await jpeg('framed', laid(100, 96, 250, [[one, 7, 9]])),
        await jpeg(
          'collage',
          laid(172, 84, 10, [
            [two, 2, 2],
            [three, 90, 2],
          ]),
        ),
        await jpeg(
          'another collage',
          laid(160, 160, 0, [
            [two, 0, 0],
            [four, 80, 0],
            [drawing(15, 80), 0, 80],
            [drawing(16, 80), 80, 80],
          ]),
        ),
        ...Array.from({ length: 30 }, (_, i) => row(100 + i)),
      ],
    });
    const folder = newFolder();
    const summary = await dedup(dataset, folder, { levels: ['file', 'perceptual', 'tiles'] });
    expect(await keysOfGroups(folder)).toEqual([['a/0', 'b/0']]);
    // The frame does not make the framed copy the larger picture, and two items are no chain.
    expect((await groupsIn(folder)).filter(({ keep }) => keep).map(({ key }) => key)).toEqual(['a/0']);
    expect(summary.chained).toBe(0);
    const parts = await sql<{ a: number; b: number; x: number; y: number; area: number; score: number }>(
      `SELECT * FROM ${fromParquet(await tableFiles(join(folder, 'tables/edges-tiles')))} ORDER BY b, a`,
    );
    expect(parts.map(({ a, b }) => [a, b])).toEqual([
      [0, 4],
      [1, 5],
      [2, 5],
      [1, 6],
      [3, 6],
    ]);
    expect(summary.parts).toBe(5);
    const [framed] = parts;
    expect(Math.abs(framed!.x - 7) + Math.abs(framed!.y - 9)).toBeLessThanOrEqual(4);
    expect(framed!.area).toBeCloseTo((80 * 80) / 9600, 1);
    // What comes later finds its place in what was there: a picture that an old collage holds.
    const grown = await fakeDataset({
      a: [],
      b: [
        await jpeg(
          'collage',
          laid(172, 84, 10, [
            [two, 2, 2],
            [three, 90, 2],
          ]),
        ),
      ],
    });
    const later = newFolder();
    await dedup(grown, later, { levels: ['tiles'] });
    const both = await fakeDataset({
      a: [],
      b: [
        await jpeg(
          'collage',
          laid(172, 84, 10, [
            [two, 2, 2],
            [three, 90, 2],
          ]),
        ),
      ],
      c: [await jpeg('alone', three)],
    });
    expect(await dedup(both, later, { levels: ['tiles'] })).toMatchObject({ parts: 1 });
  });

  it('finds families that share a template, as families and not as groups', async () => {
    const variants = Array.from({ length: 8 }, (_, i): FakeRow => {
      const base = drawing(50, 64);
      const label = drawing(500 + i, 28);
      return {
        caption: `poster ${i}`,
        picture: laid(64, 64, 0, [
          [base, 0, 0],
          [label, 30, 8],
        ]),
      };
    });
    const others = Array.from({ length: 40 }, (_, i): FakeRow => ({ caption: 'x', picture: drawing(i, 64) }));
    const folder = newFolder();
    const dataset = await fakeDataset({ a: [...others.slice(0, 20), ...variants, ...others.slice(20)] });
    const summary = await dedup(dataset, folder, { families: true });
    expect(summary).toMatchObject({ families: 1, groups: 0 });
    const rows = await readTable(join(folder, 'families.parquet'), dedupFamilyColumns);
    expect(rows.map(({ dataset_index }) => dataset_index)).toEqual([20, 21, 22, 23, 24, 25, 26, 27]);
    expect(rows[0]).toMatchObject({ rate: 8, caption: 'poster 0', key: 'a/20' });
    // The region that varies: 28 × 28 of 64 × 64.
    expect(rows[0]!.varying).toBeGreaterThan(0.15);
    expect(rows[0]!.varying).toBeLessThan(0.24);
    expect(
      (await stat(join(folder, 'images', rows[0]!.mask.slice(0, 2), `${rows[0]!.mask}.png`))).size,
    ).toBeGreaterThan(0);
  });
});

describe('captions alone', () => {
  const captions = [
    'Shaw Floors Carpet Red 1',
    'shaw floors  carpet red 1',
    'Shaw Floors Carpet Blue 2',
    'a cat',
    '',
    '',
  ];
  const bare = () => fakeDataset({ a: captions.map((caption) => ({ caption })) }, { hasPictures: false });

  it('are grouped when they are the same, or share words', async () => {
    const folder = newFolder();
    const summary = await dedup(await bare(), folder);
    expect(summary.levels).toEqual(['caption']);
    expect(await keysOfGroups(folder)).toEqual([['a/0', 'a/1']]);
    const loose = newFolder();
    await dedup(await bare(), loose, { levels: ['caption'], captionThreshold: 0.4 });
    expect(await keysOfGroups(loose)).toEqual([['a/0', 'a/1', 'a/2']]);
  });

  it('take no level that needs pictures, and mix with none', async () => {
    await expect(dedup(await bare(), newFolder(), { levels: ['perceptual'] })).rejects.toThrow(
      /holds captions only/,
    );
    await expect(dedup(await mixed(), newFolder(), { levels: ['file', 'caption'] })).rejects.toThrow(
      /by itself/,
    );
  });
});
