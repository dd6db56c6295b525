import { appendFile, copyFile, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeJpeg, encodePng } from '../../images/index.ts';
import { npyHeader, writeNpy } from '../../tables/index.ts';
import { temporaryFolder } from '../../testing/folder.ts';
import { type Dataset, sceneSource } from '../index.ts';
import { closingDatasets } from '../testing/opened.ts';
import { type WrittenItem, writeFormat, writtenFormats } from '../testing/write-formats.ts';

const root = temporaryFolder('table-faults');
let png: Uint8Array;
let counter = 0;
const openDataset = closingDatasets();

beforeAll(async () => {
  png = await encodePng(await sceneSource(1).picture(0));
});

const items = (count: number): WrittenItem[] =>
  Array.from({ length: count }, (_, index) => ({
    bytes: png,
    caption: `caption ${index}`,
    key: `k${index}`,
  }));

async function table(name: string, content: string | Uint8Array): Promise<string> {
  const folder = join(root, `table${counter++}`);
  await mkdir(folder);
  await writeFile(join(folder, name), content);
  return join(folder, name);
}

async function captionsOf(dataset: Dataset): Promise<string[]> {
  const captions: string[] = [];
  for await (const { caption } of dataset.rows()) captions.push(caption);
  return captions;
}
const problemsOf = (dataset: Dataset) =>
  dataset.problems.map(({ where, what }) => `${where.split('/').at(-1)}: ${what}`);

describe('captions', () => {
  it('takes tables with semicolons, a byte order mark and Windows line ends', async () => {
    const path = await table(
      'a.csv',
      '\uFEFF;Caption;URL\r\n0;first; x\r\n1;"second; with ""quotes""\nand a line feed";y\r\n2;;z\r\n',
    );
    const dataset = await openDataset(path);
    expect(dataset.format).toBe('captions');
    expect(await captionsOf(dataset)).toEqual(['first', 'second; with "quotes"\nand a line feed', '']);
    expect(dataset.problems).toEqual([]);
    expect(await captionsOf(await openDataset({ format: 'captions', path, captionColumn: 'URL' }))).toEqual([
      ' x',
      'y',
      'z',
    ]);
    await expect(openDataset({ format: 'captions', path, captionColumn: 'caption' })).rejects.toThrow(
      'no column "caption"; the columns are "column0", "Caption", "URL"',
    );
  });

  it('skips broken lines, with their numbers, and goes on', async () => {
    const path = await table(
      'a.csv',
      'text,url\nfirst,a\n"multi\nline",b\n"bad" tail,c\nfourth,d\nfew\nmany,e,f,g\nlast,h\n',
    );
    const dataset = await openDataset(path);
    expect(await captionsOf(dataset)).toEqual(['first', 'multi\nline', 'fourth', 'last']);
    expect(dataset.size).toBe(4);
    expect(problemsOf(dataset)).toEqual([
      expect.stringMatching(/^a\.csv, line 5: Value with unterminated quote found; it is left out/),
      expect.stringMatching(/^a\.csv, line 7: Expected Number of Columns: 2 Found: 1; it is left out/),
      expect.stringMatching(/^a\.csv, line 8: Expected Number of Columns: 2 Found: 4; it is left out/),
    ]);
    expect(dataset.problems.map(({ rows }) => rows)).toEqual([1, 1, 1]);
    const output = join(root, 'mended.csv');
    await dataset.copyTo!(output, (index) => index > 0);
    expect(await captionsOf(await openDataset(output))).toEqual(['multi\nline', 'fourth', 'last']);
  });

  it('counts the lines that an open quote takes with it', async () => {
    const path = await table('a.csv', 'text;url\nfirst;a\n"open;b\nlost;c\n"closed";d\nlast;e\n');
    const dataset = await openDataset(path);
    expect(await captionsOf(dataset)).toEqual(['first', 'last']);
    expect(dataset.problems).toHaveLength(1);
    expect(dataset.problems[0]).toMatchObject({
      where: expect.stringContaining('line 3 to 5'),
      rows: 3,
    });
  });

  it('skips lines of JSON that are none', async () => {
    const path = await table(
      'a.jsonl',
      '{"text": "first"}\n\n{"text": \n[1]\n{"text": 7}\n{"other": 1}\n{"text": "last", "n": 1}',
    );
    const dataset = await openDataset(path);
    expect(await captionsOf(dataset)).toEqual(['first', '7', '', 'last']);
    expect(problemsOf(dataset)).toEqual([
      'a.jsonl, line 3: is no JSON object; it is left out',
      'a.jsonl, line 4: is no JSON object; it is left out',
    ]);
  });

  it('ends lines of JSON at line ends alone, wherever the file is read in two', async () => {
    // Python writes U+2028 as it is; a file is read 64 KiB at a time, so the pair of line ends is parted.
    const first = JSON.stringify({ text: 'x'.repeat(65_536 - 1 - '{"text":""}'.length) });
    const path = await table('a.jsonl', `${first}\r\n{"text":"one\u2028two\u2029three"}\n{"text":"last"}`);
    const dataset = await openDataset(path);
    expect((await captionsOf(dataset)).slice(1)).toEqual(['one\u2028two\u2029three', 'last']);
    expect(dataset.problems).toEqual([]);
    const output = join(root, 'separators.jsonl');
    await dataset.copyTo!(output, (index) => index === 1);
    expect(await readFile(output, 'utf8')).toBe('{"text":"one\u2028two\u2029three"}\n');
  });

  it('leaves out a line that is too long to be held, and goes on', async () => {
    const path = await table(
      'a.jsonl',
      `{"text":"first"}\n{"text":"${'x'.repeat(2 ** 24)}"}\n{"text":"last"}\n`,
    );
    const dataset = await openDataset(path);
    expect(await captionsOf(dataset)).toEqual(['first', 'last']);
    expect(problemsOf(dataset)).toEqual(['a.jsonl, line 2: is no JSON object; it is left out']);
  });

  it('says what is missing', async () => {
    await expect(openDataset({ format: 'captions', path: await table('a.csv', '') })).rejects.toThrow(
      'has no header',
    );
    await expect(
      openDataset({ format: 'captions', path: await table('a.csv', 'a,b\n1,2\n') }),
    ).rejects.toThrow('no column text, caption or prompt; the columns are "a", "b"');
    await expect(openDataset({ format: 'captions', path: await table('a.txt', 'x') })).rejects.toThrow(
      'not a table of captions',
    );
    await expect(openDataset(await table('a.csv', 'a,b\n1,2\n'))).rejects.toThrow('not a dataset');
  });

  it('tells the first of many problems and counts the others', async () => {
    const path = await table('a.csv', `text,url\n${'few\n'.repeat(300)}last,x\n`);
    const { problems, size } = await openDataset(path);
    expect(size).toBe(1);
    expect(problems).toHaveLength(21);
    expect(problems.at(-1)).toMatchObject({ what: '280 more problems of this kind', rows: 280 });
  });

  it('stops when the file changes while it is read', async () => {
    const path = await table('a.csv', 'text,url\na,b\n');
    const dataset = await openDataset(path);
    await appendFile(path, 'c,d\n');
    await expect(captionsOf(dataset)).rejects.toThrow('changed while it was read; run again');
  });

  it('stops when the file changes after its first line was read', async () => {
    const line = '{"text":"caption"}\n';
    const path = await table('a.jsonl', line.repeat(20_000));
    const dataset = await openDataset(path);
    const rows = dataset.rows()[Symbol.asyncIterator]();
    expect((await rows.next()).value).toMatchObject({ index: 0, caption: 'caption' });
    await truncate(path, line.length * 10_000);
    await expect(
      (async () => {
        while (!(await rows.next()).done);
      })(),
    ).rejects.toThrow('changed while it was read; run again');
  });
});

describe('embeddings', () => {
  const float = (rows: number, dimension: number) => new Float32Array(rows * dimension);
  /** An array file with a header that NumPy would write for another type. */
  async function writeArray(path: string, descriptor: string): Promise<void> {
    const header = Buffer.from(npyHeader('float32', [2, 8]))
      .toString('latin1')
      .replace("'<f4'", descriptor);
    await writeFile(path, Buffer.from(`${header.slice(0, 10)}${header.slice(10)}`, 'latin1'));
    await appendFile(path, Buffer.alloc(64));
  }

  it.each([
    ['too few vectors', (path: string) => writeNpy(path, float(1, 8), 8), /has 1 vectors, but .* has 2 rows/],
    [
      'vectors of another size',
      (path: string) => writeNpy(path, float(2, 4), 4),
      /vectors of 4 values, the shards before of 8/,
    ],
    ['one dimension', (path: string) => writeFile(path, npyHeader('float32', [0])), /has shape \[0\]/],
    [
      'integers',
      (path: string) => writeNpy(path, new Int8Array(16), 8),
      /holds int8; vectors are float16 or float32/,
    ],
    ['objects', (path: string) => writeArray(path, "'|O' "), /holds \|O; expected one of/],
    ['records', (path: string) => writeArray(path, "[('a', '<f4')]"), /header/],
    ['no array', (path: string) => writeFile(path, 'hello'), /not a NumPy array file/],
    ['no file', (path: string) => rm(path), /img_emb_1\.npy: is missing/],
    [
      'no metadata',
      (path: string) => rm(path.replace('img_emb/img_emb_1.npy', 'metadata/metadata_1.parquet')),
      /metadata_1\.parquet: not a readable/,
    ],
  ])('leaves out a shard with %s', async (name, spoil, said) => {
    const folder = join(root, `embeddings ${name}`);
    const spec = await writeFormat('embeddings', folder, items(6), { perShard: 2 });
    await spoil(join(folder, 'img_emb/img_emb_1.npy'));
    const dataset = await openDataset(spec);
    expect(dataset.shards.map(({ name }) => name)).toEqual(['img_emb_0', 'img_emb_2']);
    expect(dataset.embeddings!.paths.map((path) => path.slice(-9))).toEqual(['emb_0.npy', 'emb_2.npy']);
    expect(await captionsOf(dataset)).toEqual([0, 1, 4, 5].map((index) => `caption ${index}`));
    expect(dataset.problems).toHaveLength(1);
    expect(dataset.problems[0]!.what).toMatch(said);
  });

  it('takes numbers that are padded with zeros, in their order', async () => {
    const folder = join(root, 'padded');
    await writeFormat('embeddings', folder, items(4), { perShard: 2 });
    for (const [place, ending] of [
      ['img_emb/img_emb', 'npy'],
      ['metadata/metadata', 'parquet'],
    ]) {
      await rename(join(folder, `${place}_0.${ending}`), join(folder, `${place}_010.${ending}`));
      await rename(join(folder, `${place}_1.${ending}`), join(folder, `${place}_002.${ending}`));
    }
    const dataset = await openDataset(folder);
    expect(dataset.shards.map(({ name }) => name)).toEqual(['img_emb_002', 'img_emb_010']);
    expect(await captionsOf(dataset)).toEqual([2, 3, 0, 1].map((index) => `caption ${index}`));
    expect(await dataset.find('img_emb_010/1')).toBe(3);
    await dataset.copyTo!(join(root, 'padded copy'), (index) => index !== 1);
    expect((await openDataset(join(root, 'padded copy'))).size).toBe(3);
  });

  it('has captions and vectors alone without the folder of the pictures', async () => {
    const folder = join(root, 'no pictures');
    await writeFormat('embeddings', folder, items(2));
    const dataset = await openDataset(folder);
    expect(dataset.hasPictures).toBe(false);
    await expect(dataset.picture(0)).rejects.toThrow('give the folder of the pictures as images');
  });

  it('keeps vectors in step with rows when it is copied', async () => {
    const folder = join(root, 'in step');
    const many = await Promise.all(
      items(5).map(async (item, index) => ({
        ...item,
        bytes: await encodePng(await sceneSource(1).picture(index)),
      })),
    );
    const spec = await writeFormat('embeddings', folder, many, { perShard: 5 });
    const dataset = await openDataset(spec);
    await dataset.copyTo!(join(root, 'in step copy'), (index) => index !== 1 && index !== 2);
    await writeFormat('embeddings', join(root, 'in step expected'), [many[0]!, many[3]!, many[4]!]);
    for (const file of ['img_emb/img_emb_0.npy', 'text_emb/text_emb_0.npy']) {
      const copy = await readFile(join(root, 'in step copy', file));
      expect(copy).toEqual(await readFile(join(root, 'in step expected', file)));
    }
  });

  it('refuses an image_path that leads out', async () => {
    const folder = join(root, 'leads out');
    const spec = await writeFormat('embeddings', folder, items(1));
    await copyFile(join(String(spec['images']), 'k0.png'), join(root, 'k0.png'));
    const { writeParquet } = await import('../testing/write-formats.ts');
    await writeParquet(join(folder, 'metadata/metadata_0.parquet'), '*', 'image_path, caption', [
      [`'../k0.png'`, `'x'`],
    ]);
    await expect((await openDataset(spec)).picture(0)).rejects.toThrow('its file name contains ".."');
  });
});

/** A JPEG whose header claims more pixels than any limit allows, its data being a few hundred bytes. */
async function bomb(): Promise<Uint8Array> {
  const bytes = Buffer.from(await encodeJpeg(await sceneSource(1).picture(0)));
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
  bytes.writeUInt16BE(65_000, frame + 5);
  bytes.writeUInt16BE(65_000, frame + 7);
  return bytes;
}

describe('a picture that claims too many pixels', () => {
  it.each(Object.keys(writtenFormats).filter((name) => !name.startsWith('captions')))(
    'is refused before it is decoded: %s',
    async (name) => {
      const written = { bytes: await bomb(), caption: 'bomb', key: 'bomb' };
      const spec = await writeFormat(name, join(root, `bomb ${name.replace(':', '')}`), [written]);
      const dataset = await openDataset(spec);
      await expect(dataset.picture(0)).rejects.toThrow('65000 × 65000 pixels exceed the limit');
      await dataset.close();
    },
  );
});
