import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Summary, writeReport } from '../reports/index.ts';
import {
  auditConfigKeys,
  auditConfigSchema,
  candidateColumns,
  cliqueColumns,
  copyColumns,
  dataOfPlanted,
  defaultCascade,
  extractedColumns,
  extractGenerationColumns,
  familyColumns,
  generationColumns,
  labelColumns,
  neighbourColumns,
  reviewColumns,
  roundColumns,
  runAudit,
  scoreColumns,
  selectionColumns,
  significanceColumns,
  trainingColumns,
  truthColumns,
  verdictColumns,
} from '../stages/index.ts';
import { fakeAuditConfig } from '../stages/testing/fake-config.ts';
import { fakeModel, fakePlantedSet } from '../stages/testing/fake-model.ts';
import { sql } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { parseConfig } from './config/parse.ts';
import { packageRoot } from './package.ts';

const read = (name: string) => readFile(join(packageRoot, 'docs', name), 'utf8');

describe('docs/run-folder.md', () => {
  const folder = temporaryFolder('docs');
  let summary: Summary;
  beforeAll(async () => {
    const { pipeline, meter } = fakeModel();
    const run = await runAudit({
      config: auditConfigSchema.parse({
        ...fakeAuditConfig,
        significance: { captions: 40 },
        output: join(folder, 'run'),
      }),
      data: dataOfPlanted(fakePlantedSet(), 'A'),
      pipeline,
      meter,
      verbatim: '0.0.0',
      versions: {},
    });
    // One false positive and one missed group, so that no figure is trivial.
    await sql(`COPY (SELECT * REPLACE (CASE key WHEN 'duplicate-0003' THEN 'duplicate-0006' WHEN 'duplicate-0006' THEN 'duplicate-0003' ELSE key END AS key)
      FROM '${run.path}/tables/labels/*.parquet') TO '${folder}/labels.parquet' (FORMAT parquet)`);
    await rm(join(run.tables, 'labels'), { recursive: true });
    await sql(`COPY (FROM '${folder}/labels.parquet') TO '${run.tables}/labels.parquet' (FORMAT parquet)`);
    await mkdir(join(run.tables, 'labels'));
    await rename(join(run.tables, 'labels.parquet'), join(run.tables, 'labels/00000.parquet'));
    ({ summary } = await writeReport(run.path));
  });

  async function query(name: string): Promise<Record<string, unknown>[]> {
    const text = await read('run-folder.md');
    const block = text.match(new RegExp(`\`\`\`sql\\n-- ${name}\\n([\\s\\S]*?)\`\`\``))?.[1];
    expect(block).toBeDefined();
    return sql(block!.replaceAll('runs/demo/', `${folder}/run/`));
  }

  it('recomputes the false positives', async () => {
    expect(summary.falsePositives).toBe(1);
    expect(await query('falsePositives')).toEqual([{ falsePositives: summary.falsePositives }]);
  });

  it('recomputes the recall', async () => {
    const expected = summary.recall.map(({ copies, planted, found }) => ({ copies, planted, found }));
    expect(expected).toEqual([{ copies: 50, planted: 6, found: 5 }]);
    expect(await query('recall')).toEqual(expected);
  });

  it('recomputes the evaluations', async () => {
    expect(summary.evaluations).toBeGreaterThan(0);
    expect(await query('evaluations')).toEqual([{ evaluations: summary.evaluations }]);
  });

  it('names every column of every table', async () => {
    const text = await read('run-folder.md');
    const tables = {
      truth: truthColumns,
      candidates: candidateColumns,
      'scores/1': scoreColumns,
      significance: significanceColumns,
      'selections/1': selectionColumns,
      rounds: roundColumns,
      cliques: cliqueColumns,
      generations: generationColumns,
      verdicts: verdictColumns,
      copies: copyColumns,
      families: familyColumns,
      labels: labelColumns,
      reviews: reviewColumns,
    };
    for (const [name, columns] of Object.entries(tables)) {
      const section = text.split('\n### ').find((part) => part.startsWith(name));
      for (const [column, { nullable }] of Object.entries(columns)) {
        const shown = nullable ? `(?<!\\*)\\b${column}\\b` : `\\*\\*${column}\\*\\*`;
        expect(section, `${name}: ${column}`).toMatch(new RegExp(`^\\|[^|]*${shown}`, 'm'));
      }
    }
  });
});

describe('docs/extract.md', () => {
  it('names every column of every table', async () => {
    const text = await read('extract.md');
    const tables = {
      training: trainingColumns,
      generations: extractGenerationColumns,
      'neighbours/generated': neighbourColumns,
      extracted: extractedColumns,
    };
    for (const [name, columns] of Object.entries(tables)) {
      const section = text.split('\n### ').find((part) => part.startsWith(name));
      for (const [column, { nullable }] of Object.entries(columns)) {
        const shown = nullable ? `(?<!\\*)\\b${column}\\b` : `\\*\\*${column}\\*\\*`;
        expect(section, `${name}: ${column}`).toMatch(new RegExp(`^\\|[^|]*${shown}`, 'm'));
      }
    }
  });
});

describe('docs/cli.md', () => {
  it('has a config that is right, and names every key', async () => {
    const text = await read('cli.md');
    const yaml = text.match(/```yaml\n([\s\S]*?)```/)?.[1];
    expect(parseConfig(auditConfigSchema, yaml!, 'docs/cli.md').cascade).toEqual(defaultCascade);
    for (const key of auditConfigKeys.filter((name) => name !== '$schema'))
      expect(text).toMatch(new RegExp(`^\\| \`${key}[\`.]`, 'm'));
  });
});
