import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { draw, drawing, drawingService, side } from '../generators/testing/drawing.ts';
import type { LocalService } from '../generators/testing/server.ts';
import { encodePng } from '../images/index.ts';
import { generationColumns, runFolder, runTable, scoreColumns } from '../stages/index.ts';
import { readTable } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { packageRoot } from './package.ts';
import { run } from './testing/in-process.ts';

/** What a config says of its generator, and what is refused before anything is asked of it. */

const folder = temporaryFolder('generator-config');
let service: LocalService;
beforeAll(async () => {
  service = await drawingService({
    fault: ({ paid }, response) =>
      paid && service.requests === 3 && Boolean(response.writeHead(400).end('{"detail": "not this one"}')),
  });
  await mkdir(join(folder, 'pictures'));
  for (const name of ['a red bus', 'a blue bus', 'a ship'])
    await writeFile(join(folder, 'pictures', `${name}.png`), await encodePng(drawing(name, 64, 64)));
});
afterAll(() => service.close());

async function config(name: string, lines: string): Promise<string> {
  const path = join(folder, `${name}.yaml`);
  await writeFile(
    path,
    `dataset: { format: image-folder, path: pictures }\nlabels: { rules: [reference] }\nthreads: 1\n${lines}`,
  );
  return path;
}

const automatic1111 = () =>
  `generator: { kind: automatic1111, url: ${service.url}, width: ${side}, height: ${side}, retries: 0 }\n`;
const openai = () =>
  `generator: { kind: openai, url: ${service.url}/v1, model: m, width: ${side}, height: ${side} }\n`;

describe('before the first request', () => {
  it.each<[string, () => string, string]>([
    [
      'an attack on the denoiser',
      () => `${automatic1111()}cascade: [{ attack: dcs }]\n`,
      'attack "dcs" needs the denoiser, but the generator "automatic1111" gives only pictures; use ecs, which needs one-step pictures by seed',
    ],
    [
      'ecs where there are no seeds',
      () => `${openai()}cascade: [{ attack: ecs }]\n`,
      'attack "ecs" needs pictures by seed, one-step pictures and a guidance scale, but the generator "openai" takes no seed, cannot take one step and takes no guidance scale; set cascade to []',
    ],
    [
      'scores for comparison without pictures to score',
      () => `${openai()}alsoScore: [ecs]\n`,
      'attack "ecs" needs pictures by seed',
    ],
    ['neither a model nor a generator', () => '', 'model is missing'],
    ['both', () => `model: x\n${openai()}`, 'generator: stands beside model; leave one of the two out'],
    [
      'a misspelt key of the generator',
      () => openai().replace('model:', 'modle:'),
      "unknown key 'modle' in generator; did you mean 'model'?",
    ],
    [
      'an unknown kind',
      () => 'generator: { kind: midjourney }\n',
      'generator.kind: expected one of "automatic1111", "comfyui", "openai", "folder", got "midjourney"',
    ],
    [
      'a money limit without a price',
      () => openai().replace(' }', ', moneyLimit: 5 }'),
      'generator.moneyLimit: needs generator.pricePerPicture',
    ],
    [
      'a workflow that is not there',
      () => `generator: { kind: comfyui, url: ${service.url}, workflow: none.json }\n`,
      'none.json: no such file',
    ],
  ])('%s is refused', async (name, lines, says) => {
    const path = await config('refused', lines());
    const { code, stdout, stderr } = await run('audit', path, '-o', join(folder, 'none'), '-q');
    expect(stderr).toContain(says);
    expect(stderr.trimEnd().split('\n'), name).toHaveLength(1);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(await readdir(folder)).not.toContain('none');
    expect(service.requests).toBe(0);
  });

  it.each([
    'http://user:hunter2@127.0.0.1:9',
    'http://user:hunter2/@127.0.0.1:9',
    'http://127.0.0.1:9/?key=hunter2',
    'ftp://hunter2',
  ])('an address with a password, or none, is refused without its text: %s', async (url) => {
    const written = await config('secret', openai().replace(/url: [^,]*/, `url: "${url}"`));
    const plain = await config('plain', openai());
    const whole = `generator={kind: openai, url: "${url}", model: m}`;
    for (const flags of [[written], [plain, '--set', `generator.url=${url}`], [plain, '--set', whole]]) {
      const { code, stderr } = await run('audit', ...flags, '-o', join(folder, 'none'), '-q');
      expect(stderr).toMatch(/generator\.url: (an address without|expected an http)[^\n]*\n$/);
      expect(stderr).not.toContain('hunter2');
      expect(code).toBe(2);
    }
  });

  it('nor is it shown when another key is wrong, or the text is not YAML', async () => {
    const plain = await config('plain', openai());
    for (const set of ['{url: "http://u:hunter2@h", modle: m}', '["http://u:hunter2@h"'])
      expect(
        (await run('audit', plain, '--set', `generator=${set}`, '-o', join(folder, 'none'))).stderr,
      ).toMatch(/^verbatim: --set generator=(?![^\n]*hunter2)[^\n]*\n$/);
  });

  it.each([
    ['--precision', 'float16'],
    ['--provider', 'cuda'],
  ])('%s %s is refused: there is no model that it could go with', async (...flags) => {
    const path = await config('local-flags', openai());
    const { code, stderr } = await run('audit', path, '-o', join(folder, 'none'), ...flags, '--dry-run');
    expect(stderr).toBe(
      `verbatim: ${flags.join(' ')} goes with model; the config's pictures come from its generator (openai), which runs no model here\n`,
    );
    expect(code).toBe(2);
  });

  it('a dry run says what it would ask for', async () => {
    const path = await config('dry', openai());
    const { code, stdout } = await run('audit', path, '-o', join(folder, 'none'), '--dry-run');
    expect(stdout).toContain('generations      4 pictures, for all 3 captions: at most 12 pictures');
    expect({ code, requests: service.requests }).toEqual({ code: 0, requests: 0 });
    expect(stdout).toMatch(/^plan {5}at most 0 evaluations\n/);
  });

  it.each([
    ['openai', 'pricePerPicture: 0.1', '', '0 evaluations, 12 pictures for 1.2'],
    [
      'openai',
      'pricePerPicture: 0.1, moneyLimit: 1.2',
      '',
      '12 pictures for 1.2, within generator.moneyLimit 1.2',
    ],
    [
      'openai',
      'pricePerPicture: 0.1, moneyLimit: 0.35',
      '',
      '12 pictures for 1.2; the run stops at generator.moneyLimit 0.35, after 3 pictures',
    ],
    // Three captions: four seeds of ecs, then a picture and one of one step.
    ['automatic1111', 'pricePerPicture: 0.1', 'synthesis: { samples: 1 }', '18 pictures for 1.8'],
  ] as const)('a dry run of %s with %s says the price', async (kind, money, more, says) => {
    const text = { openai, automatic1111 }[kind]().replace(' }', `, ${money} }`);
    const path = await config('priced', `${text}${more}\n`);
    const { code, stdout } = await run('audit', path, '-o', join(folder, 'none'), '--dry-run');
    expect(stdout.split('\n', 1)[0]).toContain(says);
    expect({ code, requests: service.requests }).toEqual({ code: 0, requests: 0 });
  });
});

describe('an audit without attacks in its config', () => {
  it('scores by ecs where there are one-step pictures, and a refused prompt is a row', async () => {
    const path = await config(
      'scored',
      `${automatic1111()}synthesis: { steps: 2, samples: 1, guidance: 2 }\n`,
    );
    const output = join(folder, 'scored');
    const { code, stderr } = await run('audit', path, '-o', output, '-q');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const scores = await readTable(await runTable(runFolder(output), 'scores'), scoreColumns);
    expect(scores.map(({ attack, evaluations }) => [attack, evaluations])).toEqual([
      ['ecs', 4],
      ['ecs', 4],
      ['ecs', 0],
    ]);
    expect(scores[2]).toMatchObject({ score: null, error: `${service.host}: answers 400 (not this one)` });
    const made = await readTable(await runTable(runFolder(output), 'generations'), generationColumns);
    expect(
      made.map(({ sample, steps, sampler, guidance, noise, evaluations }) => [
        sample,
        steps,
        sampler,
        guidance,
        noise,
        evaluations,
      ]),
    ).toEqual(
      [0, 1].flatMap(() => [
        [-1, 1, 'euler', 2, 'torch-cpu', 2],
        [0, 2, 'heun', 2, 'torch-cpu', 6],
      ]),
    );
    const { config: kept } = JSON.parse(await readFile(join(output, 'run.json'), 'utf8')) as {
      config: { cascade: unknown };
    };
    expect(kept.cascade).toEqual([{ attack: 'ecs', options: {}, keep: 100 }]);
    const verified = await run('verify', output, '-o', join(folder, 'none'), '-q');
    expect(verified.stderr).toMatch(
      /^verbatim: [^\n]*came from a service \(generator\.kind automatic1111\)[^\n]*may be tried with --model, but need not reproduce them\n$/,
    );
    expect(verified.code).toBe(2);
    // Above every distance: all pictures are findings.
    const all = ['--again', '--set', 'labels.referenceThreshold=1e9', '-q'];
    expect(await run('label', output, ...all)).toMatchObject({ code: 0, stderr: '' });
    const local = ['--model', join(packageRoot, 'models/twin-a'), '--threads', '1', '--limit', '1'];
    const tried = await run('verify', output, '-o', join(folder, 'tried'), ...local);
    expect(tried.stderr).toContain(
      'warning  the pictures came from a service (generator.kind automatic1111); this model need not reproduce them',
    );
  });

  it('goes on when a service refuses all of a later shard, and ends when it brings nothing in the first', async () => {
    const refusing = (fails: (prompt: string) => boolean) =>
      drawingService({
        draw: async (asked) => {
          if (fails(asked.prompt)) throw new Error('not allowed');
          return draw(asked);
        },
      });
    for (const [name, code] of [
      ['later', 0],
      ['first', 1],
    ] as const) {
      const other = await refusing((prompt) => name === 'first' || prompt === 'a ship');
      const size = `width: ${side}, height: ${side}, batch: 1`;
      const source = `generator: { kind: openai, url: ${other.url}/v1, model: m, ${size}, retries: 0 }\n`;
      const path = await config(name, `${source}synthesis: { samples: 1 }\nshardSize: 1\n`);
      const output = join(folder, `refusing-${name}`);
      const outcome = await run('generate', path, '-o', output, '-q');
      await other.close();
      expect(outcome.code).toBe(code);
      if (code === 1) expect(outcome.stderr).toMatch(/: answers 400 \(not allowed\)\n$/);
      else {
        const made = await readTable(await runTable(runFolder(output), 'generations'), generationColumns);
        const errors = made.map(({ key, error }) => [key, error?.replace(/^.*: /, '') ?? null]);
        expect(errors).toEqual([
          ['a blue bus.png', null],
          ['a red bus.png', null],
          ['a ship.png', 'answers 400 (not allowed)'],
        ]);
      }
    }
  });

  it('over a folder of pictures audits the captions that it has pictures of', async () => {
    await mkdir(join(folder, 'made'));
    for (const name of ['A blue bus (1)', 'a blue bus (2)', 'another prompt'])
      await writeFile(join(folder, 'made', `${name}.png`), await encodePng(drawing(name, 20, 20)));
    const source = `generator: { kind: folder, path: made, width: ${side}, height: ${side} }\n`;
    const path = await config('by-hand', `${source}synthesis: { samples: 3 }\n`);
    const output = join(folder, 'by-hand');
    expect(await run('audit', path, '-o', output, '-q')).toMatchObject({ code: 0, stderr: '' });
    const made = await readTable(await runTable(runFolder(output), 'generations'), generationColumns);
    expect(made.map(({ key, sample, error }) => [key, sample, error])).toEqual([
      ['a blue bus.png', 0, null],
      ['a blue bus.png', 1, null],
      ['a blue bus.png', 2, 'the folder has only 2 pictures of this caption'],
    ]);
    await mkdir(join(folder, 'other'));
    await writeFile(join(folder, 'other', 'a tree.png'), await encodePng(drawing('tree')));
    const none = await config('none', source.replace('made', 'other'));
    const refused = await run('audit', none, '-o', join(folder, 'none'), '-q');
    expect(refused.stderr).toContain('has pictures of none of the 3 captions of');
    expect(refused.code).toBe(2);
  });

  it('else generates what candidates.limit allows; what nobody knows is null', async () => {
    const path = await config('all', `${openai()}synthesis: { samples: 2 }\ncandidates: { limit: 2 }\n`);
    const output = join(folder, 'all');
    expect(await run('generate', path, '-o', output, '-q')).toMatchObject({ code: 0, stderr: '' });
    expect((await readdir(join(output, 'tables'))).sort()).toEqual(['candidates', 'generations']);
    const made = await readTable(await runTable(runFolder(output), 'generations'), generationColumns);
    expect(
      made.map(({ sample, steps, sampler, guidance, noise, evaluations }) => [
        sample,
        steps,
        sampler,
        guidance,
        noise,
        evaluations,
      ]),
    ).toEqual([0, 1, 0, 1].map((sample) => [sample, null, null, null, 'not reproducible', 0]));
    expect(await run('audit', output, '-q')).toMatchObject({ code: 0, stderr: '' });
  });
});
