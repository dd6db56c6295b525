import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDataset, sceneSource } from '../datasets/index.ts';
import { type WrittenItem, writeFormat, writtenFormats } from '../datasets/testing/write-formats.ts';
import { encodeJpeg } from '../images/index.ts';
import { memberColumns, readDuplicated } from '../stages/index.ts';
import { fromParquet, readTable, sql, tableFiles } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { run } from './testing/in-process.ts';

/** 500 pictures, of which some stand several times, with one caption or with several: the same in every format. */

const root = temporaryFolder('dedup-formats');
/** How often the first pictures stand there. */
const rates = [20, 12, 12, 7, 5, 3, 3, 2, 2, 2];
const total = 500;
let items: WrittenItem[];
/** Which picture each item is. */
const pictureOf: number[] = [];

beforeAll(async () => {
  const source = sceneSource(17);
  const distinct = total - rates.reduce((sum, rate) => sum + rate - 1, 0);
  const copies = Array.from({ length: distinct }, (_, i) => rates[i] ?? 1);
  // Spread over the whole, so that no group lies in one shard: every 37th place, 37 and 500 having no common factor.
  copies.forEach((rate, picture) => {
    for (let copy = 0; copy < rate; copy++) pictureOf.push(picture);
  });
  const shuffled = pictureOf.map((_, i) => pictureOf[(i * 37) % total]!);
  pictureOf.splice(0, total, ...shuffled);
  const files = await Promise.all(copies.map(async (_, i) => encodeJpeg(await source.picture(i), 90)));
  items = pictureOf.map((picture, i) => ({
    bytes: files[picture]!,
    caption: `${source.describe(picture).caption} no. ${picture}`,
    key: `item-${String(i).padStart(4, '0')}`,
  }));
});

/** What must be found: the positions of each group, largest first. */
function planted(): number[][] {
  return rates
    .map((_, picture) => pictureOf.flatMap((of, i) => (of === picture ? [i] : [])))
    .sort((x, y) => y.length - x.length || x[0]! - y[0]!);
}

describe.each(Object.keys(writtenFormats))('dedup of %s', (format) => {
  it('finds the same groups and the same candidates', async () => {
    const name = format.replace(/\W+/g, '-');
    const spec = await writeFormat(format, join(root, name), items, { perShard: 100 });
    const output = join(root, `${name}-found`);
    const images = spec['images'] === undefined ? [] : ['--set', `images=${spec['images']}`];
    const outcome = await run('dedup', String(spec['path']), '-o', output, '-q', '--top', '8', ...images);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toContain('groups   10, holding 68 of 500 items (13.6%)');
    const groups = new Map<number, number[]>();
    for (const { group, dataset_index } of await readTable(join(output, 'groups.parquet'), memberColumns))
      groups.set(group, [...(groups.get(group) ?? []), dataset_index]);
    expect([...groups.values()]).toEqual(planted());
    const dataset = await openDataset(spec);
    const candidates = await readDuplicated(output, dataset);
    await dataset.close();
    expect(
      candidates.map(({ caption, copies, caption_copies }) => [caption, copies, caption_copies]),
    ).toEqual(
      planted()
        .slice(0, 8)
        .map((members) => [items[members[0]!]!.caption, members.length, members.length]),
    );
    expect((await readFile(join(output, 'keep.txt'), 'utf8')).trim().split('\n')).toHaveLength(442);
  });
});

/** Where the rows of a NumPy file of `rows` rows lie. */
function npyPlaces(bytes: Buffer, rows: number) {
  const start = 10 + bytes.readUInt16LE(8);
  const valueBytes = bytes.subarray(0, start).includes('<f2') ? 2 : 4;
  return { start, valueBytes, rowBytes: (bytes.length - start) / rows };
}

describe('dedup', () => {
  it('takes the vectors that a dataset brings, without its pictures', async () => {
    const spec = await writeFormat('embeddings', join(root, 'vectors'), items, { perShard: 100 });
    const output = join(root, 'vectors-found');
    const outcome = await run(
      'dedup',
      String(spec['path']),
      '-o',
      output,
      '-q',
      '--json',
      '--threshold',
      '.99',
    );
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      levels: ['descriptor'],
      groups: 10,
      grouped: 68,
      completeness: { method: 'exhaustive', vectors: 500, certified: 1, recall: null },
    });
    const [largest] = await readTable(join(output, 'groups.parquet'), memberColumns);
    expect(largest!.rate).toBe(20);
    expect(largest!.least_cosine).toBeGreaterThan(0.999);
  });

  it('names the vectors that describe nothing, and keeps none of their rows', async () => {
    const spec = await writeFormat('embeddings', join(root, 'broken'), items.slice(0, 100), {
      perShard: 100,
    });
    const path = join(String(spec['path']), 'img_emb/img_emb_0.npy');
    const bytes = await readFile(path);
    const { start, rowBytes, valueBytes } = npyPlaces(bytes, 100);
    bytes.fill(0, start + 5 * rowBytes, start + 6 * rowBytes);
    // All bits set: not a number, in either width.
    bytes.fill(0xff, start + 6 * rowBytes, start + 6 * rowBytes + valueBytes);
    await writeFile(path, bytes);
    const output = join(root, 'broken-found');
    const outcome = await run('dedup', String(spec['path']), '-o', output, '-q', '--json');
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      items: 98,
      failed: 2,
      completeness: { vectors: 98, certified: 1 },
    });
    const rows = await sql<{ error: string }>(
      `SELECT error FROM ${fromParquet(await tableFiles(join(output, 'tables/items')))} WHERE error IS NOT NULL`,
    );
    expect(rows).toHaveLength(2);
    for (const { error } of rows) expect(error).toContain('is all 0, or holds what is not a finite number');
  });

  it.each([
    [['nowhere'], 'no such file or folder'],
    [['set', '--level', 'file,perceptul'], /--level: there is no level "perceptul"; .*perceptual/],
    [
      ['set', '--threshold', '.9'],
      /--threshold goes with level descriptor, and file, perceptual are compared/,
    ],
    [['captions.csv', '--families'], /--families looks at pictures/],
    [['set', '-o', 'set/out'], 'lies inside'],
    [['set', '--level', 'descriptor', '--threshold', '2'], /--threshold/],
    [['set', '--radius', '-1'], /--radius/],
    [['set', '--keep', 'smallest'], /--keep/],
    [['set', '--format', 'parkett'], 'did you mean parquet'],
    [['set', '--set', 'captoinColumn=x'], 'captoinColumn'],
    [['set', '--level', 'file,caption'], 'by itself'],
    [['captions.csv', '--level', 'perceptual'], 'holds captions only'],
  ])('refuses %j in one line', async (args, says) => {
    await mkdir(join(root, 'set'), { recursive: true });
    await writeFile(join(root, 'set', 'a.jpg'), items[0]!.bytes);
    await writeFile(join(root, 'captions.csv'), 'caption\na\nb\n');
    const paths = args.map((arg, i) => (i === 0 || arg.startsWith('set/') ? join(root, arg) : arg));
    const output = args.includes('-o') ? [] : ['-o', join(root, 'refused')];
    const outcome = await run('dedup', ...paths, ...output, '-q');
    expect(outcome.code).toBe(2);
    expect(outcome.stderr.split('\n')[0]).toMatch(says);
    expect(outcome.stdout).toBe('');
    await expect(stat(join(root, 'refused'))).rejects.toThrow();
  });
});
