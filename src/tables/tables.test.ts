import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../testing/folder.ts';
import {
  atomically,
  column,
  contentPath,
  fileDigest,
  fromParquet,
  nullable,
  putFile,
  type Row,
  readTable,
  removeTemporaries,
  sql,
  sqlStream,
  tableFiles,
  wholeDigestBytes,
  writeFileAtomic,
  writeJsonAtomic,
  writeNewTable,
  writeTable,
} from './index.ts';

const columns = {
  key: column('VARCHAR'),
  score: nullable('DOUBLE'),
  group: column('INTEGER'),
  seed: nullable('BIGINT'),
  member: column('BOOLEAN'),
} as const;
type TestRow = Row<typeof columns>;

const folder = temporaryFolder('tables');

const row = (key: string): TestRow => ({ key, score: 1, group: 1, seed: 1n, member: true });

describe('Parquet tables', () => {
  it('give back what was written, whatever the text and the numbers', async () => {
    const rows = fc.record({
      key: fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('', "'; DROP TABLE t; --", '../x', '\0', 'שלום 👩‍👩‍👧', '<script>', '"'),
      ),
      score: fc.option(fc.double({ noNaN: true })),
      group: fc.integer(),
      seed: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      member: fc.boolean(),
    });
    let count = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(rows, { maxLength: 30 }), async (written) => {
        count += 1;
        const path = join(folder, 'round', `${count}.parquet`);
        await writeTable(path, columns, written);
        expect(await readTable(path, columns)).toEqual(written);
      }),
      { numRuns: 30 },
    );
  });

  it('are the same bytes for the same rows, under any name and after other work', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => ({ ...row(`key-${i % 977}`), score: Math.sin(i) }));
    const digests = new Set<string>();
    for (const name of ['a', 'b'])
      for (const sub of ['x', 'y']) {
        const path = join(folder, sub, `${name}.parquet`);
        await writeTable(path, columns, rows);
        digests.add(
          createHash('sha256')
            .update(await readFile(path))
            .digest('hex'),
        );
      }
    expect(digests.size).toBe(1);
    expect((await readFile(join(folder, 'x', 'a.parquet'))).includes(folder)).toBe(false);
  });

  it('keep the order of the rows across row groups', async () => {
    const path = join(folder, 'order.parquet');
    const rows = Array.from({ length: 40_000 }, (_, i) => row(`k${(i * 7919) % 40_000}`));
    await writeTable(path, columns, rows);
    const back = await readTable(path, columns);
    expect(back.map((r) => r.key)).toEqual(rows.map((r) => r.key));
  });

  it('take folder names with wildcards and quotes literally', async () => {
    const odd = join(folder, "a[1]*? it's");
    await writeTable(join(odd, '00001.parquet'), columns, [row('b')]);
    await writeTable(join(odd, '00000.parquet'), columns, [row('a')]);
    const files = await tableFiles(odd);
    expect((await readTable(files, columns)).map((r) => r.key)).toEqual(['a', 'b']);
    expect(await sql(`SELECT count(*) AS n, sum("group") AS s FROM ${fromParquet(files)}`)).toEqual([
      { n: 2, s: 2 },
    ]);
  });

  it.each([
    [{ ...row('k'), key: null }, 'row 1, column key: null in a column that allows none'],
    [{ ...row('k'), score: Number.NaN }, 'row 1, column score: expected a number, got NaN'],
    [{ ...row('k'), group: 1.5 }, 'row 1, column group: expected a 32-bit integer, got 1.5'],
    [{ ...row('k'), group: 2 ** 31 }, 'row 1, column group: expected a 32-bit integer'],
    [{ ...row('k'), seed: 2n ** 63n }, 'row 1, column seed: expected a 64-bit integer'],
    [{ ...row('k'), member: 1 }, 'row 1, column member: expected true or false, got 1'],
    [{ key: 'k' }, 'row 1, column score: expected a number, got undefined'],
  ])('refuse a value that does not fit and leave no file (%#)', async (bad, message) => {
    const path = join(folder, 'bad', 'x.parquet');
    await expect(writeTable(path, columns, [row('fine'), bad as TestRow])).rejects.toThrow(message);
    expect(await readdir(join(folder, 'bad')).catch(() => [])).toEqual([]);
  });

  it('name the file that is missing, cut short, overwritten, or another table', async () => {
    const path = join(folder, 'corrupt.parquet');
    await expect(readTable(path, columns)).rejects.toThrow(`${path}: no such file`);
    await writeTable(path, columns, [row('k')]);
    const size = (await readFile(path)).length;
    await truncate(path, size - 10);
    await expect(readTable(path, columns)).rejects.toThrow(`${path}: not a readable Parquet file`);
    await writeFile(path, '');
    await expect(readTable(path, columns)).rejects.toThrow(`${path}: not a readable Parquet file`);
    await writeTable(path, { key: column('INTEGER') }, [{ key: 1 }]);
    await expect(readTable(path, columns)).rejects.toThrow(
      `${path}: column key is INTEGER, expected VARCHAR`,
    );
    await writeTable(path, { key: column('VARCHAR') }, [{ key: 'k' }]);
    await expect(readTable(path, columns)).rejects.toThrow(`${path}: column score is missing`);
  });

  it('take the place of no other file where they must be new', async () => {
    const path = join(folder, 'new', '00000.parquet');
    const written = [];
    for (const key of ['first', 'second']) written.push(await writeNewTable(path, columns, [row(key)]));
    expect(written).toEqual([true, false]);
    expect(await readTable(path, columns)).toEqual([row('first')]);
    expect(await readdir(join(folder, 'new'))).toEqual(['00000.parquet']);
    await writeFile(join(folder, 'file'), '');
    await expect(writeNewTable(join(folder, 'file/a.parquet'), columns, [])).rejects.toThrow(/cannot write/);
  });

  it('read nothing from a folder that does not exist', async () => {
    expect(await tableFiles(join(folder, 'nowhere'))).toEqual([]);
  });
});

describe('files that are whole or absent', () => {
  it.runIf(process.platform === 'linux')('report a full disk in one line and leave nothing', async () => {
    // /dev/full answers every write with ENOSPC, to Node and to DuckDB alike.
    const node = join(folder, 'full', 'node.json');
    const viaNode = atomically(node, async (temporary) => {
      await symlink('/dev/full', temporary);
      await writeFile(temporary, 'content');
    });
    await expect(viaNode).rejects.toThrow(`cannot write ${node}: no space left on the disk`);
    const duck = join(folder, 'full', 'duck.parquet');
    const viaDuckdb = atomically(duck, async (temporary) => {
      await symlink('/dev/full', temporary);
      await sql(`COPY (SELECT 1 AS x) TO '${temporary}' (FORMAT parquet)`).catch((error: Error) => {
        throw error.cause;
      });
    });
    await expect(viaDuckdb).rejects.toThrow(`cannot write ${duck}: no space left on the disk`);
    expect(await readdir(join(folder, 'full'))).toEqual([]);
  });

  it('pass a defect on unchanged', async () => {
    const defect = new TypeError('a bug');
    const write = atomically(join(folder, 'x.json'), () => Promise.reject(defect));
    await expect(write).rejects.toBe(defect);
  });

  it('say so when a part of the path is a file', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(writeFileAtomic(join(folder, 'file', 'x.json'), '')).rejects.toThrow(
      'a part of its path is a file',
    );
  });

  it('replace a file only by a whole one', async () => {
    const path = join(folder, 'replaced.json');
    await writeJsonAtomic(path, { a: 1 });
    const failed = atomically(path, async (temporary) => {
      await writeFile(temporary, 'half');
      throw new Error('killed');
    });
    await expect(failed).rejects.toThrow('killed');
    expect(await readFile(path, 'utf8')).toBe('{\n  "a": 1\n}\n');
  });

  it('removes what a killed writer left, and nothing else', async () => {
    const left = join(folder, 'left', 'deep');
    await mkdir(left, { recursive: true });
    for (const name of ['.00001.parquet.123-4.tmp', '.hidden', 'x.tmp', '00001.parquet'])
      await writeFile(join(left, name), 'x');
    expect(await removeTemporaries(join(folder, 'left'))).toBe(1);
    expect((await readdir(left)).sort()).toEqual(['.hidden', '00001.parquet', 'x.tmp']);
    expect(await removeTemporaries(join(folder, 'nowhere'))).toBe(0);
  });
});

describe('content-addressed files', () => {
  it('lie under their own digest and are written once', async () => {
    const root = join(folder, 'images');
    const bytes = Buffer.from('picture');
    const digest = createHash('sha256').update(bytes).digest('hex');
    expect(await putFile(root, bytes, 'png')).toBe(digest);
    expect(contentPath(digest, 'png')).toBe(`${digest.slice(0, 2)}/${digest}.png`);
    const path = join(root, contentPath(digest, 'png'));
    expect(await readFile(path)).toEqual(bytes);
    await Promise.all([putFile(root, bytes, 'png'), putFile(root, bytes, 'png')]);
    expect(await readdir(join(root, digest.slice(0, 2)))).toEqual([`${digest}.png`]);
  });

  it('repairs a file of the wrong size', async () => {
    const root = join(folder, 'repaired');
    const bytes = Buffer.from('picture');
    const path = join(root, contentPath(await putFile(root, bytes, 'png'), 'png'));
    await truncate(path, 3);
    await putFile(root, bytes, 'png');
    expect(await readFile(path)).toEqual(bytes);
  });
});

describe('digests of files', () => {
  it('are SHA-256 of all bytes of a file that is not large', async () => {
    for (const content of ['', 'abc', 'x'.repeat(3_000_000)]) {
      const path = join(folder, 'small');
      await writeFile(path, content);
      expect(await fileDigest(path)).toBe(createHash('sha256').update(content).digest('hex'));
    }
  });

  it('see size, beginning and end of a large one, and a change in a block, without reading all', async () => {
    const path = join(folder, 'large');
    await writeFile(path, '');
    const size = 4 * wholeDigestBytes;
    await truncate(path, size);
    const digests = [await fileDigest(path)];
    const put = async (at: number) => {
      const file = await open(path, 'r+');
      await file.write(Buffer.of(digests.length), 0, 1, at);
      await file.close();
      digests.push(await fileDigest(path));
    };
    for (const at of [0, size - 1, Math.floor((512 * (size - 65_536)) / 1023)]) await put(at);
    await truncate(path, size + 1);
    digests.push(await fileDigest(path));
    expect(new Set(digests).size).toBe(5);
    expect(await fileDigest(path)).toBe(digests.at(-1));
    // Between the first two blocks.
    await put(100_000);
    expect(digests.at(-1)).toBe(digests.at(-2));
  });
});

describe('a streamed answer', () => {
  it('comes in parts, is not ended by other queries, and can be left', async () => {
    let rows = 0;
    for await (const part of sqlStream<{ n: number }>('SELECT i AS n FROM range(10000) t(i)')) {
      expect(part.length).toBeLessThan(5000);
      expect(part[0]!.n).toBe(rows);
      rows += part.length;
      await sql('SELECT 1');
    }
    expect(rows).toBe(10_000);
    for await (const [first] of sqlStream<{ n: number }>('SELECT 7 AS n FROM range(10000)')) {
      expect(first).toEqual({ n: 7 });
      break;
    }
    const wrong = sqlStream('SELECT nothing');
    await expect(wrong.next()).rejects.toThrow(/^DuckDB: /);
  });
});
