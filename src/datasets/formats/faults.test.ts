import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { VerbatimError } from '../../errors.ts';
import { encodePng } from '../../images/index.ts';
import { sql, textLiteral } from '../../tables/index.ts';
import { temporaryFolder } from '../../testing/folder.ts';
import { type Dataset, type DatasetRow, openDataset, sceneSource } from '../index.ts';
import { refusal } from '../storage/paths.ts';

const root = temporaryFolder('faults');
let png: Uint8Array;
let counter = 0;
beforeAll(async () => {
  png = await encodePng(await sceneSource(1).picture(0));
});

async function folder(files: Record<string, string | Uint8Array>): Promise<string> {
  const path = join(root, `folder${counter++}`);
  await mkdir(path);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(path, name, '..'), { recursive: true });
    await writeFile(join(path, name), content);
  }
  return path;
}

async function parquet(select: string): Promise<string> {
  const path = join(root, `table${counter++}.parquet`);
  await sql(`COPY (${select}) TO ${textLiteral(path)} (FORMAT parquet)`);
  return path;
}

async function listed(dataset: Dataset): Promise<DatasetRow[]> {
  const rows: DatasetRow[] = [];
  for await (const row of dataset.rows()) rows.push(row);
  return rows;
}

const image = () => `{bytes: from_base64('${Buffer.from(png).toString('base64')}'), path: 'a.png'}`;

describe('image-folder', () => {
  it.each([
    ['../secret.png', 'contains ".."'],
    ['a/../../secret.png', 'contains ".."'],
    ['/etc/passwd', 'absolute path'],
    ['\\\\host\\share.png', 'absolute path'],
    ['a\\..\\..\\secret.png', 'contains ".."'],
    ['https://example.com/a.png', 'URL'],
    ['file:///etc/passwd', 'URL'],
    ['C:\\secret.png', 'URL or a drive'],
    ['', 'is empty'],
    ['a\0.png', 'NUL'],
  ])(
    'does not follow %j in metadata: an error of that row, or of a folder of nothing else',
    async (file, why) => {
      const path = await folder({
        'a.png': png,
        'metadata.jsonl': `${JSON.stringify({ file_name: 'a.png', text: 'x' })}\n${JSON.stringify({ file_name: file, text: 'y' })}\n`,
      });
      const dataset = await openDataset(path);
      const rows = await listed(dataset);
      expect(rows.map(({ caption }) => caption)).toEqual(['x', 'y']);
      expect(rows[0]!.error).toBeUndefined();
      expect(rows[1]!.error).toMatch(/metadata\.jsonl, row 1: /);
      expect(rows[1]!.error).toContain(why);
      expect((await dataset.picture(0)).width).toBe(64);
      await expect(dataset.picture(1)).rejects.toThrow(VerbatimError);
      await expect(dataset.picture(1)).rejects.toThrow(rows[1]!.error);
      await writeFile(join(path, 'metadata.jsonl'), `${JSON.stringify({ file_name: file, text: 'y' })}\n`);
      await expect(openDataset(path)).rejects.toThrow(why);
    },
  );

  it('lets no accepted name lead out of the folder', () => {
    const part = fc.constantFrom('..', '.', 'a', '/', '\\', 'C:', 'b.png', '%2e%2e', ' ');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const file = parts.join('');
        if (refusal(file) === undefined) expect(join('/root', file).startsWith('/root')).toBe(true);
      }),
    );
  });

  it('refuses links that lead out and follows links that stay', async () => {
    const path = await folder({ 'a.png': png });
    const outside = join(root, 'outside.png');
    await writeFile(outside, png);
    await symlink(outside, join(path, 'b.png'));
    await symlink(join(path, 'a.png'), join(path, 'c.png'));
    const dataset = await openDataset(path);
    expect(dataset.size).toBe(3);
    await expect(dataset.picture(1)).rejects.toThrow(/b\.png: is a link that leads out/);
    expect((await dataset.picture(2)).width).toBe(64);
  });

  it('fails for the rows whose picture is corrupt, missing or a folder, and for no other', async () => {
    const path = await folder({
      'good.png': png,
      'cut.png': png.subarray(0, png.length / 2),
      'empty.png': '',
      'folder.png/x': '',
      'metadata.csv':
        'file_name,text\ngood.png,a\ncut.png,b\nempty.png,c\ngone.png,d\nfolder.png,e\ngood.png,f\n',
    });
    const dataset = await openDataset(path);
    for (const [row, why] of [
      [1, 'cut.png'],
      [2, '0 bytes'],
      [3, 'no such file'],
      [4, 'is not a file'],
    ] as const) {
      await expect(dataset.picture(row)).rejects.toThrow(new RegExp(`metadata\\.csv, row ${row} .*${why}`));
    }
    expect(await dataset.picture(5)).toEqual(await dataset.picture(0));
    const keys: string[] = [];
    for await (const row of dataset.rows()) keys.push(row.key);
    expect(new Set(keys).size).toBe(6);
  });

  it('takes captions from folders and file names without metadata', async () => {
    const path = await folder({
      'red_sofa/1.png': png,
      'red_sofa/2.JPG': png,
      'a blue-lamp.png': png,
      '.hidden/3.png': png,
      'notes.txt': 'x',
    });
    const captions: string[] = [];
    for await (const row of (await openDataset(path)).rows()) captions.push(`${row.key}: ${row.caption}`);
    expect(captions).toEqual([
      'a blue-lamp.png: a blue lamp',
      'red_sofa/1.png: red sofa',
      'red_sofa/2.JPG: red sofa',
    ]);
  });

  it('has empty captions where no column holds any, and names the columns when the wanted one is lacking', async () => {
    const path = await folder({ 'a.png': png, 'metadata.csv': 'file_name,title\na.png,x\n' });
    const captions = async (options: object) =>
      (await listed(await openDataset({ path, ...options }))).map(({ caption }) => caption);
    expect(await captions({})).toEqual(['']);
    expect(await captions({ captionColumn: 'title' })).toEqual(['x']);
    await expect(openDataset({ path, captionColumn: 'name' })).rejects.toThrow(
      'no column "name" for the captions; the columns are "file_name", "title"',
    );
  });

  it('names two metadata files', async () => {
    const path = await folder({ 'a.png': png, 'metadata.csv': 'file_name,text\na.png,x\n' });
    await writeFile(join(path, 'metadata.jsonl'), '{"file_name": "a.png", "text": "x"}\n');
    await expect(openDataset(path)).rejects.toThrow('keep one of them');
  });
});

describe('parquet', () => {
  it('fails for the rows without a picture or with a corrupt one, and for no other', async () => {
    const path = await parquet(
      `SELECT ${image()} AS image, 'a' AS text UNION ALL SELECT {bytes: NULL, path: '/etc/passwd'}, 'b'
       UNION ALL SELECT {bytes: from_base64('aGVsbG8='), path: 'x'}, NULL`,
    );
    const dataset = await openDataset(path);
    const captions: string[] = [];
    for await (const row of dataset.rows()) captions.push(row.caption);
    expect(captions).toEqual(['a', 'b', '']);
    expect((await dataset.picture(0)).width).toBe(64);
    await expect(dataset.picture(1)).rejects.toThrow(
      /\.parquet, row 1: file name "\/etc\/passwd" is an absolute path/,
    );
    await expect(dataset.picture(2)).rejects.toThrow(/\.parquet, row 2: not a picture/);
  });

  it('makes captions of class numbers, and names the row of a number without a name', async () => {
    const path = await parquet(`SELECT ${image()} AS img, i % 3 AS label FROM range(6) t(i)`);
    const list = async (classes: string[]) => {
      const captions: string[] = [];
      for await (const row of (await openDataset({ path, classes })).rows()) captions.push(row.caption);
      return captions;
    };
    expect((await list(['cat', 'owl', 'dog'])).slice(0, 3)).toEqual([
      'a photo of a cat',
      'a photo of an owl',
      'a photo of a dog',
    ]);
    await expect(list(['cat', 'owl'])).rejects.toThrow(/row 2: class 2 has no name; "classes" lists 2/);
    expect((await listed(await openDataset(path))).every(({ caption }) => caption === '')).toBe(true);
    const other = openDataset({ path, classes: ['cat'], labelColumn: 'kind' });
    await expect(other).rejects.toThrow('no column "kind" with the numbers of the classes');
  });

  it.each(['image', 'file_name', 'filename', 'image_path'])(
    'finds file names in the column %s',
    async (name) => {
      const path = await folder({ 'a.png': png });
      await sql(
        `COPY (SELECT 'a.png' AS ${name}, 'x' AS text) TO ${textLiteral(join(path, 't.parquet'))} (FORMAT parquet)`,
      );
      const dataset = await openDataset(join(path, 't.parquet'));
      expect((await dataset.picture(0)).width).toBe(64);
    },
  );

  it('names the columns that it would have needed', async () => {
    const path = await parquet(`SELECT 1 AS a, 'x' AS text`);
    const format = 'parquet';
    await expect(openDataset({ format, path })).rejects.toThrow(
      'no column holds pictures (struct{bytes, path}, bytes or file names); the columns are "a", "text"',
    );
    await expect(openDataset({ format, path, imageColumn: 'b' })).rejects.toThrow(
      'column "b" holds no pictures',
    );
  });

  it('names a file that is cut short', async () => {
    const path = await parquet(`SELECT ${image()} AS image, 'a' AS text`);
    await truncate(path, 100);
    await expect(openDataset(path)).rejects.toThrow(`${path}: not a readable Parquet file`);
  });
});

describe('parquet with file names', () => {
  it.each(['../a.png', '/etc/passwd', 'https://example.com/a.png', 'a\\..\\..\\b.png'])(
    'has an error in the row that names %j',
    async (file) => {
      const path = await folder({ 'x/a.png': png });
      await sql(
        `COPY (SELECT unnest(['x/a.png', ${textLiteral(file)}, NULL, 'x/gone.png']) AS image, 'a' AS text) TO ${textLiteral(join(path, 'a.parquet'))} (FORMAT parquet)`,
      );
      const dataset = await openDataset(join(path, 'a.parquet'));
      const errors: (string | undefined)[] = [];
      for await (const { error } of dataset.rows()) errors.push(error);
      expect(errors[0]).toBeUndefined();
      expect(errors[1]).toMatch(/row 1: file name ".*" (contains|is)/);
      expect(errors[2]).toMatch(/row 2: has no picture and no file name/);
      expect(errors[3]).toBeUndefined();
      expect((await dataset.picture(0)).width).toBe(64);
      await expect(dataset.picture(1)).rejects.toThrow(errors[1]);
      await expect(dataset.picture(3)).rejects.toThrow('no such file in');
    },
  );

  it('looks in the folder that is given as images, and follows no link out of it', async () => {
    const pictures = await folder({ 'a.png': png });
    await symlink(join(root, 'outside.png'), join(pictures, 'b.png'));
    await writeFile(join(root, 'outside.png'), png);
    const path = await parquet(`SELECT unnest(['a.png', 'b.png']) AS image, 'x' AS text`);
    const dataset = await openDataset({ format: 'parquet', path, images: pictures });
    expect((await dataset.picture(0)).width).toBe(64);
    await expect(dataset.picture(1)).rejects.toThrow('is a link that leads out');
    await expect(openDataset({ format: 'parquet', path, images: join(root, 'no') })).rejects.toThrow(
      'images: ',
    );
  });
});

describe('openDataset', () => {
  it('suggests the nearest format and says what is missing', async () => {
    await expect(openDataset({ format: 'parkett', path: 'x' })).rejects.toThrow('did you mean parquet?');
    await expect(openDataset({})).rejects.toThrow('give a path or a format');
    await expect(openDataset(join(root, 'nowhere'))).rejects.toThrow('no such file or folder');
    await expect(openDataset({ format: 'parquet', path: join(root, 'nowhere') })).rejects.toThrow(
      'no such file or folder',
    );
    await expect(openDataset({ format: 'scenes', count: 0 })).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('dataset.count'),
    });
  });
});
