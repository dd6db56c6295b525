import { spawn } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { noisePictures } from '../attacks/testing/memorizer.ts';
import { encodePng } from '../images/index.ts';
import {
  completionColumns,
  exposedColumns,
  lossColumns,
  type MembershipOutcome,
  membershipColumns,
  pictureColumns,
  readLog,
} from '../stages/index.ts';
import {
  drawMembers,
  writeLab,
  writeMembers,
  writePictures,
} from '../stages/membership/testing/lab-folder.ts';
import { readTable, sql, tableFiles, textLiteral } from '../tables/index.ts';
import { compiled } from '../testing/compiled.ts';
import { fingerprint } from '../testing/fingerprint.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { killAsItGrows } from '../testing/kills.ts';
import { packageRoot } from './package.ts';
import { run } from './testing/in-process.ts';

const folder = temporaryFolder('membership-cli');
const file = (name: string) => join(folder, name);
const pool = noisePictures(24, 8, 5);
const models = drawMembers(['target', 'shadow-00', 'shadow-01', 'shadow-02', 'shadow-03'], pool.length);

const membership = (output: string, ...flags: string[]) =>
  run('membership', '-o', file(output), '-q', '--json', '--threads', '1', ...flags);
const outcomeOf = ({ stdout }: { stdout: string }) => JSON.parse(stdout) as MembershipOutcome;

beforeAll(async () => {
  await writeLab(file('lab'), pool, models, { weights: true });
  await writePictures(file('members.parquet'), pool.slice(0, 10));
  await writePictures(file('others.parquet'), pool.slice(10, 20));
});

describe('verbatim membership, of a lab', { timeout: 600_000 }, () => {
  it('writes tables, summary, curves and a page whose pictures are there', async () => {
    const ran = await membership(
      'run',
      '--lab',
      file('lab'),
      '--flips',
      '--noise',
      '2',
      '--timesteps',
      '50,100',
    );
    expect(ran.stderr).toBe('');
    expect(ran.code).toBe(0);
    const outcome = outcomeOf(ran);
    expect(outcome).toMatchObject({ target: 'target', shadows: 4, members: 12, nonMembers: 12, failed: 0 });
    expect(outcome.attacks).toHaveLength(9);
    // Five models, 24 pictures, two timesteps, two draws, two sides.
    expect(outcome.evaluations).toBe(5 * 24 * 8);
    const logged = await readLog(file('run/log.jsonl'));
    expect(logged.reduce((sum, { evaluations }) => sum + evaluations, 0)).toBe(outcome.evaluations);
    expect(JSON.parse(await readFile(file('run/summary.json'), 'utf8'))).toEqual(outcome);
    const page = await readFile(file('run/report/index.html'), 'utf8');
    expect(page).toMatch(/AUC 0\.\d{3}<\/em>; \d+ non-members are too few for a rate at 1% false positives/);
    const sources = [...page.matchAll(/<img [^>]*src="([^"]+)"/g)].map((match) => match[1]!);
    const exposing = outcome.attacks.find(({ name }) => name === outcome.exposing)!;
    expect(sources).toHaveLength(exposing.members);
    expect(sources.length).toBeGreaterThan(5);
    // The folder of the page can be sent alone.
    for (const source of sources)
      expect((await readFile(file(`run/report/${source}`))).length).toBeGreaterThan(60);
    const curves = (await readFile(file('run/report/curves.csv'), 'utf8')).trimEnd().split('\r\n');
    expect(curves[0]).toBe('attack,threshold,false_positive_rate,true_positive_rate');
    expect(curves.filter((line) => line.startsWith('loss,')).at(-1)).toMatch(/,1,1$/);
    // The table gives the AUC of the summary.
    const [{ auc }] = (await sql<{ auc: number }>(
      `WITH s AS (SELECT * FROM read_parquet(${textLiteral(file('run/tables/membership/*.parquet'))}) WHERE attack = 'loss')
       SELECT avg(CASE WHEN a.score > b.score THEN 1 WHEN a.score = b.score THEN .5 ELSE 0 END)::DOUBLE AS auc FROM s a, s b WHERE a.member AND NOT b.member`,
    )) as [{ auc: number }];
    expect(outcome.attacks[0]!.auc).toBeCloseTo(auc, 12);
  });

  it('goes on with the same bytes after kill -9, and computes no shard again', async () => {
    const flags = [
      '--lab',
      file('lab'),
      '--target',
      'shadow-01',
      '--noise',
      '64',
      '--batch',
      '8',
      '--threads',
      '1',
      '-q',
    ];
    expect((await run('membership', '-o', file('undisturbed'), ...flags)).code).toBe(0);
    const main = await compiled('cli/main.ts');
    const args = [main, 'membership', '-o', file('killed'), ...flags];
    const start = () => spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const kills = await killAsItGrows(start, file('killed'), (kill) => 9 + 4 * kill);
    expect(kills).toBeGreaterThan(0);
    expect(await fingerprint(file('killed'))).toEqual(await fingerprint(file('undisturbed')));
    const logged = (await readLog(file('killed/log.jsonl'))).filter(({ stage }) => stage === 'losses');
    const shards = (await tableFiles(file('killed/tables/losses'))).length;
    expect(shards).toBeGreaterThan(3);
    // A kill may fall between a shard and its line.
    expect(new Set(logged.map(({ shard }) => shard)).size).toBeGreaterThanOrEqual(shards - kills);
    expect(logged.length).toBeLessThanOrEqual(shards + kills);
  });

  it('says in words what it found, and what another configuration differs in', async () => {
    const said = await run(
      'membership',
      '--lab',
      file('lab'),
      '-o',
      file('words'),
      '--noise',
      '1',
      '-q',
      '--loss-only',
    );
    expect(said.stdout).toMatch(/^pictures 12 members, 12 non-members\nattack .*\nloss +0\.\d{3} +- +- +\d/);
    expect(said.stdout).toContain(`report   ${file('words/report/index.html')}\n`);
    const other = await membership('words', '--lab', file('lab'), '--noise', '2', '--loss-only');
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('config.draws is 1 there and 2 here');
  });

  it('completes a masked region and draws the page with the surest completions', async () => {
    const flags = [
      '--attack',
      'inpainting',
      '--limit',
      '3',
      '--completions',
      '4',
      '--keep',
      '1',
      '--steps',
      '3',
      '--noise',
      '1',
    ];
    const ran = await membership('inpainting', '--lab', file('lab'), '--mask', '0,0,.5,1', ...flags);
    expect(ran.stderr).toBe('');
    const outcome = outcomeOf(ran);
    expect(outcome).toMatchObject({
      attack: 'inpainting',
      members: 3,
      nonMembers: 3,
      headline: 'inpainting',
    });
    expect(outcome.evaluations).toBe(6 * 4 * (3 + 1));
    const page = await readFile(file('inpainting/report/index.html'), 'utf8');
    expect(page.match(/alt="completed"/g)).toHaveLength(3);
    const rows = await readTable(await tableFiles(file('inpainting/tables/completions')), completionColumns);
    for (const { distance } of rows) expect(distance!).toBeGreaterThan(0);
    const again = await membership(
      'again',
      '--lab',
      file('lab'),
      '--mask',
      '0,0,.5,1',
      ...flags,
      '--resample',
      '1,2',
    );
    expect(outcomeOf(again).evaluations).toBe(6 * 4 * (6 + 1));
  });
});

describe('verbatim membership, of a model and two datasets', { timeout: 120_000 }, () => {
  const model = () => file('lab/models/target');

  it('takes a lab’s shadows for pictures of its pool', async () => {
    const flags = [
      '--members',
      file('members.parquet'),
      '--non-members',
      file('others.parquet'),
      '--noise',
      '1',
    ];
    // The shadows are found by the pixels; the target itself is no shadow.
    const ran = await membership('sets', '--model', model(), ...flags, '--shadows', file('lab'));
    expect(ran.stderr).toBe('');
    expect(outcomeOf(ran)).toMatchObject({ shadows: 4, members: 10, nonMembers: 10 });
    const rows = await readTable(await tableFiles(file('sets/tables/pictures')), pictureColumns);
    expect(rows.map(({ pool }) => pool)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  it('conditions Stable Diffusion by captions, through its encoder, or not at all', async () => {
    const sd = join(packageRoot, 'src/models/fixtures/sd1');
    for (const [name, from] of [
      ['in', 0],
      ['out', 3],
    ] as const) {
      await mkdir(file(name));
      for (const [i, picture] of noisePictures(3, 20, 9 + from).entries())
        await writeFile(file(`${name}/${i}.png`), await encodePng(picture));
      const captions = [0, 1, 2].map((i) => `{"file_name": "${i}.png", "text": "a red bus ${name} ${i}"}\n`);
      await writeFile(file(`${name}/metadata.jsonl`), captions.join(''));
    }
    const flags = [
      '--model',
      sd,
      '--members',
      file('in'),
      '--non-members',
      file('out'),
      '--noise',
      '1',
      '--fit',
    ];
    const losses = async (output: string, ...more: string[]) => {
      const ran = await membership(output, ...flags, ...more);
      expect(ran.stderr).toBe('');
      expect(outcomeOf(ran)).toMatchObject({ members: 3, nonMembers: 3, shadows: 0 });
      const rows = await readTable(await tableFiles(file(`${output}/tables/losses`)), lossColumns);
      return rows.map(({ loss }) => loss!);
    };
    const captioned = await losses('sd');
    const plain = await losses('sd-plain', '--no-captions');
    expect(captioned.every((loss, i) => loss > 0 && loss !== plain[i])).toBe(true);
  });

  it('attacks each shadow in turn, and warns of mirrored pictures that no model was trained on', async () => {
    await writeFile(file('lab/lab.yaml'), 'kind: ddpm\n');
    const output = file('each');
    const flags = ['--lab', file('lab'), '--each-shadow', '--flips', '--noise', '1', '--threads', '1'];
    const { code, stdout, stderr } = await run('membership', ...flags, '-o', output);
    await rm(file('lab/lab.yaml'));
    expect(stderr).toContain('each of 4 shadow models in turn');
    expect(stderr).toContain('not trained on mirrored pictures');
    expect(stdout).toMatch(/^pictures \d+ members, \d+ non-members over 4 models$/m);
    expect(code).toBe(0);
  });

  it.each([
    ['nothing', [], '--model is missing; give --lab FOLDER, or all of'],
    ['no non-members', ['--model', 'x', '--members', 'y'], '--non-members is missing'],
    ['both kinds', ['--lab', 'x', '--members', 'y'], '--members goes with --model'],
    ['no captions of a lab', ['--lab', 'x', '--no-captions'], '--captions goes with --model'],
    ['a target without a lab', ['--model', 'x', '--target', 'y'], '--target goes with --lab'],
    [
      'each shadow and a target',
      ['--lab', 'x', '--each-shadow', '--target', 'y'],
      '--target does not go with --each-shadow',
    ],
    ['each shadow of a model', ['--model', 'x', '--each-shadow'], '--each-shadow goes with --lab'],
    ['a mask for losses', ['--lab', 'x', '--mask', 'left-half'], '--mask goes with --attack inpainting'],
    [
      'flips of completions',
      ['--lab', 'x', '--attack', 'inpainting', '--flips'],
      '--flips goes with --attack loss',
    ],
    ['no such lab', ['--lab', '/nowhere'], 'is no lab folder'],
    ['no draw', ['--lab', 'x', '--noise', '0'], 'Expected a whole number of at least 1'],
    ['no timestep', ['--lab', 'x', '--timesteps', '10,b'], 'Expected whole numbers'],
    ['half a jump', ['--lab', 'x', '--resample', '3'], 'Expected two whole numbers'],
  ])('refuses %s', async (_, flags, message) => {
    const { code, stderr, stdout } = await membership('refused', ...flags);
    expect(stderr).toContain(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it.each([
    [
      'a timestep outside of the schedule',
      ['--timesteps', '1000'],
      'timestep 1000 does not lie in the model',
    ],
    [
      'to keep all completions',
      ['--attack', 'inpainting', '--completions', '3', '--keep', '3'],
      'of 3 completions 3 cannot be kept',
    ],
    ['a mask of everything', ['--attack', 'inpainting', '--mask', '0,0,1,1'], 'covers the whole picture'],
    [
      'guidance of an unconditional model',
      ['--attack', 'inpainting', '--guidance', '3'],
      '--guidance 3: target is unconditional',
    ],
  ])('refuses %s in one line', async (_, flags, message) => {
    const { code, stderr } = await membership('refused', '--lab', file('lab'), ...flags);
    expect(stderr).toMatch(/^verbatim: [^\n]*\n$/);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  it('refuses to write among the pictures that it reads', async () => {
    await mkdir(file('inside'));
    for (const [members, others] of [
      ['inside', 'others.parquet'],
      ['members.parquet', 'inside'],
    ] as const) {
      const flags = ['--model', model(), '--members', file(members), '--non-members', file(others)];
      const { code, stderr } = await membership('inside/run', ...flags);
      expect(stderr).toContain(`lies inside ${file('inside')}`);
      expect(code).toBe(2);
    }
  });

  it('refuses a lab whose shadows are one model', async () => {
    await writeLab(file('same'), pool, models, { weights: true });
    await writeMembers(file('same'), { ...models, 'shadow-00': models['shadow-00']! });
    const weights = 'unet/diffusion_pytorch_model.safetensors';
    await writeFile(
      file(`same/models/shadow-01/${weights}`),
      await readFile(file(`same/models/shadow-00/${weights}`)),
    );
    const { code, stderr } = await membership('refused', '--lab', file('same'));
    expect(stderr).toContain('shadow-00 and shadow-01 are the same model');
    expect(code).toBe(2);
  });
});

it('docs/membership.md names every column of every table', async () => {
  const text = await readFile(join(packageRoot, 'docs/membership.md'), 'utf8');
  const tables = {
    pictures: pictureColumns,
    losses: lossColumns,
    completions: completionColumns,
    membership: membershipColumns,
    exposed: exposedColumns,
  };
  for (const [name, columns] of Object.entries(tables)) {
    const section = text.split('\n### ').find((part) => part.startsWith(`tables/${name}`));
    for (const [column, { nullable }] of Object.entries(columns)) {
      const shown = nullable ? `(?<!\\*)\\b${column}\\b` : `\\*\\*${column}\\*\\*`;
      expect(section, `${name}: ${column}`).toMatch(new RegExp(`^\\|[^|]*${shown}`, 'm'));
    }
  }
});
