import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Transfer } from '../reports/index.ts';
import { sql, textLiteral } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { packageRoot } from './package.ts';
import { run } from './testing/in-process.ts';

const folder = temporaryFolder('transfer');
const output = join(folder, 'runs');
const shipped = (name: string) => JSON.stringify(join(packageRoot, 'models', name));

const config = (more: string) => `model: ${shipped('twin-a')}
dataset: { format: lab, path: ${shipped('lab.yaml')}, twin: A }
candidates: { roles: { duplicate: 16, template: 0, unique: 0, held-out: 0, other-twin: 0 } }
cascade: [{ attack: dcs-antithetic, keep: 2 }]
synthesis: { steps: 6, samples: 1 }
labels: { rules: [reference] }
output: ${JSON.stringify(output)}
${more}`;

describe('several models over one list of candidates', { timeout: 120_000 }, () => {
  let said: Transfer;
  beforeAll(async () => {
    await writeFile(join(folder, 'both.yaml'), config(`alsoModels: [${shipped('twin-b')}]\n`));
    const { code, stdout } = await run('audit', join(folder, 'both.yaml'), '-q', '--json');
    expect(code).toBe(0);
    said = JSON.parse(stdout) as Transfer;
  }, 120_000);

  it('says what each repeats: twin A was trained on these captions, twin B was not', async () => {
    expect(said.models.map(({ name, captions, judged }) => [name, captions, judged])).toEqual([
      ['twin-a', 16, 2],
      ['twin-b', 16, 2],
    ]);
    const [a, b] = said.models;
    expect(a!.MV).toBeGreaterThan(0);
    expect([b!.MV, b!.RV, b!.TV, b!.images]).toEqual([0, 0, 0, 0]);
    expect(said.shared).toEqual([{ models: ['twin-a', 'twin-b'], captions: 0, images: 0 }]);
    expect(said.findings).toHaveLength(a!.MV + a!.RV + a!.TV);
    const rows = await sql<{ model: string; verdict: string | null }>(
      `FROM ${textLiteral(join(output, 'transfer.parquet'))}`,
    );
    expect(rows).toHaveLength(2 * said.findings.length);
    for (const { model, verdict } of rows)
      if (model === 'twin-a') expect(verdict).toBe('MV');
      else expect([null, 'none']).toContain(verdict);
    const [header, ...lines] = (await readFile(join(output, 'verbatims.csv'), 'utf8'))
      .trimEnd()
      .split('\r\n');
    expect(header).toBe('model,rule,captions,judged,MV,RV,TV,images');
    expect(lines[0]).toBe(`twin-a,${a!.rule},16,2,${a!.MV},${a!.RV},${a!.TV},${a!.images}`);
    expect(lines).toHaveLength(2);
  });

  it('goes on where it was, and says the same', async () => {
    const { stdout } = await run('audit', join(folder, 'both.yaml'), '-q', '--json');
    expect(JSON.parse(stdout)).toEqual(said);
  });

  it('compares finished runs, also one with itself: all is shared', async () => {
    const [a, b] = [join(output, 'twin-a'), join(output, 'twin-b')];
    const both = await run('compare', a, b, '--json');
    expect(JSON.parse(both.stdout)).toEqual(said);
    const same = JSON.parse((await run('compare', a, a, '--json')).stdout) as Transfer;
    const [{ MV, images }] = said.models as [Transfer['models'][0]];
    expect(same.shared).toMatchObject([{ captions: MV, images }]);
    expect(new Set(same.models.map(({ name }) => name)).size).toBe(2);
  });

  it('names a model whose outputs are no numbers, judges the others, and ends with 1', async () => {
    await cp(join(packageRoot, 'models/twin-b'), join(folder, 'broken'), { recursive: true });
    const weights = join(folder, 'broken/unet/diffusion_pytorch_model.safetensors');
    const bytes = await readFile(weights);
    // Behind the header, whose length stands in front of it: every bit set is not a number.
    bytes.fill(0xff, 8 + Number(bytes.readBigUInt64LE(0)));
    await writeFile(weights, bytes);
    await writeFile(
      join(folder, 'three.yaml'),
      config(`alsoModels: [${JSON.stringify(join(folder, 'broken'))}, ${shipped('twin-b')}]\n`),
    );
    await rm(join(output, 'transfer.json'));
    const { code, stdout, stderr } = await run('audit', join(folder, 'three.yaml'), '-q', '--json');
    expect(stderr).toMatch(/^verbatim: broken: nothing could be judged: scores\/1: [^\n]*not finite\n$/);
    expect(JSON.parse(stdout)).toEqual(said);
    expect(JSON.parse(await readFile(join(output, 'transfer.json'), 'utf8'))).toEqual(said);
    expect(code).toBe(1);
  });

  it('ends in one line where candidates differ, names clash, or a run is missing', async () => {
    const other = join(folder, 'other');
    await cp(join(output, 'twin-a'), other, { recursive: true });
    const candidates = textLiteral(join(output, 'twin-a/tables/candidates/00000.parquet'));
    await sql(
      `COPY (FROM ${candidates} LIMIT 15) TO ${textLiteral(join(other, 'tables/candidates/00000.parquet'))} (FORMAT parquet)`,
    );
    await writeFile(join(folder, 'clash.yaml'), config(`alsoModels: [${shipped('twin-a')}]\n`));
    for (const [args, message] of [
      [['compare', join(output, 'twin-a'), other], 'audit different captions'],
      [['compare', join(output, 'twin-a')], 'name two runs or more'],
      [['audit', join(folder, 'clash.yaml'), '-q'], 'two models are named twin-a'],
    ] as const) {
      const { code, stderr } = await run(...args);
      expect(stderr).toMatch(/^verbatim: [^\n]*\n$/);
      expect(stderr).toContain(message);
      expect(code).toBe(2);
    }
  });
});
