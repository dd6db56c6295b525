import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDataset, sceneSource } from '../src/datasets/index.ts';
import { tarOf, type WrittenItem, writeFormat } from '../src/datasets/testing/write-formats.ts';
import { encodeJpeg } from '../src/images/index.ts';
import { killAsItGrows } from '../src/testing/kills.ts';
import { buildProgram, expectOneLine, type Program, snapshot } from './program.ts';

/** `verbatim dedup` as users start it: kills, damaged data, copies, wrong usage. */

let program: Program;
let items: WrittenItem[];
beforeAll(async () => {
  program = await buildProgram();
  const source = sceneSource(23);
  items = await Promise.all(
    Array.from({ length: 50 }, async (_, i): Promise<WrittenItem> => {
      // Of the first ten pictures two copies, one of them compressed again.
      const picture = i < 30 ? i : (i - 30) >> 1;
      const bytes = await encodeJpeg(await source.picture(picture), i >= 30 && i % 2 === 1 ? 70 : 90);
      return { bytes, caption: source.describe(picture).caption, key: `k${String(i).padStart(4, '0')}` };
    }),
  );
});
afterAll(() => program.remove());

const at = (...parts: string[]) => join(program.folder, ...parts);
const summaryOf = async (folder: string) => JSON.parse(await readFile(at(folder, 'summary.json'), 'utf8'));

/** All files of a run but its log, which tells how often it was begun. */
async function results(folder: string): Promise<Record<string, string>> {
  const { 'log.jsonl': _, ...files } = await snapshot(at(folder));
  return files;
}

describe('verbatim dedup', () => {
  it('ends with the same bytes however often it is killed', async () => {
    await writeFormat('img2dataset', at('killed-set'), items, { perShard: 20 });
    const command = [
      ...['dedup', 'killed-set', '--shard-size', '10', '--families'],
      ...['--level', 'file,perceptual,descriptor,tiles'],
    ];
    expect(await program.run([...command, '-o', 'whole', '-q'])).toMatchObject({ code: 0, stderr: '' });
    const start = () => program.start([...command, '-o', 'again', '-q']);
    expect(await killAsItGrows(start, at('again'), (kills) => 14 + ((kills * 7) % 11))).toBeGreaterThan(1);
    expect(await results('again')).toEqual(await results('whole'));
    expect(await summaryOf('again')).toMatchObject({ groups: 10, grouped: 30 });
  });

  it('goes on past damage, and says what is missing', async () => {
    await writeFormat('webdataset', at('damaged'), items, { perShard: 20 });
    await truncate(at('damaged', 'part-00001.tar'), 20_000);
    await writeFile(at('damaged', 'part-00003.tar'), 'not a tar');
    await writeFile(
      at('damaged', 'part-00004.tar'),
      await tarOf([
        { name: '../outside.jpg', bytes: items[0]!.bytes },
        { name: 'link.jpg', type: 'SymbolicLink', linkpath: '/etc/passwd' },
        { name: 'good.jpg', bytes: items[0]!.bytes },
        { name: 'good.txt', bytes: Buffer.from('fine') },
        { name: 'broken.jpg', bytes: items[0]!.bytes.subarray(0, 200) },
      ]),
    );
    const { code, stdout, stderr } = await program.run(['dedup', 'damaged', '-o', 'damaged-out']);
    expect(code).toBe(0);
    for (const name of ['part-00001', 'part-00003', 'outside.jpg', 'link.jpg'])
      expect(stderr).toContain(name);
    expect(stdout).toMatch(/failed +1 row/);
    expect(stdout).toMatch(/skipped/);
    const summary = await summaryOf('damaged-out');
    expect(summary.failed).toBe(1);
    expect(summary.skipped.length).toBeGreaterThanOrEqual(4);
    // The good member is a copy of the first picture.
    expect(summary.groups).toBeGreaterThan(0);
  });

  it('writes a copy of what is kept, in the same format, once', async () => {
    await writeFormat('parquet', at('copied'), items, { perShard: 20 });
    const command = ['dedup', 'copied', '-o', 'copied-out', '-q', '--write', 'kept'];
    expect(await program.run(command)).toMatchObject({ code: 0 });
    const dataset = await openDataset(at('kept'));
    expect(dataset).toMatchObject({ format: 'parquet', size: 30 });
    await dataset.close();
    expectOneLine(await program.run(command), 2, 'kept', 'is there already');
    expect(await program.run(['dedup', 'kept', '-o', 'kept-out', '-q'])).toMatchObject({ code: 0 });
    expect(await summaryOf('kept-out')).toMatchObject({ groups: 0, removed: 0, items: 30 });
    // A copy of a file is a file that is recognised; what a killed copy left is no obstacle.
    await writeFile(at('list.csv'), 'caption\na cat\nA  cat\na dog\n');
    await writeFile(at('shorter.csv.unfinished'), 'half');
    const list = ['dedup', 'list.csv', '-o', 'list-out', '-q', '--write', 'shorter'];
    expect(await program.run(list)).toMatchObject({ code: 0 });
    expect(await readFile(at('shorter.csv'), 'utf8')).toMatch(/^caption\r?\na cat\r?\na dog\r?\n$/);
  });
});
