import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { add, createGraph, encodeModel, input, model as modelOf } from '../graph/index.ts';
import { decodePicture } from '../images/index.ts';
import { run } from './testing/in-process.ts';

/** Models without captions, through the command line. */
const models = fileURLToPath(new URL('../models/fixtures/', import.meta.url));
const gan = fileURLToPath(new URL('../diffusion/fixtures/generators/dcgan.onnx', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verbatim-captionless-'));
});
afterAll(() => rm(folder, { recursive: true }));

const generate = (model: string, ...flags: string[]) =>
  run('generate', '--model', model, '-q', '--json', '--threads', '1', '-o', join(folder, 'out'), ...flags);

describe('verbatim generate', () => {
  it.each([
    ['an unconditional model', `${models}ddpm`, 8],
    ['a latent one', `${models}ldm`, 16],
  ])('samples %s by seed alone, in any batch', async (_, model, side) => {
    const made = await generate(model, '--samples', '3', '--steps', '2');
    const rows = JSON.parse(made.stdout) as { caption: string; seed: number; file: string }[];
    expect(rows.map(({ caption, seed }) => [caption, seed])).toEqual([
      ['', 0],
      ['', 1],
      ['', 2],
    ]);
    const pictures = await Promise.all(rows.map(({ file }) => readFile(file)));
    expect(await decodePicture(pictures[0]!, { where: 'out' })).toMatchObject({ width: side, height: side });
    expect(pictures[0]!.equals(pictures[1]!)).toBe(false);
    const alone = await generate(model, '--seed', '2', '--steps', '2', '--batch', '1');
    const [row] = JSON.parse(alone.stdout) as { file: string }[];
    expect(await readFile(row!.file)).toEqual(pictures[2]);
  });

  it('takes classes as captions', async () => {
    const flags = ['--steps', '2', '--caption', 'bus', '--caption', '2', '--caption', '0'];
    const { stdout } = await generate(`${models}classes`, ...flags);
    const rows = JSON.parse(stdout) as { file: string }[];
    const [bus, two, zero] = await Promise.all(rows.map(({ file }) => readFile(file)));
    expect(two).toEqual(bus);
    expect(zero).not.toEqual(bus);
  });

  it('samples a generator graph by seed', async () => {
    const { stdout } = await generate(gan, '--samples', '2');
    expect(JSON.parse(stdout)).toMatchObject([
      { seed: 0, error: null },
      { seed: 1, error: null },
    ]);
  });

  it.each([[[]], [['--caption', 'a cat']]])(
    'calls the denoiser of an ONNX folder so, before captions are judged (%j)',
    async (flags) => {
      const graph = createGraph();
      const sample = input(graph, 'sample', 'float32', ['n', 4]);
      const out = add(sample, input(graph, 'timestep', 'float32', [1]));
      const path = join(folder, 'unet.onnx');
      await writeFile(path, encodeModel(modelOf(graph, { out })));
      const { code, stderr } = await generate(path, ...flags);
      expect(stderr).toMatch(/^verbatim: [^\n]*unet\.onnx: this is a denoiser alone [^\n]*\n$/);
      expect(code).toBe(2);
    },
  );

  it.each([
    [
      [`${models}classes`],
      'are its classes, labels from 0 to 4, or names: "cat", "dog", "bus"; give --caption',
    ],
    [[`${models}classes`, '--caption', 'tram'], 'takes class labels from 0 to 4'],
    [[`${models}ddpm`, '--caption', 'a cat'], 'is unconditional and takes no captions'],
    [[`${models}learned`, '--caption', '1', '--guidance', '2'], 'name a class and use guidance 1'],
    [[`${models}ddpm`, '--guidance', '5'], 'is unconditional, so guidance changes nothing'],
    [[gan, '--steps', '4'], '--steps goes with a diffusion model'],
    [[gan, '--guidance', '4'], '--guidance goes with a diffusion model'],
    [[gan, '--caption', 'a cat'], 'is unconditional and takes no captions'],
  ])('ends %j in one line', async ([model, ...flags], message) => {
    const { code, stderr } = await generate(model!, ...flags);
    expect(stderr).toMatch(/^verbatim: [^\n]*\n$/);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});

describe('an audit of an unconditional model', () => {
  it('has no guidance', async () => {
    const pictures = join(folder, 'pictures');
    await mkdir(pictures);
    const [made] = JSON.parse((await generate(`${models}ddpm`, '--steps', '1')).stdout) as [{ file: string }];
    await copyFile(made.file, join(pictures, 'a.png'));
    const config = join(folder, 'guided.yaml');
    await writeFile(
      config,
      `model: ${models}ddpm
dataset: { format: image-folder, path: ${pictures} }
cascade: []
synthesis: { guidance: 5 }
labels: { rules: [reference] }
output: ${folder}/guided
`,
    );
    for (const flags of [['--dry-run'], []]) {
      const { code, stderr } = await run('audit', config, '-q', ...flags);
      expect(stderr).toMatch(/^verbatim: synthesis\.guidance 5: ddpm is unconditional, [^\n]*\n$/);
      expect(code).toBe(2);
    }
    expect(await readdir(folder)).not.toContain('guided');
  });
});

describe('attacks', () => {
  it('score classes', async () => {
    const attack = ['--attack', 'noise-difference', '--caption', 'bus', '--caption', 'cat'];
    const { stdout } = await run('score', '--model', `${models}classes`, '-q', '--json', ...attack);
    const rows = JSON.parse(stdout) as { caption: string; score: number }[];
    expect(rows.map(({ caption }) => caption)).toEqual(['bus', 'cat']);
    for (const { score } of rows) expect(score).toBeGreaterThan(0);
  });

  it('guide by no class only where there is such a label, and say how else', async () => {
    const score = (attack: string) =>
      run('score', '--model', `${models}learned`, '-q', '--json', '--caption', '1', '--attack', attack);
    const option = '{attack: dcs, options: {guidance: 1}}';
    expect(await score('dcs')).toMatchObject({ code: 2, stderr: expect.stringContaining(option) });
    expect(await score(option)).toMatchObject({ code: 0, stderr: '' });
  });

  it('refuse a generator graph before anything runs', async () => {
    const message = /^verbatim: [^\n]*dcgan\.onnx: a generator graph has no denoiser to attack; [^\n]*\n$/;
    const scored = await run('score', '--model', gan, '-q', '--caption', 'x');
    expect(scored).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(message) });
    const config = join(folder, 'audit.yaml');
    const text = `model: ${gan}\ndataset: { format: image-folder, path: nowhere }\noutput: ${folder}/run\n`;
    await writeFile(config, text);
    const audited = await run('audit', config, '-q');
    expect(audited).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(message) });
  });
});
