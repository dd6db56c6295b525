import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawing, drawingService, side } from '../generators/testing/drawing.ts';
import type { LocalService } from '../generators/testing/server.ts';
import { encodePng } from '../images/index.ts';
import type { Summary } from '../reports/index.ts';
import { cliqueColumns, generationColumns, runFolder, runTable } from '../stages/index.ts';
import { readTable } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { run } from './testing/in-process.ts';

/** Generate-and-filter from the command line, over what gives nothing but pictures. */

const folder = temporaryFolder('cliques-cli');
let service: LocalService;
beforeAll(async () => {
  service = await drawingService({});
  for (const name of ['training', 'made']) await mkdir(join(folder, name));
  for (const name of ['a red bus', 'a ship', 'a tree'])
    await writeFile(join(folder, 'training', `${name}.png`), await encodePng(drawing(name, side, side)));
  // Of the bus five times its training picture, of the ship five others.
  for (let i = 1; i <= 5; i++) {
    const put = async (name: string, what: string) =>
      writeFile(join(folder, 'made', `${name} (${i}).png`), await encodePng(drawing(what, side, side)));
    await put('a red bus', 'a red bus');
    await put('a ship', `another ship, ${i}`);
  }
});
afterAll(() => service.close());

async function config(name: string, lines: string): Promise<string> {
  const path = join(folder, `${name}.yaml`);
  await writeFile(
    path,
    `dataset: { format: image-folder, path: training }\nlabels: { rules: [reference] }\nthreads: 1\n${lines}`,
  );
  return path;
}
const overFolder = `generator: { kind: folder, path: made, width: ${side}, height: ${side} }\n`;
const cascade = (options: string) => `cascade: [{ attack: cliques, keep: 50, options: { ${options} } }]\n`;
const cliquesOf = async (name: string) =>
  readTable(await runTable(runFolder(join(folder, name)), 'cliques'), cliqueColumns);

describe('cliques', { timeout: 60_000 }, () => {
  it('over a folder of pictures finds the caption whose pictures repeat, and labels the one in the middle', async () => {
    const path = await config('by-hand', overFolder + cascade('samples: 6, clique: 4'));
    const output = join(folder, 'by-hand');
    expect(await run('audit', path, '-o', output, '-q')).toMatchObject({ code: 0, stderr: '' });
    const rows = await cliquesOf('by-hand');
    // There is no picture of the tree, and five of six of the others.
    expect(rows.map(({ key, decision, size }) => [key, decision, size])).toEqual([
      ['a red bus.png', 'clique', 4],
      ['a ship.png', expect.stringMatching(/futile|exhausted/), 1],
    ]);
    expect(rows[0]).toMatchObject({ mean_distance: 0, score: 2, medoid: 0, evaluations: 0 });
    const made = await readTable(await runTable(runFolder(output), 'generations'), generationColumns);
    expect(made).toMatchObject([{ key: 'a red bus.png', sample: 0, image: rows[0]!.image, error: null }]);
    const report = join(output, 'report');
    const summary = JSON.parse(await readFile(join(report, 'summary.json'), 'utf8')) as Summary;
    expect(summary.found.captions).toBe(1);
    expect(summary.cliques).toMatchObject({ flagged: 1, judged: 1, found: 1, neverSeenFlagged: null });
    expect(await readFile(join(report, 'index.html'), 'utf8')).toContain('Generate and filter');
  });

  it('with nothing flagged is a finished run that opens the gate, and stands beside others', async () => {
    await mkdir(join(folder, 'apart'));
    for (const name of ['a red bus', 'a ship'])
      for (let i = 1; i <= 5; i++)
        await writeFile(
          join(folder, 'apart', `${name} (${i}).png`),
          await encodePng(drawing(`another ${name}, ${i}`, side, side)),
        );
    const apart = overFolder.replace('path: made', 'path: apart');
    const path = await config('none-flagged', apart + cascade('samples: 5, clique: 4'));
    const output = join(folder, 'none-flagged');
    const { code, stdout, stderr } = await run('audit', path, '-o', output, '-q', '--fail-above', '0');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toContain('found    0 training images, from 0 of 2 captions (0 judged)');
    const page = await readFile(join(output, 'report', 'index.html'), 'utf8');
    expect(page).toContain('<h1>Found no training image among 2 captions');
    const compared = await run('compare', output, join(folder, 'by-hand'), '-o', join(folder, 'both'));
    expect(compared).toMatchObject({ code: 0 });
    expect(await run('report', join(folder, 'by-hand'), '--beside', output)).toMatchObject({ code: 0 });
  });

  it('is not run by score, which makes no pictures', async () => {
    const path = await config('only-scores', overFolder + cascade('samples: 6, clique: 4'));
    const output = join(folder, 'only-scores');
    const { code, stdout, stderr } = await run('score', path, '-o', output, '-q');
    expect(stderr).toMatch(/nothing scores captions before it; run `verbatim generate`/);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    await expect(access(output)).rejects.toThrow();
  });

  it('over a service says in the plan what it may cost, and asks for no more', async () => {
    const openai = `generator: { kind: openai, url: ${service.url}/v1, model: m, width: ${side}, height: ${side}, pricePerPicture: 0.01 }\n`;
    const path = await config('service', openai + cascade('samples: 8, clique: 3'));
    const { code, stdout } = await run('audit', path, '-o', join(folder, 'none'), '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toMatch(/at most 0 evaluations, 24 pictures for 0\.24/);
    expect(stdout).toContain('cliques          up to 8 pictures, for every caption, until 3 are alike; ');
    expect(service.requests).toBe(0);
    expect(await run('audit', path, '-o', join(folder, 'service'), '-q')).toMatchObject({
      code: 0,
      stderr: '',
    });
    const rows = await cliquesOf('service');
    const asked = rows.reduce((sum, { samples }) => sum + samples, 0);
    expect(asked).toBeLessThanOrEqual(24);
    const { requests } = service;
    expect(requests).toBeLessThanOrEqual(asked);
    // What is there is not asked for again.
    await run('audit', path, '-o', join(folder, 'service'), '-q');
    expect(service.requests).toBe(requests);
  });

  it.each([
    [cascade('samples: 5'), 'a clique of 10 cannot be found among 5 samples; lower clique or raise samples'],
    [cascade('samples: 1'), 'Attack "cliques": option "samples"'],
    [cascade('sampels: 20'), 'there is no option "sampels"; did you mean "samples"?'],
    ['cascade: [{ attack: cliques, budget: 5 }]\n', "unknown key 'budget'"],
    ['cascade: [{ attack: clique }]\n', 'cascade.0.attack: expected one of "dcs"'],
    [cascade('tiles: 20, samples: 20'), `pictures of ${side}×${side} pixels cannot be cut into 20×20 tiles`],
  ])('refuses %s in one line', async (lines, says) => {
    const path = await config('refused', overFolder + lines);
    const { code, stdout, stderr } = await run('audit', path, '-o', join(folder, 'refused'), '-q');
    expect(stderr).toContain(says);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});
