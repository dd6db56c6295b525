import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePng } from '../images/index.ts';
import { createRandom } from '../math/index.ts';
import type { Summary } from '../reports/index.ts';
import { runFolder, runTable, scoreColumns } from '../stages/index.ts';
import { readTable } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { packageRoot } from './package.ts';
import { run } from './testing/in-process.ts';

const folder = temporaryFolder('significance-cli');
const workingFolder = process.cwd();
const config = `model: ${JSON.stringify(join(packageRoot, 'src/models/fixtures/sd1'))}
dataset: pics/
cascade: [{ attack: dcs, keep: 2 }]
significance: { neverTrained: never.csv, captions: 25 }
labels: { rules: [reference] }
synthesis: { steps: 1, samples: 1 }
batch: 8
`;
const captions = (list: readonly string[]) =>
  `caption\n${list.map((text) => JSON.stringify(text)).join('\n')}\n`;
const never = Array.from({ length: 30 }, (_, i) => `a lamp, number ${i}`);

beforeAll(async () => {
  await mkdir(join(folder, 'data/pics'), { recursive: true });
  const random = createRandom(1);
  for (let i = 0; i < 6; i += 1) {
    const data = Uint8Array.from({ length: 24 * 24 * 3 }, () => random.integer(256));
    await writeFile(join(folder, `data/pics/${i}.png`), await encodePng({ width: 24, height: 24, data }));
  }
  const rows = Array.from({ length: 6 }, (_, i) => `${i}.png,Straße ${i}`);
  await writeFile(join(folder, 'data/pics/metadata.csv'), `file_name,text\n${rows.join('\n')}\n`);
  await writeFile(join(folder, 'data/never.csv'), captions(never));
  await writeFile(join(folder, 'data/trained.csv'), captions([...never, 'STRASSE  4', 'strasse 5']));
  await writeFile(join(folder, 'data/few.csv'), captions(never.slice(0, 7)));
  await writeFile(join(folder, 'data/audit.yaml'), config);
  process.chdir(folder);
});
afterAll(async () => {
  process.chdir(workingFolder);
});

describe('an audit that is asked how sure it is', { timeout: 240_000 }, () => {
  it('says in the plan what that costs, and that captions are few', async () => {
    const { code, stdout, stderr } = await run('audit', 'data/audit.yaml', '--dry-run');
    expect(stderr).toContain(
      'warning  25 captions never trained on, fewer than 2,000: the smallest p-value is 0.038, and at a rate of 0.05 nothing is a discovery unless 5 of the 6 audited captions score above all of them\n',
    );
    expect(stdout).toMatch(/nulls {12}dcs for 25 captions never trained on: at most 26 evaluations\n/);
    expect(code).toBe(0);
  });

  it.each([
    [
      'some were trained on, spelt in another way',
      'significance.neverTrained=data/trained.csv',
      /^verbatim: significance\.neverTrained: 2 captions stand in the training set too, for example "STRASSE {2}4"; take them out of trained/,
    ],
    [
      'they are too few',
      'significance.neverTrained=data/few.csv',
      /with 7 captions never trained on the smallest p-value is 0\.13, .* no discovery is possible at all; give 19 at least/,
    ],
    ['there are none', 'significance.neverTrained=data/none.csv', /none\.csv: no such file/],
    [
      'the attack scores only some',
      'significance.attack=ecs',
      /significance\.attack: "ecs" does not score every caption; those that do are dcs/,
    ],
    ['none are named', 'significance={}', /significance\.neverTrained: name a dataset of captions/],
    ['it is a lab set', 'significance={neverTrained: {format: lab, path: x, twin: A}}', /makes its own/],
  ])('is refused before there is a folder where %s', async (_, set, message) => {
    const { code, stdout, stderr } = await run(
      ...['audit', 'data/audit.yaml', '-o', 'runs/none', '--set', 'significance.captions=100', '--set', set],
    );
    expect(stderr.split('\n').at(-2)).toMatch(message);
    expect([code, stdout]).toEqual([2, '']);
    expect(await readdir(folder)).toEqual(['data']);
  });

  it('writes the tables, the section and the data, and goes on where the captions have moved', async () => {
    const { code, stdout, stderr } = await run('audit', 'data/audit.yaml', '-o', 'runs/sure');
    expect([code, stderr.match(/^verbatim.*/m)]).toEqual([0, null]);
    expect(stdout).toMatch(
      /^sure {5}\d of 6 captions (is a discovery|are discoveries) by dcs at a rate of 0\.05, \d of \d findings? among them$/m,
    );
    const nulls = await readTable(await runTable(runFolder('runs/sure'), 'nulls'), scoreColumns);
    expect(nulls).toHaveLength(25);
    const summary = JSON.parse(await readFile('runs/sure/report/summary.json', 'utf8')) as Summary;
    expect(summary.significance).toMatchObject({
      attack: 'dcs',
      nulls: 25,
      tested: 6,
      rate: 0.05,
      fewest: 5,
    });
    expect(summary.stages.find(({ name }) => name === 'nulls')).toMatchObject({ items: 25, evaluations: 26 });
    expect(summary.evaluations).toBe(summary.stages.reduce((sum, { evaluations }) => sum + evaluations, 0));
    const page = await readFile('runs/sure/report/index.html', 'utf8');
    expect(page).toMatch(
      /<section id="sure"[\s\S]*The dcs scores of 6 captions were held against those of 25/,
    );
    expect(await readFile('runs/sure/report/data/significance.csv', 'utf8')).toMatch(
      /^rank,p_value,q_value,kind,limit\r\n1,/,
    );
    await rename('data/never.csv', 'data/moved.csv');
    const moved = ['--set', 'significance.neverTrained=data/moved.csv', '-q'];
    expect((await run('audit', 'runs/sure', ...moved)).code).toBe(0);
    await writeFile('data/moved.csv', captions(never.map((text) => `${text}!`)));
    const { code: refused, stderr: other } = await run('audit', 'runs/sure', ...moved);
    expect([refused, other]).toEqual([
      2,
      expect.stringMatching(/holds another run: neverTrained\.digest is/),
    ]);
  });
});
