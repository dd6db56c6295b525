import { spawn } from 'node:child_process';
import { access, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { oneStep, openPipeline } from '../diffusion/index.ts';
import { isPicture } from '../images/index.ts';
import { mean } from '../math/index.ts';
import { noiseFor } from '../noise/index.ts';
import { readLog, type VerificationRow, verificationColumns } from '../stages/index.ts';
import { contentPath, readTable, sha256, sql, tableFiles, textLiteral } from '../tables/index.ts';
import { compiled } from '../testing/compiled.ts';
import { fingerprint } from '../testing/fingerprint.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { killAsItGrows } from '../testing/kills.ts';
import { packageRoot } from './package.ts';
import { run } from './testing/in-process.ts';

const model = join(packageRoot, 'models/twin-a');
const folder = temporaryFolder('verify');
const audited = join(folder, 'run');
const file = (name: string) => join(folder, name);

interface Found {
  readonly caption: string;
  readonly training_image: string;
  readonly image: string;
}
let found: Found[];

const verify = (target: string, output: string, ...flags: string[]) =>
  run('verify', target, '-o', file(output), '-q', '--json', ...flags);

async function rowsOf(output: string): Promise<VerificationRow[]> {
  return readTable(await tableFiles(file(`${output}/tables/verifications`)), verificationColumns);
}

beforeAll(async () => {
  // Names chosen by their copies: found whatever else is drawn.
  await writeFile(
    file('audit.yaml'),
    `model: ${JSON.stringify(model)}
dataset: { format: lab, path: ${JSON.stringify(join(packageRoot, 'models/lab.yaml'))}, twin: A }
candidates: { roles: { duplicate: 24, template: 0, unique: 0, held-out: 0, other-twin: 0 } }
cascade: [{ attack: dcs-antithetic, keep: 3 }]
synthesis: { steps: 6, samples: 1 }
labels: { rules: [reference] }
output: ${JSON.stringify(audited)}
`,
  );
  const { code } = await run('audit', file('audit.yaml'), '-q', '--threads', '2');
  expect(code).toBe(0);
  found = await sql<Found>(
    `SELECT caption, training_image, image FROM read_parquet(${textLiteral(`${audited}/tables/labels/*.parquet`)}) AS labels
     JOIN read_parquet(${textLiteral(`${audited}/tables/candidates/*.parquet`)}) AS candidates USING (key) WHERE verdict = 'MV' ORDER BY key`,
  );
  expect(found.length).toBeGreaterThan(1);
}, 120_000);

describe('verbatim verify, of a run', { timeout: 600_000 }, () => {
  it('reproduces every finding with another thread count and batch, from the report’s file', async () => {
    const { code, stdout } = await verify(
      join(audited, 'report/summary.json'),
      'again',
      '--threads',
      '1',
      '--batch',
      '1',
    );
    expect(JSON.parse(stdout)).toMatchObject({ reproduced: found.length, failed: 0, unjudged: 0 });
    expect(code).toBe(0);
    const rows = await rowsOf('again');
    expect(rows.map(({ recorded_image }) => recorded_image).sort()).toEqual(
      found.map(({ image }) => image).sort(),
    );
    for (const { rms, distance, recorded_distance, threshold, verbatim } of rows) {
      expect(rms).toBeLessThan(1 / 255);
      expect(Math.abs(distance! / recorded_distance! - 1)).toBeLessThan(0.01);
      expect(distance).toBeLessThan(threshold!);
      expect(verbatim).toBe(true);
    }
  });

  it('goes on where it was, with the same bytes', async () => {
    const shard = file('again/tables/verifications/00001.parquet');
    const before = await readFile(shard);
    await rm(shard);
    expect((await verify(audited, 'again', '--threads', '2', '--batch', '1')).code).toBe(0);
    expect(await readFile(shard)).toEqual(before);
  });

  it('ends with the same bytes when it is killed amid its work, and makes no picture again that is in its table', async () => {
    const flags = ['--steps', '1,2,3', '--batch', '1', '--threads', '1', '-q', '--json'];
    const whole = await run('verify', audited, '-o', file('undisturbed'), ...flags);
    expect(whole.code).toBe(0);
    const main = await compiled('cli/main.ts');
    const args = [main, 'verify', audited, '-o', file('killed'), ...flags];
    const start = () => spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    // A picture comes with a folder of its own, and there is a shard for every two: amid the third picture, and later.
    const kills = await killAsItGrows(start, file('killed'), () => 11);
    expect(kills).toBeGreaterThan(0);
    expect(await fingerprint(file('killed'))).toEqual(await fingerprint(file('undisturbed')));
    const shards = (await tableFiles(file('killed/tables/verifications'))).length;
    expect(shards).toBeGreaterThan(2);
    const logged = await readLog(file('killed/log.jsonl'));
    expect(new Set(logged.map(({ shard }) => shard)).size).toBe(shards);
    // A kill costs the shard that it falls into, which is logged once more at most.
    expect(logged.length).toBeLessThanOrEqual(shards + kills);
  });

  it('says at how many steps a finding is verbatim first', async () => {
    const { code, stdout } = await verify(audited, 'sweep', '--steps', '6,1', '--limit', '1');
    expect(code).toBe(0);
    const outcome = JSON.parse(stdout) as {
      findings: { verbatimSteps: number[]; firstSteps: number }[];
      bySteps: { steps: number; verbatim: number }[];
    };
    expect(outcome.bySteps.map(({ steps }) => steps)).toEqual([1, 6]);
    expect(outcome.bySteps[1]).toMatchObject({ verbatim: 1 });
    const rows = await rowsOf('sweep');
    expect(rows.map(({ steps, sampler }) => [steps, sampler])).toEqual([
      [1, 'euler'],
      [6, 'heun'],
    ]);
    const within = rows.filter(({ distance, threshold }) => distance! < threshold!).map(({ steps }) => steps);
    expect(outcome.findings[0]!.verbatimSteps).toEqual(within);
    expect(outcome.findings[0]!.firstSteps).toBe(within[0]);
    const page = await readFile(file('sweep/report/index.html'), 'utf8');
    expect(page).toContain('By number of steps');
    const sources = [...page.matchAll(/<img src="\.\.\/([^"]+)"/g)].map((match) => match[1]!);
    expect(sources).toHaveLength(2);
    for (const source of sources) await access(file(`sweep/${source}`));
  });

  it('does not reproduce them with another model, and says that it is another', async () => {
    const { code, stdout, stderr } = await run(
      'verify',
      audited,
      '-o',
      file('other'),
      '--model',
      join(packageRoot, 'models/twin-b'),
      '--limit',
      '1',
    );
    expect(code).toBe(1);
    expect(stderr).toContain('warning  the findings are of another model');
    expect(stdout).toContain('verified 0 of 1 findings reproduce, 1 do not');
  });
});

describe('verbatim verify, of a ground-truth table', { timeout: 60_000 }, () => {
  const url = (i: number) => `https://example.org/${i}.jpg`;
  const flags = ['--model', model, '--guidance', '3', '--noise', 'torch-cpu', '--steps', '6'];
  const row = (i: number, kind: string, seeds: string, urls: string) =>
    `(${textLiteral(found[i]!.caption)}, ${textLiteral(url(i))}, '${kind}', ${seeds}::BIGINT[], ${urls}::VARCHAR[])`;

  beforeAll(async () => {
    const rows = [
      row(0, 'MV', '[]', '[]'),
      row(1, 'RV', '[0]', `['${url(1)}']`),
      row(1, 'N', '[]', '[]'),
      row(0, 'TV', '[0]', `['${url(0)}']`),
    ];
    await sql(
      `COPY (SELECT * FROM (VALUES ${rows.join(', ')}) t(caption, url, overfit_type, gen_seeds, retrieved_urls))
       TO ${textLiteral(file('truth.parquet'))} (FORMAT parquet)`,
    );
    await mkdir(file('pictures'));
    const stored = (i: number) => join(audited, 'images', contentPath(found[i]!.training_image, 'png'));
    await copyFile(stored(0), file('pictures/dl_000.png'));
    await copyFile(stored(1), file(`pictures/${sha256(url(1))}.png`));
  });

  it('judges its rows by the pictures that are there', async () => {
    const { code, stdout, stderr } = await verify(
      file('truth.parquet'),
      'table',
      ...flags,
      '--images',
      file('pictures'),
      '--samples',
      '1',
    );
    // The template has neither picture by its address nor mask.
    expect(JSON.parse(stdout)).toMatchObject({
      findings: [
        { finding: '0', verdict: 'MV', reproduces: true },
        { finding: '1', verdict: 'RV', reproduces: true, threshold: 3000 },
        { finding: '3', verdict: 'TV', reproduces: null },
      ],
      unjudged: 1,
    });
    expect(stderr).toContain('the first, 3: there is no picture of https://example.org/0.jpg');
    expect(code).toBe(1);
  });

  it('makes pictures alone where there is nothing to compare with', async () => {
    const { code } = await verify(file('truth.parquet'), 'alone', ...flags, '--limit', '1');
    expect(code).toBe(0);
    const rows = await rowsOf('alone');
    expect(rows.map(({ seed, verbatim }) => [seed, verbatim])).toEqual([
      [0n, null],
      [1n, null],
    ]);
    for (const { image } of rows)
      expect((await readFile(file(`alone/images/${contentPath(image!, 'png')}`))).length).toBeGreaterThan(
        100,
      );
  });

  it.each([
    ['another table', ['tables/candidates/00000.parquet'], 'has no column overfit_type'],
    ['no model', ['truth.parquet'], 'names no model; give it with --model'],
    ['a list that leads out', ['truth.parquet', ...flags, '--images', 'out'], 'img_file leads out'],
  ])('refuses %s in one line', async (_, [target, ...more], message) => {
    await mkdir(file('out'), { recursive: true });
    await sql(
      `COPY (SELECT 'x' AS url, '../secret.png' AS img_file) TO ${textLiteral(file('out/metadata.parquet'))} (FORMAT parquet)`,
    );
    await copyFile(join(audited, 'tables/candidates/00000.parquet'), file('captions.parquet'));
    const path = target === 'truth.parquet' ? file(target) : file('captions.parquet');
    const given = more.map((flag) => (flag === 'out' ? file('out') : flag));
    const wanted = given.length > 0 || target === 'truth.parquet' ? given : ['--model', model];
    const { code, stderr } = await verify(path, 'none', ...wanted);
    expect(stderr).toMatch(/^verbatim: [^\n]*\n$/);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});

describe('verbatim score, of a Parquet file of captions', { timeout: 60_000 }, () => {
  it('writes a copy with all columns and the scores of dcs, and compares rankings', async () => {
    await sql(
      `COPY (SELECT caption, 'https://x/' || key AS url, [1, 2] AS list, row_number() OVER () AS rank FROM
         read_parquet(${textLiteral(`${audited}/tables/candidates/*.parquet`)}) ORDER BY key LIMIT 6) TO ${textLiteral(file('some.parquet'))} (FORMAT parquet)`,
    );
    await sql(
      `COPY (FROM ${textLiteral(file('some.parquet'))} UNION ALL SELECT NULL, NULL, NULL, 9) TO ${textLiteral(file('list.parquet'))} (FORMAT parquet)`,
    );
    const score = (table: string, output: string, ...flags: string[]) =>
      run('score', '--model', model, '--captions', file(table), '-o', file(output), '-q', '--json', ...flags);
    const { code, stdout } = await score('list.parquet', 'scored');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ rows: 7, failed: 0, added: [{ column: 'scores' }] });
    const copied = await sql<{ caption: string | null; scores: number | null; list: unknown }>(
      `FROM ${textLiteral(file('scored/list.parquet'))}`,
    );
    const captions = copied.slice(0, 6).map(({ caption }) => caption!);
    const printed = await run(
      'score',
      '--model',
      model,
      '-q',
      '--json',
      ...captions.flatMap((c) => ['--caption', c]),
    );
    const expected = (JSON.parse(printed.stdout) as { score: number }[]).map(({ score }) => score);
    copied.slice(0, 6).forEach(({ scores, list }, i) => {
      expect(Math.abs(scores! / expected[i]! - 1)).toBeLessThan(1e-5);
      expect(list).toEqual([1, 2]);
    });
    expect(copied[6]).toMatchObject({ caption: null, scores: null, rank: 9 });

    await copyFile(file('scored/list.parquet'), file('published.parquet'));
    const again = await score('published.parquet', 'compared', '--compare', 'scores');
    expect(JSON.parse(again.stdout)).toMatchObject({ added: [{ column: 'dcs', spearman: 1, compared: 6 }] });
    // Goes on in the same folder: nothing is computed again.
    const flags = ['-o', file('compared'), '-q', '--compare', 'scores'];
    const said = await run('score', '--model', model, '--captions', file('published.parquet'), ...flags);
    expect(said.stdout).toMatch(/^spearman 1\.0000 {2}n=6 {2}dcs and scores\n/);
    const text = await score('published.parquet', 'none', '--compare', 'url');
    expect(text.stderr).toMatch(/: column url is VARCHAR, not numbers[^\n]*; those are rank, scores\n$/);
    expect(text.code).toBe(2);
    const refused = await score('published.parquet', 'none', '--compare', 'nothing');
    expect(refused.stderr).toContain('has no column nothing to compare with');
    expect(refused.code).toBe(2);
  });

  it('gives dcs-greybox as computed from the picture of one step and the encoder alone', async () => {
    const { caption } = found[0]!;
    const pipeline = await openPipeline(model, { threads: 1 });
    const { pictures } = await oneStep(pipeline, { captions: [caption], seeds: [0], guidance: 7.5 });
    const latents = await pipeline.encode(pictures.filter(isPicture));
    const { sigmaMax, sampleShape } = pipeline.denoiser;
    await pipeline.close();
    const noise = noiseFor([0], sampleShape, 'torch-cpu').data;
    const expected = mean(noise.map((value, i) => (sigmaMax * value - latents.data[i]!) ** 2));
    const flags = ['--model', model, '-q', '--json', '--attack', 'dcs-greybox', '--threads', '1'];
    const { stdout } = await run('score', ...flags, '--caption', caption);
    const [{ score }] = JSON.parse(stdout) as [{ score: number }];
    expect(Math.abs(score / expected - 1)).toBeLessThan(1e-5);
  });
});
