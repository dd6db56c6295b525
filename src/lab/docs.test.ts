import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { sql, textLiteral, writeTable } from '../tables/index.ts';
import { labConfigSchema } from './config.ts';
import { type MemorizedRow, memorizedByCopies, memorizedColumns } from './study.ts';

const root = new URL('../../', import.meta.url);
const page = await readFile(new URL('docs/lab.md', root), 'utf8');

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
}

/** Every key of a config that holds a value, with dots: 'planted.uniques'. */
function leaves(schema: JsonSchema, prefix = ''): string[] {
  const alternatives = schema.oneOf ?? schema.anyOf;
  if (alternatives) return [...new Set(alternatives.flatMap((one) => leaves(one, prefix)))];
  if (!schema.properties) return [prefix];
  return Object.entries(schema.properties).flatMap(([key, inner]) =>
    leaves(inner, prefix === '' ? key : `${prefix}.${key}`),
  );
}

/** Cells of the tables of a text, one list per row, header and ruler left out. */
function tableRows(text: string): string[][] {
  const rows = text.split('\n').filter((line) => line.startsWith('|'));
  return rows
    .filter((_, i) => !rows[i]!.startsWith('|---') && !rows[i + 1]?.startsWith('|---'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

/** What a cell of the page says a default is: `[1, 2]` as YAML, `1/3` as a fraction, none as undefined. */
function documented(cell: string): unknown {
  const code = cell.match(/^`(.*)`$/)?.[1];
  if (code === undefined) return cell === 'none' ? undefined : cell;
  const fraction = code.match(/^(\d+)\/(\d+)$/);
  return fraction ? Number(fraction[1]) / Number(fraction[2]) : parse(code);
}

const unquoted = (cell: string) => cell.replaceAll('`', '');

describe('docs/lab.md', () => {
  const config = page.split('\n## Config\n')[1]!.split('\n## ')[0]!;

  it('names every key of the config with its default, and no other', () => {
    const [single, networks] = config.split('\nHow each network is trained');
    const said = new Map<string, unknown>();
    for (const [key, value] of tableRows(single!)) said.set(unquoted(key!), documented(value!));
    for (const [key, ...values] of tableRows(networks!))
      for (const [i, network] of ['vae', 'training', 'classifier'].entries())
        said.set(`${network}.${unquoted(key!)}`, documented(values[i]!));

    const defaults: unknown = labConfigSchema.parse({});
    const known = leaves(z.toJSONSchema(labConfigSchema, { io: 'input' }) as JsonSchema);
    const valueAt = (key: string) =>
      key
        .split('.')
        .reduce<unknown>((node, part) => (node as Record<string, unknown> | undefined)?.[part], defaults);
    expect(Object.fromEntries(said)).toEqual(Object.fromEntries(known.map((key) => [key, valueAt(key)])));
    expect([...said.keys()].sort()).toEqual([...known].sort());
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
