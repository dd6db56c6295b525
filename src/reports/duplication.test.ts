import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type DuplicatedRow,
  duplicatedColumns,
  type MemberRow,
  memberColumns,
  type RunDescription,
} from '../stages/index.ts';
import { writeTable } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { readSamePrompt } from './duplication.ts';

const folder = temporaryFolder('same-prompt');

const member = (group: number, item: number, share: number | null): MemberRow => ({
  group,
  item,
  dataset_index: item,
  key: `row-${item}`,
  caption: 'a lamp',
  rate: 2,
  keep: item % 2 === 0,
  level: 'file',
  captions: 1,
  caption_share: share,
  modality: 'mixed',
  most_bits: null,
  least_cosine: null,
  sha256: null,
  width: null,
  height: null,
});
const chosen = (rank: number, key: string, group: number | null): DuplicatedRow => ({
  rank,
  key,
  caption: `caption ${rank}`,
  dataset_index: rank,
  copies: 2,
  caption_copies: 1,
  group,
  modality: null,
  rows: '[]',
});

describe('readSamePrompt', () => {
  beforeAll(async () => {
    await writeTable(join(folder, 'groups.parquet'), memberColumns, [
      member(0, 0, 0.75),
      member(0, 1, 0.75),
      member(1, 2, 1),
      member(1, 3, 1),
      member(2, 4, null),
    ]);
    await writeTable(join(folder, 'candidates.parquet'), duplicatedColumns, [
      chosen(1, 'a', 0),
      chosen(2, 'b', 1),
      chosen(3, 'c', 2),
      chosen(4, 'd', null),
    ]);
  });

  it('gives each candidate the share of its group, where there is one with captions', async () => {
    const shares = await readSamePrompt({ config: { candidates: { from: folder } } });
    expect([...shares!].sort()).toEqual([
      ['a', 0.75],
      ['b', 1],
    ]);
  });

  it('is null where the candidates are of no dedup folder, or it is gone', async () => {
    const configs: readonly RunDescription['config'][] = [
      {},
      { candidates: {} },
      { candidates: null },
      { candidates: { from: 7 } },
      { candidates: { from: join(folder, 'gone') } },
    ];
    for (const config of configs) expect(await readSamePrompt({ config })).toBeNull();
  });
});
