import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../testing/folder.ts';
import { type ExportedRow, openDataset, sceneSource, writeImg2dataset } from './index.ts';

const root = temporaryFolder('export');
const source = sceneSource(5);
const rows = (captions: readonly string[]): ExportedRow[] =>
  captions.map((caption, index) => ({ caption, picture: () => source.picture(index) }));

async function contents(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, (await readFile(join(folder, name))).toString('base64')] as const),
    ),
  );
}

describe('writeImg2dataset', () => {
  it('writes shards that open as an img2dataset folder', async () => {
    const folder = join(root, 'whole');
    await writeImg2dataset(folder, 'set', rows(['a', 'b', 'c']), { shardRows: 2 });
    const dataset = await openDataset(folder);
    expect(dataset).toMatchObject({ format: 'img2dataset', size: 3, problems: [] });
    expect(dataset.shards).toHaveLength(2);
    for (let index = 0; index < 3; index++)
      expect(await dataset.picture(index)).toEqual(await source.picture(index));
    const captions: string[] = [];
    for await (const { caption } of dataset.rows()) captions.push(caption);
    expect(captions).toEqual(['a', 'b', 'c']);
    await dataset.close();
  });

  it('goes on after a kill with the same bytes', async () => {
    const folder = join(root, 'killed');
    await writeImg2dataset(folder, 'set', rows(['a', 'b', 'c']), { shardRows: 2 });
    const whole = await contents(folder);
    await rm(join(folder, '00001_stats.json'));
    await writeFile(join(folder, '00001.tar'), 'half');
    await writeImg2dataset(folder, 'set', rows(['a', 'b', 'c']), { shardRows: 2 });
    expect(await contents(folder)).toEqual(whole);
  });

  it('mixes with nothing that the folder holds', async () => {
    const folder = join(root, 'taken');
    await writeImg2dataset(folder, 'twin A', rows(['a', 'b']));
    const before = await contents(folder);
    for (const [name, captions] of [
      ['twin B', ['a', 'b']],
      ['twin A', ['a', 'x']],
      ['twin A', ['a']],
    ] as const)
      await expect(writeImg2dataset(folder, name, rows(captions))).rejects.toMatchObject({
        message: expect.stringContaining('holds something else already; name a new folder'),
        exitCode: 2,
      });
    expect(await contents(folder)).toEqual(before);
    await rm(join(folder, '.verbatim-export'));
    await expect(writeImg2dataset(folder, 'twin A', rows(['a', 'b']))).rejects.toThrow(
      'holds something else',
    );
  });
});
