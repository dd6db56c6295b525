import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sql, textLiteral } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { packageRoot } from './package.ts';
import { run } from './testing/in-process.ts';

/** DeepFloyd IF's first stage through the command line: a small model with random weights. */
const model = join(packageRoot, 'src/models/fixtures/if');
const folder = temporaryFolder('cli-if');
const file = (name: string) => join(folder, name);
const captions = ['A red bicycle', 'two cats on a sofa', 'sunflowers'];
const cpu = ['--threads', '1', '-q'] as const;
const steps = 3;

describe('an audit of DeepFloyd IF', { timeout: 120_000 }, () => {
  // A random model repeats nothing, so one of its own pictures is put among the training pictures.
  beforeAll(async () => {
    const flags = captions.flatMap((caption) => ['--caption', caption]);
    const how = ['--steps', String(steps), '-o', file('made'), '--json'];
    const { code, stdout, stderr } = await run('generate', '--model', model, ...flags, ...how, ...cpu);
    expect([code, stderr]).toEqual([0, '']);
    const made = JSON.parse(stdout) as { file: string }[];
    await mkdir(file('pictures'));
    // The others get one another's.
    for (const [n, from] of [0, 2, 1].entries())
      await copyFile(made[from]!.file, file(`pictures/${captions[n]}.png`));
    await writeFile(
      file('audit.yaml'),
      `model: ${JSON.stringify(model)}
dataset: { format: image-folder, path: pictures }
synthesis: { steps: ${steps}, samples: 2 }
labels: { rules: [reference] }
output: ${JSON.stringify(file('run'))}
`,
    );
  }, 120_000);

  it('is planned from the config alone, with a warning of its largest noise', async () => {
    const { code, stdout, stderr } = await run('audit', file('audit.yaml'), '--dry-run', '--threads', '1');
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning {2}dcs, ecs: [^\n]*σ 20\d{3}, [^\n]*\{sigma: 14\.6\}/m);
    expect(stdout).toContain('guidance 7,');
  });

  it.each([
    ['dcs', true],
    ['{attack: dcs, options: {sigma: 14.6}}', false],
  ])('is scored with %s, warned: %s', async (attack, warned) => {
    const flags = ['--model', model, '--caption', 'a', '--attack', attack, '--threads', '1'];
    const { code, stderr } = await run('score', ...flags);
    expect(code).toBe(0);
    expect(stderr.includes('warning  dcs: ')).toBe(warned);
  });

  it('scores all captions, generates, and finds the planted picture', async () => {
    const { code, stdout, stderr } = await run('audit', file('audit.yaml'), '--json', ...cpu);
    expect([code, stderr]).toEqual([0, '']);
    const summary = JSON.parse(stdout) as {
      model: string;
      attacks: { name: string; scored: number; failed: number }[];
      labels: Record<string, number>;
    };
    expect(summary).toMatchObject({ model: 'if', captions: 3, judged: 3, labels: { MV: 1, none: 2 } });
    expect(summary.attacks).toMatchObject([
      { name: 'dcs', scored: 3, failed: 0 },
      { name: 'ecs', scored: 3, failed: 0 },
    ]);
    const found = await sql<{ caption: string }>(
      `SELECT caption FROM read_parquet(${textLiteral(`${file('run')}/tables/labels/*.parquet`)}) AS labels
       JOIN read_parquet(${textLiteral(`${file('run')}/tables/candidates/*.parquet`)}) AS candidates USING (key) WHERE verdict = 'MV'`,
    );
    expect(found).toEqual([{ caption: captions[0] }]);
  });

  it('is verified from what was recorded', async () => {
    const { code, stdout } = await run('verify', file('run'), '-o', file('again'), '--json', ...cpu);
    expect(JSON.parse(stdout)).toMatchObject({ reproduced: 1, failed: 0, unjudged: 0 });
    expect(code).toBe(0);
  });
});
