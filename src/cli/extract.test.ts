import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeParquet } from '../datasets/testing/write-formats.ts';
import { decodePicture, encodePng, type Picture, rms } from '../images/index.ts';
import {
  type ExtractSummary,
  extractedColumns,
  extractGenerationColumns,
  neighbourColumns,
  runFolder,
  runTable,
  trainingColumns,
} from '../stages/index.ts';
import { contentPath, readTable, sql } from '../tables/index.ts';
import { compiled } from '../testing/compiled.ts';
import { fingerprint } from '../testing/fingerprint.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { killAsItGrows } from '../testing/kills.ts';
import { type Outcome, run } from './testing/in-process.ts';
import { smoothPictures, writeFolder, writeMemorizer } from './testing/memorizer.ts';

const folder = temporaryFolder('extract');
const fixtures = fileURLToPath(new URL('../models/fixtures/', import.meta.url));
const all = smoothPictures(420, 1);
/** What the model saw: 240 pictures, the first eight of which it has memorized. */
const training = all.slice(0, 240);
const heldOut = all.slice(240);
let train: string;
let held: string;
let gan: string;

beforeAll(async () => {
  train = await writeFolder(join(folder, 'train'), training);
  held = await writeFolder(join(folder, 'held'), heldOut);
  gan = await writeMemorizer(join(folder, 'gan.onnx'), training.slice(0, 8));
});

const extract = (dataset: string, ...flags: string[]) =>
  run('extract', dataset, '-q', '--threads', '1', ...flags);

async function summaryOf(output: string): Promise<ExtractSummary> {
  return JSON.parse(await readFile(join(output, 'summary.json'), 'utf8')) as ExtractSummary;
}

const rowsOf = async (output: string) =>
  readTable(await runTable(runFolder(output), 'extracted'), extractedColumns);

describe('verbatim extract', () => {
  const output = join(folder, 'run');
  const flags = () => [
    '--model',
    gan,
    '--held-out',
    held,
    '--samples',
    '96',
    '-n',
    '20',
    '--shard-size',
    '20',
  ];

  let first: Outcome;
  beforeAll(async () => {
    first = await extract(train, ...flags(), '-o', output, '--fail-above', '8');
  });

  it('finds what a generator has memorized and nothing else, with the pairs', async () => {
    const { code, stdout, stderr } = first;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^found {4}8 training images, in \d+ of 96 generated pictures\nwithin {3}0\.\d+, /,
    );
    const rows = await rowsOf(output);
    const found = rows.filter(({ extracted }) => extracted);
    expect(found.map(({ training_index }) => training_index).sort((a, b) => a - b)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7,
    ]);
    expect(rows.map(({ rank }) => rank)).toEqual(rows.map((_, i) => i + 1));
    const distances = found.map(({ normalised }) => normalised);
    expect(distances).toEqual(distances.toSorted((a, b) => a - b));
    for (const { image, training_image, training_index, distance, seed } of found) {
      const pictures: Picture[] = [];
      for (const digest of [image, training_image]) {
        const bytes = await readFile(join(output, 'images', contentPath(digest, 'png')));
        expect(createHash('sha256').update(bytes).digest('hex')).toBe(digest);
        pictures.push(await decodePicture(bytes, { where: digest }));
      }
      expect(pictures[1]!.data).toEqual(training[training_index]!.data);
      expect(distance).toBeCloseTo(rms(pictures[0]!, pictures[1]!), 12);
      // The seed makes the picture again.
      if (training_index > 1) continue;
      const again = join(folder, 'again');
      await run('generate', '--model', gan, '-q', '--threads', '1', '--seed', String(seed), '-o', again);
      const made = await decodePicture(await readFile(join(again, '00000-0.png')), { where: 'again' });
      expect(made.data).toEqual(pictures[0]!.data);
    }
  });

  it('has the distances of the definition, for generated and held-out pictures alike', async () => {
    const rows = await readTable(await runTable(runFolder(output), 'neighbours/held-out'), neighbourColumns);
    expect(rows).toHaveLength(heldOut.length);
    for (const { item, training_index, distance, background, normalised } of rows.slice(0, 30)) {
      const near = training.map((picture) => rms(heldOut[item]!, picture)).sort((a, b) => a - b);
      const mean = near.slice(0, 20).reduce((sum, value) => sum + value, 0) / 20;
      expect(distance).toBeCloseTo(near[0]!, 12);
      expect(rms(heldOut[item]!, training[training_index!]!)).toBeCloseTo(near[0]!, 12);
      expect(background).toBeCloseTo(mean, 12);
      expect(normalised).toBeCloseTo(near[0]! / (0.5 * mean), 12);
    }
  });

  it('counts in its summary what stands in its tables', async () => {
    const summary = await summaryOf(output);
    const { threshold, extracted } = summary;
    const [counted] = await sql<{ n: number; h: number }>(
      `SELECT (SELECT count(*) FROM '${output}/tables/neighbours/generated/*.parquet' WHERE normalised <= ${threshold.value}) AS n,
        (SELECT count(*) FROM '${output}/tables/neighbours/held-out/*.parquet' WHERE normalised <= ${threshold.value}) AS h`,
    );
    expect(extracted).toMatchObject({ images: 8, pictures: 8, generations: counted!.n });
    expect(threshold).toMatchObject({
      by: 'tail',
      share: 1 / 96,
      heldOut: { compared: 180, within: counted!.h },
    });
    expect(extracted.expectedFalsePositives).toBeCloseTo(1, 9);
    expect(summary.growth.at(-1)).toEqual({ generated: 96, images: 8 });
    expect(summary.histogram.reduce((sum, { generated }) => sum + generated, 0)).toBe(96);
    expect(summary.histogram.reduce((sum, bin) => sum + bin.heldOut, 0)).toBe(180);
    const csv = (await readFile(join(output, 'extracted.csv'), 'utf8')).trim().split('\r\n');
    expect(csv[0]).toBe(
      'rank,training_index,key,caption,members,copies,times,first,generation,seed,generated_key,distance,background,normalised,mirrored,image,training_image',
    );
    expect(csv).toHaveLength(9);
  });

  it('writes a page that holds the pairs, no script, and no picture that is not there', async () => {
    const page = await readFile(join(output, 'report/index.html'), 'utf8');
    expect(page).toContain('<em>8</em> training images in 96 generated pictures');
    expect(page).not.toMatch(/<script/i);
    const shown = [...page.matchAll(/src="([^"]+)"/g)].map((match) => match[1]!);
    expect(shown.length).toBeGreaterThanOrEqual(24);
    for (const path of shown) await readFile(join(output, 'report', path));
  });

  it('goes on with another threshold without making pictures again', async () => {
    const before = await fingerprint(join(output, 'tables/neighbours'));
    const log = (await readFile(join(output, 'log.jsonl'), 'utf8')).trim().split('\n').length;
    const few = [...flags(), '-o', output, '--false-positives', '.001'];
    const { code, stderr } = await extract(train, ...few, '--fail-above', '0');
    expect({ code, stderr }).toEqual({
      code: 100,
      stderr: expect.stringMatching(/^verbatim: \d images were found, more than --fail-above 0\n$/),
    });
    expect((await summaryOf(output)).threshold.value).toBeLessThan(0.3);
    expect(await fingerprint(join(output, 'tables/neighbours'))).toEqual(before);
    const after = (await readFile(join(output, 'log.jsonl'), 'utf8')).trim().split('\n');
    expect(after.slice(log).map((line) => (JSON.parse(line) as { stage: string }).stage)).toEqual([
      'extracted',
    ]);
    const other = await extract(train, ...few.map((flag) => (flag === '96' ? '97' : flag)));
    expect(other).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('config.samples is 96 there and 97 here'),
    });
  });

  it('ends with the same bytes after any number of kills', async () => {
    const main = await compiled('cli/main.ts');
    const killed = join(folder, 'killed');
    const whole = join(folder, 'whole');
    expect((await extract(train, ...flags(), '-o', whole)).code).toBe(0);
    const start = () =>
      spawn(process.execPath, [main, 'extract', train, '-q', '--threads', '1', ...flags(), '-o', killed], {
        stdio: 'ignore',
      });
    expect(await killAsItGrows(start, killed, (kills) => 12 + 20 * kills)).toBeGreaterThan(1);
    expect(await fingerprint(killed)).toEqual(await fingerprint(whole));
  });

  it('counts near-duplicates of the training set once, and copies with the same pixels as copies', async () => {
    const near = training[0]!.data.map((value, i) => (i % 16 === 0 ? Math.min(255, value + 1) : value));
    const doubled = [...training, training[1]!, training[1]!, { ...training[0]!, data: near }];
    const path = await writeFolder(join(folder, 'doubled'), doubled);
    const mixed = await writeMemorizer(join(folder, 'mixed.onnx'), [
      training[0]!,
      doubled[242]!,
      training[1]!,
    ]);
    const to = join(folder, 'grouped');
    const { code } = await extract(
      path,
      '--model',
      mixed,
      '--held-out',
      held,
      '--samples',
      '40',
      '-n',
      '20',
      '-o',
      to,
    );
    expect(code).toBe(0);
    const found = (await rowsOf(to)).filter(({ extracted }) => extracted);
    expect(found.map(({ members, copies }) => [members, copies]).sort()).toEqual([
      ['[0,242]', 2],
      ['[1]', 3],
    ]);
    const all = await readTable(await runTable(runFolder(to), 'training'), trainingColumns);
    expect([240, 241].map((index) => all[index]!.row)).toEqual([1, 1]);
    expect(await summaryOf(to)).toMatchObject({
      dataset: { size: 243, distinct: 241 },
      extracted: { images: 2, pictures: 3 },
    });
  });

  it('shows how often the model saw a picture where the training set says so', async () => {
    const encoded = await Promise.all(training.slice(0, 40).map(encodePng));
    const path = join(folder, 'told.parquet');
    await writeParquet(
      path,
      "from_base64(data) AS image, copies::BIGINT AS copies, 'a picture' AS text",
      'data, copies',
      encoded.map((bytes, i) => [
        `'${Buffer.from(bytes).toString('base64')}'`,
        i === 1 ? '70' : i === 2 ? 'NULL' : '3',
      ]),
    );
    const to = join(folder, 'told');
    const { code } = await extract(
      path,
      '--model',
      gan,
      '--samples',
      '30',
      '-n',
      '20',
      '--threshold',
      '.1',
      '-o',
      to,
    );
    expect(code).toBe(0);
    const copies = new Map((await rowsOf(to)).map((row) => [row.training_index, row.copies]));
    expect([0, 1, 2].map((index) => copies.get(index))).toEqual([3, 70, 1]);
  });

  it('takes a folder of pictures, of another size than the training set, with failures as rows', async () => {
    const made = await writeFolder(join(folder, 'made'), [training[3]!, ...heldOut.slice(0, 3)]);
    await writeFile(join(made, '0001.png'), 'no picture');
    const large = join(folder, 'large');
    await mkdir(large);
    for (const name of (await readdir(train)).slice(0, 60)) {
      const sharp = (await import('sharp')).default;
      await sharp(join(train, name)).resize(32, 32, { kernel: 'nearest' }).png().toFile(join(large, name));
    }
    await writeFile(join(large, '0050.png'), 'no picture');
    const to = join(folder, 'pictures');
    const { code, stdout } = await extract(
      large,
      '--pictures',
      made,
      '-n',
      '10',
      '-o',
      to,
      '--threshold',
      '.5',
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /found {4}1 training images, in 1 of 4 .*\nwithin {3}0\.500, no false positive rate is known\n/,
    );
    expect(stdout).toContain('failed   1 generated pictures\nfailed   1 of 60 training pictures');
    const [first] = await rowsOf(to);
    expect(first).toMatchObject({
      training_index: 3,
      extracted: true,
      seed: null,
      generated_key: '0000.png',
    });
    const generations = await readTable(
      await runTable(runFolder(to), 'generations'),
      extractGenerationColumns,
    );
    expect(generations.map(({ row }) => row)).toEqual([0, null, 1, 2]);
    expect(generations[1]!.error).toMatch(/0001\.png/);
    expect(await summaryOf(to)).toMatchObject({
      heldOut: null,
      size: { width: 8, height: 8 },
      generated: { pictures: 4, failed: 1, distinct: 3 },
      extracted: { expectedFalsePositives: null },
    });
    const gate = await extract(
      large,
      '--pictures',
      made,
      '-n',
      '10',
      '-o',
      to,
      '--threshold',
      '.5',
      '--fail-above',
      '1',
    );
    expect(gate).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--fail-above 1 cannot be decided'),
    });
  });

  it('says so where all generated pictures are the same', async () => {
    const same = await writeFolder(
      join(folder, 'same'),
      Array.from({ length: 12 }, () => training[5]!),
    );
    const to = join(folder, 'collapsed');
    const { code, stdout } = await extract(
      train,
      '--pictures',
      same,
      '--held-out',
      held,
      '-n',
      '20',
      '-o',
      to,
    );
    expect(code).toBe(0);
    expect(stdout).toContain('found    1 training images, in 12 of 12');
    expect(stdout).toContain('warning  all generated pictures are the same');
    expect((await rowsOf(to))[0]).toMatchObject({ training_index: 5, times: 12, normalised: 0, first: 0 });
  });

  it('finds mirrored pictures where it is asked to', async () => {
    const flipped = training.slice(0, 4).map((picture) => {
      const data = Uint8Array.from(picture.data, (_, i) => {
        const [y, x, c] = [Math.floor(i / 24), Math.floor(i / 3) % 8, i % 3];
        return picture.data[y * 24 + (7 - x) * 3 + c]!;
      });
      return { ...picture, data };
    });
    const mixed = await writeFolder(join(folder, 'flipped'), [...flipped, training[9]!]);
    const found = async (to: string, ...more: string[]) => {
      await extract(
        train,
        '--pictures',
        mixed,
        '-n',
        '20',
        '--threshold',
        '.05',
        '-o',
        join(folder, to),
        ...more,
      );
      const rows = (await rowsOf(join(folder, to))).filter(({ extracted }) => extracted);
      return rows.map(({ training_index, mirrored }) => [training_index, mirrored]).sort();
    };
    expect(await found('unmirrored')).toEqual([[9, null]]);
    expect(await found('mirrored', '--mirror')).toEqual([
      [0, true],
      [1, true],
      [2, true],
      [3, true],
      [9, false],
    ]);
    // The pair is stored as it was compared: mirrored too, so that both are the same file.
    for (const row of (await rowsOf(join(folder, 'mirrored'))).slice(0, 5))
      expect(row.training_image).toBe(row.image);
  });

  it('samples a diffusion model without captions, larger pictures at --side, and counts its evaluations', async () => {
    const to = join(folder, 'ddpm');
    const model = ['--model', `${fixtures}ddpm`, '--samples', '5', '--steps', '2', '--sampler', 'ddim'];
    const flags = [...model, '-n', '20', '--side', '4', '--threads', '1', '-o', to];
    const { code, stderr } = await run('extract', train, ...flags);
    expect(code).toBe(0);
    expect(stderr).toContain('plan     at most 10 evaluations');
    const summary = await summaryOf(to);
    expect(summary).toMatchObject({
      size: { width: 4, height: 4 },
      generated: { pictures: 5, evaluations: 10 },
    });
  });
});

describe('verbatim extract refuses, in one line and before anything is made,', () => {
  const refused = async (args: readonly string[], message: RegExp) => {
    const to = join(folder, 'refused');
    await rm(to, { recursive: true, force: true });
    const { code, stderr, stdout } = await extract(train, ...args, '-o', to);
    expect(stderr).toMatch(/^verbatim: [^\n]*\n/);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    // The folder is free for another try.
    expect(existsSync(to)).toBe(false);
  };

  it.each<[string, () => string[], RegExp]>([
    ['no source', () => [], /give --model, or --pictures/],
    ['two sources', () => ['--model', gan, '--pictures', held], /one of the two/],
    ['a model with captions', () => ['--model', `${fixtures}sd1`], /takes captions; use `verbatim audit`/],
    ['a model with classes', () => ['--model', `${fixtures}classes`], /takes classes; make pictures of each/],
    ['a model that is not there', () => ['--model', join(folder, 'none')], /there is no such file/],
    [
      'a folder of pictures as a model',
      () => ['--model', held],
      /give a folder of generated pictures as --pictures/,
    ],
    ['no samples', () => ['--model', gan, '--samples', '0'], /at least 1/],
    ['seeds of pictures', () => ['--pictures', held, '--seed', '3'], /--seed goes with --model/],
    ['steps of a generator', () => ['--model', gan, '--steps', '3'], /--steps goes with a diffusion model/],
    [
      'more neighbours than pictures',
      () => ['--model', gan, '-n', '240'],
      /--neighbours 240 needs more than 240 .* has 240/,
    ],
    ['one neighbour', () => ['--model', gan, '-n', '1'], /at least 2/],
    [
      'a budget without held-out pictures',
      () => ['--model', gan, '--false-positives', '1'],
      /goes with --held-out/,
    ],
    [
      'a budget of none',
      () => ['--model', gan, '--held-out', held, '--false-positives', '0'],
      /within any threshold/,
    ],
  ])('%s', (_, args, message) => refused(args(), message));

  it('a training set without pictures, or with none that can be read', async () => {
    const captions = join(folder, 'captions.csv');
    await writeFile(captions, 'caption\na bus\n');
    const listed = await extract(captions, '--model', gan, '-o', join(folder, 'nothing'));
    expect(listed).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/captions without pictures, and an extraction/),
    });
    const broken = join(folder, 'broken');
    await mkdir(broken);
    await writeFile(join(broken, 'a.png'), 'no picture');
    const unread = await extract(broken, '--model', gan, '-o', join(folder, 'nothing'));
    expect(unread).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/none of the 1 pictures of broken can be read/),
    });
  });

  it('gives back the folder that it has made, and no other', async () => {
    const few = ['--model', gan, '-n', '5000'];
    const own = join(folder, 'own');
    await mkdir(own);
    await writeFile(join(own, '.keep'), 'mine');
    const message = /--neighbours 5000 needs more than 5000 different training pictures/;
    expect((await extract(train, ...few, '-o', own)).stderr).toMatch(message);
    expect(await readFile(join(own, '.keep'), 'utf8')).toBe('mine');
    await refused(few, message);
    // A run that was there is gone on with after the refusal.
    const to = join(folder, 'refused');
    const run = ['--model', gan, '-n', '20', '--samples', '4', '-o', to];
    expect((await extract(train, ...run)).code).toBe(0);
    expect((await extract(train, ...run, '-n', '5000')).code).toBe(2);
    expect((await extract(train, ...run)).code).toBe(0);
  });

  it('held-out pictures that the model saw, with an example, but near-duplicates are only suspects', async () => {
    const leaky = await writeFolder(join(folder, 'leaky'), heldOut.slice(0, 40));
    await copyFile(join(train, '0017.png'), join(leaky, '0021.png'));
    await refused(
      ['--model', gan, '--held-out', leaky],
      /held-out picture 21 of leaky is training picture 17 of train, pixel by pixel; name pictures that the model never saw/,
    );
    const near = heldOut.slice(0, 60).map((picture, i) => {
      if (i >= 3) return picture;
      const data = training[100 + i]!.data.map((value, v) => (v === 5 ? value ^ 1 : value));
      return { ...picture, data };
    });
    const close = await writeFolder(join(folder, 'close'), near);
    const to = join(folder, 'suspects');
    const { code, stdout } = await extract(
      train,
      '--model',
      gan,
      '--held-out',
      close,
      '--samples',
      '40',
      '-n',
      '20',
      '-o',
      to,
    );
    expect(code).toBe(0);
    expect(stdout).toContain('suspects 3 held-out pictures lie too near');
    expect((await summaryOf(to)).extracted.images).toBe(8);
  });

  it('an output folder among the pictures', async () => {
    const { code, stderr } = await extract(train, '--pictures', held, '-o', join(held, 'run'));
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/--output: .* lies inside .*held/),
    });
    expect(await readdir(held)).not.toContain('run');
  });

  it('no held-out pictures that the model saw in another form, but says so', async () => {
    const again = training
      .slice(100, 160)
      .map(({ data, ...size }) => ({ ...size, data: data.map((value) => value ^ 1) }));
    const other = await writeFolder(join(folder, 'again-held'), again);
    const to = join(folder, 'trained-on');
    const { code, stdout } = await extract(
      train,
      '--model',
      gan,
      '--held-out',
      other,
      '--samples',
      '20',
      '-n',
      '20',
      '-o',
      to,
    );
    expect(code).toBe(0);
    expect(stdout).toContain('warning  half of the held-out pictures all but equal training pictures');
    expect(await readFile(join(to, 'report/index.html'), 'utf8')).toContain('most likely the model saw them');
  });

  it('held-out pictures that are too few, or that cannot be read', async () => {
    const few = await writeFolder(join(folder, 'few'), heldOut.slice(0, 19));
    await refused(
      ['--model', gan, '-n', '20', '--held-out', few],
      /19 held-out pictures have no tail .* name 20/,
    );
    const broken = join(folder, 'broken-held');
    await mkdir(broken);
    await writeFile(join(broken, 'a.png'), 'no picture');
    await refused(
      ['--model', gan, '-n', '20', '--held-out', broken],
      /none of the 1 pictures of broken-held can be read/,
    );
  });
});
