import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../images/index.ts';
import { sql, textLiteral } from '../../tables/index.ts';
import { temporaryFolder } from '../../testing/folder.ts';
import { type Dataset, type DatasetRow, sceneSource } from '../index.ts';
import { storedFile } from '../storage/files.ts';
import { indexTar } from '../storage/tar.ts';
import { closingDatasets } from '../testing/opened.ts';
import { type TarEntry, tarOf, type WrittenItem, writeFormat } from '../testing/write-formats.ts';

const root = temporaryFolder('tar-faults');
let jpeg: Uint8Array;
let counter = 0;
const openDataset = closingDatasets();

beforeAll(async () => {
  jpeg = await encodeJpeg(await sceneSource(1).picture(0));
});

const items = (count: number): WrittenItem[] =>
  Array.from({ length: count }, (_, index) => ({
    bytes: jpeg,
    caption: `caption ${index}`,
    key: String(index).padStart(9, '0'),
  }));

async function tar(entries: readonly TarEntry[]): Promise<string> {
  const path = join(root, `${counter++}.tar`);
  await writeFile(path, await tarOf(entries));
  return path;
}

async function list(dataset: Dataset): Promise<DatasetRow[]> {
  const rows: DatasetRow[] = [];
  for await (const row of dataset.rows()) rows.push(row);
  return rows;
}
const problemsOf = (dataset: Dataset) => dataset.problems.map(({ where, what }) => `${where}: ${what}`);

describe('a tar', () => {
  it('leaves out links, devices and names that lead out, and names them', async () => {
    const bytes = jpeg;
    const path = await tar([
      { name: 'good.jpg', bytes },
      { name: '../escape.jpg', bytes },
      { name: '/etc/passwd.jpg', bytes },
      { name: 'a/../../b.jpg', bytes },
      { name: 'link.jpg', type: 'SymbolicLink', linkpath: '/etc/passwd' },
      { name: 'hard.jpg', type: 'Link', linkpath: 'good.jpg' },
      { name: 'device.jpg', type: 'CharacterDevice' },
      { name: 'folder/', type: 'Directory' },
      { name: './last.jpg', bytes },
    ]);
    const dataset = await openDataset(path);
    expect((await list(dataset)).map(({ key }) => key)).toEqual([
      `${counter - 1}/good`,
      `${counter - 1}/last`,
    ]);
    expect(problemsOf(dataset)).toEqual([
      expect.stringMatching(/member \.\.\/escape\.jpg: has "\.\." in its name/),
      expect.stringMatching(/member \/etc\/passwd\.jpg: has an absolute name/),
      expect.stringMatching(/member a\/\.\.\/\.\.\/b\.jpg: has "\.\."/),
      expect.stringMatching(/member link\.jpg: is a link/),
      expect.stringMatching(/member hard\.jpg: is a link/),
      expect.stringMatching(/member device\.jpg: is of type CharacterDevice/),
    ]);
  });

  it('takes long names, by pax and by GNU headers', async () => {
    const long = `${'folder/'.repeat(40)}picture`;
    const pax = await openDataset(await tar([{ name: `${long}.jpg`, bytes: jpeg }]));
    expect((await list(pax))[0]!.key.endsWith(long)).toBe(true);
    const name = Buffer.from(`${long}.jpg\0`);
    const gnu = await tarOf([
      { name: '././@LongLink', bytes: name, type: 'GNUDumpDir' },
      { name: 'cut', bytes: jpeg },
    ]);
    // Type L, which the writer has no name for, and the sum of the header with it.
    const sum = Number.parseInt(gnu.toString('latin1', 148, 154), 8) + 'L'.charCodeAt(0) - 'D'.charCodeAt(0);
    gnu[156] = 'L'.charCodeAt(0);
    gnu.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    const path = join(root, 'gnu.tar');
    await writeFile(path, gnu);
    const found = await openDataset(path);
    expect(found.problems).toEqual([]);
    expect((await list(found))[0]!.key).toBe(`gnu/${long}`);
    expect((await found.picture(0)).width).toBe(64);
  });

  it('gives what stands before a cut, wherever it is', async () => {
    const whole = await tarOf(
      items(4).flatMap(({ key, bytes, caption }) => [
        { name: `${key}.jpg`, bytes },
        { name: `${key}.txt`, bytes: Buffer.from(caption) },
      ]),
    );
    const path = join(root, 'cut.tar');
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1025), async (length) => {
        await writeFile(path, whole.subarray(0, length));
        const { members, problems } = await indexTar(await storedFile(path));
        expect(problems.length).toBe(1);
        for (const { offset, sizeBytes } of members) expect(offset + sizeBytes).toBeLessThanOrEqual(length);
      }),
      { numRuns: 60, examples: [[0], [1], [512], [whole.length - 1025]] },
    );
    const dataset = await openDataset(await spoiledCopy(whole, Math.floor(whole.length / 2)));
    expect((await list(dataset)).filter(({ error }) => error === undefined).length).toBeGreaterThan(0);
    expect(problemsOf(dataset)[0]).toMatch(/is cut short in member|has no end mark/);
  });

  it('never loops or runs on with damaged bytes', async () => {
    const whole = await tarOf(items(2).map(({ key, bytes }) => ({ name: `${key}.jpg`, bytes })));
    const path = join(root, 'damaged.tar');
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), async (at, value) => {
        const damaged = Buffer.from(whole);
        damaged[at] = value;
        await writeFile(path, damaged);
        const { members } = await indexTar(await storedFile(path));
        for (const { offset, sizeBytes } of members)
          expect(offset + sizeBytes).toBeLessThanOrEqual(whole.length);
      }),
      { numRuns: 60 },
    );
    await writeFile(path, randomBytes(4096));
    await expect(openDataset(path)).rejects.toThrow(/no tar header/);
    await writeFile(path, '');
    await expect(openDataset(path)).rejects.toThrow('none of its tars holds a sample');
  });

  async function spoiledCopy(bytes: Buffer, length: number): Promise<string> {
    const path = join(root, `${counter++}.tar`);
    await writeFile(path, bytes.subarray(0, length));
    return path;
  }
});

describe('webdataset', () => {
  it('refuses compressed tars in one line, and goes on with others', async () => {
    const path = join(root, 'packed.tar.gz');
    await writeFile(path, gzipSync(await tarOf([{ name: 'a.jpg', bytes: jpeg }])));
    await expect(openDataset(path)).rejects.toThrow(
      'is a compressed tar, in which no picture can be looked up',
    );
    const folder = join(root, 'mixed');
    await writeFormat('webdataset', folder, items(2));
    await writeFile(join(folder, 'z.tgz'), 'x');
    const dataset = await openDataset(folder);
    expect(dataset.size).toBe(2);
    expect(problemsOf(dataset)).toEqual([expect.stringContaining('z.tgz: is a compressed tar')]);
  });

  it('has errors in rows without picture, with a broken caption, or of a name that comes again', async () => {
    const text = (words: string) => Buffer.from(words);
    const path = await tar([
      { name: 'a.jpg', bytes: jpeg },
      { name: 'a.txt', bytes: text('first\n') },
      { name: 'b.txt', bytes: text('no picture') },
      { name: 'a.jpg', bytes: jpeg },
      { name: 'a.txt', bytes: text('again') },
      { name: 'c.json', bytes: text('{"caption": ') },
      { name: 'c.jpg', bytes: jpeg },
      { name: 'd.cls', bytes: text('7') },
      { name: 'd.jpg', bytes: jpeg },
      { name: 'README', bytes: text('x') },
      { name: 'e.json', bytes: text('{"prompt": "from JSON", "title": "other"}') },
      { name: 'e.jpg', bytes: jpeg },
    ]);
    const dataset = await openDataset(path);
    const rows = await list(dataset);
    expect(rows.map(({ caption }) => caption)).toEqual(['first', 'no picture', 'again', '', '', 'from JSON']);
    expect(rows.map(({ error }) => error?.replace(/.*\.tar, /, ''))).toEqual([
      undefined,
      'sample b: has no picture (members: .txt).',
      'sample a#2: stands in the tar again under the name a; the first one counts.',
      expect.stringMatching(/^member c\.json: not valid JSON/),
      undefined,
      undefined,
    ]);
    for (const { index, error } of rows) {
      if (error === undefined) expect((await dataset.picture(index)).width).toBe(64);
      else await expect(dataset.picture(index)).rejects.toThrow(error);
    }
    expect(problemsOf(dataset)).toEqual([expect.stringMatching(/1 members have names without an ending/)]);
    const named = await openDataset({ format: 'webdataset', path, captionKey: 'title' });
    expect((await list(named)).at(-1)!.caption).toBe('other');
  });

  it('stops when a tar changes while it is read', async () => {
    const folder = join(root, 'changing');
    await writeFormat('webdataset', folder, items(3));
    const dataset = await openDataset(folder);
    expect((await dataset.picture(0)).width).toBe(64);
    await appendFile(join(folder, 'part-00000.tar'), 'x');
    await expect(dataset.picture(1)).rejects.toThrow('changed while it was read; run again');
    await expect(list(dataset)).rejects.toThrow('changed while it was read; run again');
    await dataset.close();
  });
});

describe('img2dataset', () => {
  const columns = `key, status, error_message, caption`;
  async function shard(
    folder: string,
    rows: readonly string[],
    entries: readonly TarEntry[],
    stats: object | string,
  ): Promise<void> {
    await mkdir(folder, { recursive: true });
    await sql(
      `COPY (SELECT * FROM (VALUES ${rows.join(', ')}) rows(${columns})) TO ${textLiteral(join(folder, '00000.parquet'))} (FORMAT parquet)`,
    );
    await writeFile(join(folder, '00000.tar'), await tarOf(entries));
    await writeFile(
      join(folder, '00000_stats.json'),
      typeof stats === 'string' ? stats : JSON.stringify(stats),
    );
  }

  it('has every row of the table, and says why one has no picture', async () => {
    const folder = join(root, 'rows');
    await shard(
      folder,
      [
        `('0', 'success', NULL, 'good')`,
        `('1', 'failed_to_download', 'HTTP Error 404', 'gone')`,
        `('2', 'success', NULL, 'not in the tar')`,
        `('0', 'success', NULL, 'again')`,
        `(NULL, 'success', NULL, 'no key')`,
      ],
      [
        { name: '0.jpg', bytes: jpeg },
        { name: '9.jpg', bytes: jpeg },
      ],
      { count: 6, successes: 4 },
    );
    const dataset = await openDataset(folder);
    const rows = await list(dataset);
    expect(rows.map(({ key }) => key)).toEqual(['00000/0', '00000/1', '00000/2', '00000/0#3', '00000/#4']);
    expect(rows.map(({ error }) => error?.replace(/.*, row/, 'row'))).toEqual([
      undefined,
      'row 1: failed_to_download: HTTP Error 404.',
      expect.stringMatching(/00000\.tar holds no picture for key 2/),
      'row 3: key 0 stands in the shard again; the first row counts.',
      'row 4: has no key.',
    ]);
    expect(problemsOf(dataset)).toEqual([
      expect.stringMatching(/holds 1 sample of which .*00000\.parquet has no row \(the first: 9\)/),
      expect.stringMatching(/00000_stats\.json: says 6 of rows, 00000\.parquet has 5/),
    ]);
    for (const { index, error } of rows)
      if (error !== undefined) await expect(dataset.picture(index)).rejects.toThrow(error);
    expect((await dataset.picture(0)).width).toBe(64);

    const output = join(root, 'rows copy');
    await dataset.copyTo!(output, (index) => index < 3);
    expect(JSON.parse(await readFile(join(output, '00000_stats.json'), 'utf8'))).toEqual({
      count: 3,
      successes: 2,
      failed_to_download: 1,
      failed_to_resize: 0,
      status_dict: { success: 2, 'HTTP Error 404': 1 },
    });
  });

  it.each([
    ['no statistics', (folder: string) => rm(join(folder, '00001_stats.json')), 'is not finished'],
    [
      'broken statistics',
      (folder: string) => writeFile(join(folder, '00001_stats.json'), '{'),
      'not valid JSON',
    ],
    ['no table', (folder: string) => rm(join(folder, '00001.parquet')), '00001.parquet: is missing'],
    [
      'a cut table',
      (folder: string) => truncate(join(folder, '00001.parquet'), 50),
      'not a readable Parquet',
    ],
    ['no tar', (folder: string) => rm(join(folder, '00001.tar')), '00001.tar: is missing'],
  ])('leaves out a shard with %s', async (name, spoil, said) => {
    const folder = join(root, `shard ${name}`);
    await writeFormat('img2dataset', folder, items(3), { perShard: 1 });
    await spoil(folder);
    const dataset = await openDataset(folder);
    expect(dataset.shards.map(({ name }) => name)).toEqual(['00000', '00002']);
    expect((await list(dataset)).map(({ caption }) => caption)).toEqual(['caption 0', 'caption 2']);
    expect(problemsOf(dataset)).toEqual([expect.stringContaining(said)]);
  });

  it('is an error when nothing is left', async () => {
    const folder = join(root, 'nothing');
    await writeFormat('img2dataset', folder, items(1));
    await rm(join(folder, '00000_stats.json'));
    await expect(openDataset(folder)).rejects.toThrow(/none of its 1 shards can be read .*is not finished/);
  });

  it('has rows whose members a cut tar has lost as errors', async () => {
    const folder = join(root, 'cut shard');
    await writeFormat('img2dataset', folder, items(4));
    const path = join(folder, '00000.tar');
    await truncate(path, Math.floor((await storedFile(path)).sizeBytes / 2));
    const dataset = await openDataset(folder);
    const errors = (await list(dataset)).map(({ error }) => error !== undefined);
    expect(errors).toEqual([false, false, true, true]);
    expect(problemsOf(dataset)[0]).toMatch(/00000\.tar: is cut short in member|has no end mark/);
  });

  it('stops when a table changes while it is read', async () => {
    const folder = join(root, 'changing table');
    await writeFormat('img2dataset', folder, items(2));
    const dataset = await openDataset(folder);
    await utimes(join(folder, '00000.parquet'), new Date(0), new Date(0));
    await expect(list(dataset)).rejects.toThrow('changed while it was read; run again');
  });
});
