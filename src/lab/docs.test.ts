import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { sql, textLiteral, writeTable } from '../tables/index.ts';
import { labConfigSchema } from './config.ts';
import { type MemorizedRow, memorizedByCopies, memorizedColumns } from './study.ts';
import { defaultsOf, documented, tableRows, unquoted } from './testing/config-tables.ts';

const root = new URL('../../', import.meta.url);
const page = await readFile(new URL('docs/lab.md', root), 'utf8');

describe('docs/lab.md', () => {
  const config = page.split('\n## Config\n')[1]!.split('\n## ')[0]!;

  it('names every key of the config with its default, and no other', () => {
    const [single, networks] = config.split('\nHow each network is trained');
    const said = new Map<string, unknown>();
    for (const [key, value] of tableRows(single!)) said.set(unquoted(key!), documented(value!));
    for (const [key, ...values] of tableRows(networks!))
      for (const [i, network] of ['vae', 'training', 'classifier'].entries())
        said.set(`${network}.${unquoted(key!)}`, documented(values[i]!));

    expect(Object.fromEntries(said)).toEqual(defaultsOf(labConfigSchema, {}));
  });

  it('has an example that is a config', () => {
    const example = labConfigSchema.parse(parse(config.match(/```yaml\n([\s\S]*?)```/)![1]!));
    expect(example.planted.copyCounts).toEqual([10, 100]);
  });

  it('names every column of memorized.parquet with its type', () => {
    const section = page.split('`memorized.parquet`, one row')[1]!.split('```sql')[0]!;
    const columns = tableRows(section).flatMap(([names, type]) =>
      unquoted(names!)
        .split(', ')
        .map((name) => [name, type!]),
    );
    expect(columns).toEqual(Object.entries(memorizedColumns).map(([name, { type }]) => [name, type]));
  });

  it('counts by SQL what lab.json counts', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'verbatim-lab-docs-'));
    try {
      const row = (group: string, copies: number, memorized: boolean, kind = 'duplicate'): MemorizedRow => ({
        group,
        kind,
        twin: 'A',
        copies,
        caption: group,
        rms_a: 0.01,
        rms_b: 0.3,
        threshold: 0.1,
        memorized,
      });
      const rows = [
        row('a', 5, false),
        row('b', 50, true),
        row('c', 50, false),
        row('t', 50, true, 'template'),
      ];
      const file = join(folder, 'memorized.parquet');
      await writeTable(file, memorizedColumns, rows);
      const query = page.match(/```sql\n([\s\S]*?)```/)![1]!;
      const found = await sql(query.replace(/'runs\/[^']*'/, textLiteral(file)));
      expect(
        found.map((one) => Object.fromEntries(Object.entries(one).map(([k, v]) => [k, Number(v)]))),
      ).toEqual(memorizedByCopies(rows));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

it.each(['models/lab.yaml', 'examples/cifar10/lab.yaml'])('%s is a lab config', async (path) => {
  const config = labConfigSchema.parse(parse(await readFile(new URL(path, root), 'utf8')));
  const { captions, guidanceCaptions } = config.quality;
  expect(config.planted.heldOut).toBeGreaterThanOrEqual(Math.max(1000, captions + guidanceCaptions));
});
