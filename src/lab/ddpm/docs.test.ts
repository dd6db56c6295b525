import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { defaultsOf, documented, tableRows, unquoted } from '../testing/config-tables.ts';
import { ddpmLabConfigSchema } from './config.ts';
import { memberColumns, poolColumns } from './set.ts';

const root = new URL('../../../', import.meta.url);
const page = await readFile(new URL('docs/lab-ddpm.md', root), 'utf8');
const section = (from: string, to: string) => page.split(from)[1]!.split(to)[0]!;

it('docs/lab-ddpm.md names every key of the config with its default, and no other', () => {
  const said = tableRows(section('\n## Config\n', '\n## ')).map(([key, value]) => [
    unquoted(key!),
    documented(value!),
  ]);
  expect(Object.fromEntries(said)).toEqual(defaultsOf(ddpmLabConfigSchema, { kind: 'ddpm' }));
});

it('docs/lab-ddpm.md names every column of the tables with its type', () => {
  const columnsOf = (text: string) => tableRows(text).map(([name, type]) => [unquoted(name!), type]);
  const types = (columns: Record<string, { readonly type: string }>) =>
    Object.entries(columns).map(([name, { type }]) => [name, type]);
  expect(columnsOf(section('`truth.parquet`, one row', '`members.parquet`, what'))).toEqual(
    types(poolColumns),
  );
  expect(columnsOf(section('`members.parquet`, what', '`lab.json` has'))).toEqual(types(memberColumns));
});

it('the examples are configs: one plants a hundred pictures, one has shadow models enough', async () => {
  const example = async (name: string) =>
    ddpmLabConfigSchema.parse(
      parse(await readFile(new URL(`examples/cifar10-ddpm/${name}.yaml`, root), 'utf8')),
    );
  const { planted } = await example('lab');
  expect(planted.copyCounts.length * planted.picturesPerCopyCount).toBe(100);
  expect((await example('shadows')).shadows).toBeGreaterThanOrEqual(8 + 1);
});
