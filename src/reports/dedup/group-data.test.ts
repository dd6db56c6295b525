import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fakeDataset } from '../../stages/dedup/testing/fake-dataset.ts';
import { fromParquet } from '../../tables/index.ts';
import { temporaryFolder } from '../../testing/folder.ts';
import { readShownGroups, sharedWords } from './group-data.ts';
import { type TestGroup, writeDedupFolder } from './testing/dedup-folder.ts';

const root = temporaryFolder('dedup-groups');
let count = 0;

async function tableOf(groups: readonly TestGroup[]): Promise<string> {
  const path = join(root, `${count++}`);
  await writeDedupFolder(path, { dataset: await fakeDataset({ a: [] }), groups });
  return fromParquet([join(path, 'groups.parquet')]);
}

describe('readShownGroups', () => {
  it('looks at the first items of a huge group only, and finds what stays all the same', async () => {
    const captions = Array.from({ length: 130 }, (_, i) => (i < 60 ? 'one' : `other ${i}`));
    const table = await tableOf([{ captions, files: Array(130).fill('x'), keep: [129] }]);
    const [whole] = await readShownGroups(table, 20);
    expect(whole).toMatchObject({ rate: 130, looked: 130, kept: 1, files: 1 });
    expect(whole!.shown).toMatchObject([{ key: 'key 129', keep: true, copies: 130 }]);
    const [cut] = await readShownGroups(table, 20, 50);
    // Counts of the whole group stay those of the table.
    expect(cut).toMatchObject({ rate: 130, looked: 50, kept: 1, byLevel: [['file', 130]], template: null });
    expect(cut!.shown).toMatchObject([{ key: 'key 129', keep: true }]);
    expect(cut!.said).toEqual([{ caption: 'one', count: 50 }]);
  });

  it('reads so many groups as are asked for', async () => {
    const table = await tableOf(Array.from({ length: 30 }, () => ({ captions: ['a', 'b'] })));
    expect((await readShownGroups(table, 7)).map(({ group }) => group)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
});

describe('sharedWords', () => {
  const said = (captions: readonly string[]) => captions.map((caption) => ({ caption, count: 1 }));

  it.each([
    [['Shaw Floors Red Carpet', 'Shaw Floors Blue Carpet'], 'Shaw Floors … Carpet'],
    [['red', 'blue'], null],
    [['one'], null],
    [['', 'a lamp'], null],
    // Cut captions may have had other words.
    [['lamp '.repeat(400), 'lamp'], null],
    [Array.from({ length: 1001 }, (_, i) => `lamp ${i}`), null],
  ])('are said where all captions have them (%#)', (captions, words) => {
    expect(sharedWords(said(captions))).toBe(words);
  });
});
