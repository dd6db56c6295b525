import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePng } from '../images/index.ts';
import { createRandom } from '../math/index.ts';
import { labelColumns, runFolder, runTable } from '../stages/index.ts';
import { readTable } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { configOverrides } from './config/flags.ts';
import { loadAuditConfig } from './config/load.ts';
import { parseOverride } from './config/parse.ts';
import { packageRoot } from './package.ts';
import { run } from './testing/in-process.ts';

const model = join(packageRoot, 'src/models/fixtures/sd1');
const folder = temporaryFolder('ordinary');
const workingFolder = process.cwd();

/** Six pictures of noise in a folder of their own, each of another size. */
async function writePictures(name: string, seed: number): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  const random = createRandom(seed);
  for (let i = 0; i < 6; i += 1) {
    const [width, height] = [20 + 7 * i, 24 + 3 * i];
    const data = Uint8Array.from({ length: width * height * 3 }, () => random.integer(256));
    await writeFile(join(folder, name, `picture ${i}.png`), await encodePng({ width, height, data }));
  }
}

/** A config beside the pictures; the commands are given one folder above. */
const config = (more: string) => `model: ${JSON.stringify(model)}
cascade: [{ attack: dcs, keep: 4 }, { attack: ecs, keep: 2 }]
synthesis: { steps: 1, samples: 1 }
batch: 4
${more}`;

beforeAll(async () => {
  await writePictures('data/pics', 1);
  await writePictures('data/unseen', 2);
  await writeFile(join(folder, 'data/audit.yaml'), config('dataset: pics/'));
  process.chdir(folder);
});
afterAll(async () => {
  process.chdir(workingFolder);
});

describe('an audit of an ordinary dataset', { timeout: 240_000 }, () => {
  it.each([
    ['the whole', ['audit']],
    ['a dry run', ['audit', '--dry-run']],
    ['the scores alone', ['score']],
  ])(
    'is refused before anything is computed when nothing is held out: %s',
    async (_, [command, ...flags]) => {
      const { code, stdout, stderr } = await run(
        command!,
        'data/audit.yaml',
        '--set',
        'output=runs/none',
        ...flags,
      );
      expect(stderr).toBe(
        'verbatim: labels: the rules calibrated, aligned, local need pictures that the model never saw, and there are none; name a dataset of them in labels.heldOut, or set labels.rules to [reference]\n',
      );
      expect([code, stdout]).toEqual([2, '']);
      expect(await readdir(folder)).toEqual(['data']);
    },
  );

  it('is refused before anything is computed when no held-out picture can be read', async () => {
    await mkdir(join(folder, 'data/damaged'), { recursive: true });
    await writeFile(join(folder, 'data/damaged/a.png'), 'no picture');
    const heldOut = ['--set', 'labels.heldOut=data/damaged'];
    const { code, stdout, stderr } = await run('audit', 'data/audit.yaml', '-o', 'runs/none', ...heldOut);
    expect(stderr).toMatch(
      /^verbatim: labels\.heldOut: none of the 1 pictures can be read \(the first: .*a\.png: not a picture.*\n$/,
    );
    expect([code, stdout]).toEqual([2, '']);
    expect(await readdir(folder)).toEqual(['data']);
    // One that can be read is enough.
    await writeFile(
      join(folder, 'data/damaged/b.png'),
      await encodePng({ width: 8, height: 8, data: new Uint8Array(192) }),
    );
    expect((await run('audit', 'data/audit.yaml', '--dry-run', ...heldOut)).code).toBe(0);
  });

  it('says with the plan that held-out pictures are too few for the quantile', async () => {
    const dry = (quantile: number) =>
      run(
        'audit',
        'data/audit.yaml',
        '--dry-run',
        '--set',
        'labels.heldOut=data/unseen',
        '--set',
        `labels.quantile=${quantile}`,
      );
    expect((await dry(0.001)).stderr).toContain(
      'warning  6 held-out pictures; a quantile of 0.001 needs 1,000, so the threshold will be their smallest distance; aligned and local need 20 and are left out\n',
    );
    expect((await dry(0.16)).stderr).toContain('a quantile of 0.16 needs 7,');
    expect((await dry(1 / 6)).stderr).toContain(
      'warning  6 held-out pictures; aligned and local need 20 and are left out\n',
    );
  });

  it('ends without a verdict, not with none found, when held-out pictures leave no rule', async () => {
    const rules = ['--set', 'labels.rules=[aligned, local]', '--set', 'labels.heldOut=data/unseen', '-q'];
    const { code, stderr } = await run(
      ...['audit', 'data/audit.yaml', '-o', 'runs/no-rule', ...rules, '--fail-above', '0'],
    );
    expect(stderr).toMatch(
      /^verbatim: labels: 6 held-out pictures can be read, the rules aligned and local need 20/,
    );
    expect(code).toBe(2);
  });

  it('is gated by the reference rule where that is the only one', async () => {
    const rules = ['--set', 'labels.rules=[reference]', '--set', 'labels.referenceThreshold=1e9', '-q'];
    const gated = await run('audit', 'data/audit.yaml', '-o', 'runs/gate', ...rules, '--fail-above', '0');
    expect(gated.stdout).toMatch(/^found {4}2 training images by the reference rule, from 2 of 6 captions/);
    expect(gated.stderr).toBe('verbatim: 2 images were found, more than --fail-above 0\n');
    expect(gated.code).toBe(100);
    expect((await run('audit', 'runs/gate', '-q', '--fail-above', '2')).code).toBe(0);
  });
});

const reference = ['--set', 'labels.rules=[reference]'];

describe('the paths of a config', () => {
  const load = (...overrides: string[]) => loadAuditConfig('data/audit.yaml', overrides.map(parseOverride));
  const folderAt = (path: string) => ({ format: 'image-folder', path: join(process.cwd(), path) });

  it('are taken from its folder; a path alone is a dataset, its format found by looking', async () => {
    const { dataset } = await load();
    expect(dataset).toMatchObject(folderAt('data/pics'));
    const explicit = await load('dataset={format: image-folder, path: data/pics}');
    expect(explicit.dataset).toEqual(dataset);
    await expect(load('dataset=data/none')).rejects.toThrow(/data\/none: no such file or folder/);
    await writeFile(join(folder, 'data/twins.yaml'), 'seed: 1\n');
    await expect(load('dataset=data/twins.yaml')).rejects.toThrow(
      /data\/twins\.yaml: a config, not pictures; .*\{format: lab, path: .*twins\.yaml, twin: A\}/,
    );
  });

  it.each([
    ['dataset.path=data/unseen', ['dataset={format: image-folder, path: x}']],
    ['dataset=data/unseen', []],
    ['dataset={format: image-folder, path: data/unseen}', []],
  ])('are taken from the working folder when they come from the command line: %s', async (last, before) => {
    expect((await load(...before, last)).dataset).toMatchObject(folderAt('data/unseen'));
    const heldOut = [...before, last].map((text) => text.replaceAll('dataset', 'labels.heldOut'));
    expect((await load(...heldOut)).labels.heldOut).toMatchObject(folderAt('data/unseen'));
  });

  it('say the same of the model and of a lab’s photographs', async () => {
    expect((await load('model=data/model')).model).toBe(join(process.cwd(), 'data/model'));
    await writeFile(join(folder, 'data/lab.yaml'), 'source: { format: photographs, path: p.parquet }\n');
    const { stderr } = await run('lab', 'train', 'data/lab.yaml', '--set', 'source.path=q.parquet', '-q');
    expect(stderr).toContain(join(process.cwd(), 'q.parquet'));
    expect((await run('lab', 'train', 'data/lab.yaml', '-q')).stderr).toContain(
      join(process.cwd(), 'data/p.parquet'),
    );
  });

  it('go with a format that is named by --format, also where the dataset is a path alone', async () => {
    await writeFile(join(folder, 'data/prompts.jsonl'), '{"text": "a"}\n');
    const overrides = [
      parseOverride('dataset=data/prompts.jsonl'),
      ...configOverrides({ format: 'captions' }),
    ];
    const { dataset } = await loadAuditConfig('data/audit.yaml', overrides);
    expect(dataset).toEqual({ format: 'captions', path: join(process.cwd(), 'data/prompts.jsonl') });
    const images = parseOverride('dataset={format: embeddings, path: data/e, images: data/pics}');
    expect((await loadAuditConfig('data/audit.yaml', [images])).dataset).toMatchObject({
      images: join(process.cwd(), 'data/pics'),
    });
  });

  it('lead to pictures: captions alone are refused before the model is opened', async () => {
    await writeFile(join(folder, 'data/prompts.jsonl'), '{"text": "a"}\n');
    const refused = await run(
      'audit',
      'data/audit.yaml',
      '--set',
      'dataset=data/prompts.jsonl',
      ...reference,
    );
    expect(refused.stderr).toMatch(/prompts\.jsonl \(format captions\) holds captions without pictures/);
    expect(refused.code).toBe(2);
  });

  it.each([
    ['dataset: 3', 'wrong.yaml:5:10: dataset: expected a path or {format, …}, got 3'],
    ['dataset: pics\nlabels: { heldOut: null }', 'labels.heldOut: expected a path or {format, …}, got null'],
    ['dataset: pics\nalsoScore: [dsc]', /wrong\.yaml:6:13: alsoScore\.0: .*; did you mean 'dcs'\?$/],
    [
      'dataset: pics\nalsoScore: [{ attack: seedvariance }]',
      /alsoScore\.0\.attack: .*; did you mean 'seed-variance'\?$/,
    ],
    ['dataset: { format: tar }', 'dataset.format: expected one of "lab", "img2dataset"'],
    ['dataset: { format: lab, path: x, twn: A }', "unknown key 'twn' in dataset; did you mean 'twin'?"],
    ['dataset: { format: lab, path: x }', 'dataset.twin is missing; give one of "A", "B"'],
    ['', 'dataset is missing'],
  ])('stand in a dataset that is checked: %s', async (text, message) => {
    await writeFile(join(folder, 'data/wrong.yaml'), config(text));
    await expect(loadAuditConfig('data/wrong.yaml')).rejects.toThrow(message);
  });

  describe('with a descriptor', () => {
    const labelled = (output: string, index: string) =>
      run(
        ...['audit', 'data/audit.yaml', '-o', output, '-q', '--set', 'labels.heldOut=data/unseen'],
        ...['--set', `labels.descriptor={index: ${index}, threshold: 0.9}`],
      );

    beforeAll(async () => {
      for (const [pictures, descriptor] of [
        ['data/pics', 'pixels'],
        ['data/unseen', 'pixels'],
        ['data/pics', 'phash'],
      ] as const)
        await run('index', pictures, '-o', `${pictures}-${descriptor}`, '--descriptor', descriptor, '-q');
    });

    it('has a row of that rule beside the others, with similarity and level', async () => {
      expect(await labelled('runs/described', 'data/pics-pixels')).toMatchObject({ code: 0 });
      const rows = await readTable(await runTable(runFolder('runs/described'), 'labels'), labelColumns);
      const described = rows.filter(({ rule }) => rule === 'descriptor');
      expect(described).toHaveLength(rows.length / 3);
      for (const { verdict, distance, threshold, evidence } of described) {
        const { similarity, level } = JSON.parse(evidence!) as { similarity: number; level: string };
        expect(distance).toBeCloseTo(1 - similarity, 12);
        expect(threshold).toBeCloseTo(0.1, 12);
        expect(verdict === 'none').toBe(similarity <= 0.9);
        expect(level).toBe(similarity > 0.5 ? 'similar' : 'none');
      }
    });

    it.each([
      ['data/unseen-pixels', /is an index of unseen \([0-9a-f]{12}\), not of the training set pics/],
      ['data/pics-phash', /holds hashes \(phash\), which have no level of similarity/],
      ['data/nowhere', /data\/nowhere/],
    ])('refuses %s before anything is computed', async (index, message) => {
      const { code, stderr } = await labelled('runs/refused', index);
      expect(stderr).toMatch(message);
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
      expect(code).toBeGreaterThan(0);
      expect(await readdir('runs')).not.toContain('refused');
    });
  });
});
