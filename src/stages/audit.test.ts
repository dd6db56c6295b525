import { spawn } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { localGenerator } from '../generators/index.ts';
import { contentPath, fromParquet, readTable, sql } from '../tables/index.ts';
import { compiled } from '../testing/compiled.ts';
import { fingerprint as digestsOf } from '../testing/fingerprint.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { killAsItGrows } from '../testing/kills.ts';
import {
  candidateColumns,
  chooseCandidates,
  copyColumns,
  dataOfPlanted,
  generationColumns,
  labelColumns,
  listCandidates,
  planAudit,
  plannedEvaluations,
  prepareCascade,
  type RunFolder,
  readLog,
  runAudit,
  runTable,
  scoreColumns,
  selectionColumns,
  tableSteps,
  truthColumns,
} from './index.ts';
import { fakeConfig } from './testing/fake-config.ts';
import { type FakeOptions, fakeModel, fakePlantedSet } from './testing/fake-model.ts';

const root = temporaryFolder('audit');
/** For tests that do not look at the other rules' labels: copies are searched for long. */
const plainly = { labels: { rules: ['reference'] } };
let whole: RunFolder;
let wholeEvaluations: number;

async function audit(output: string, patch: Record<string, unknown> = {}, options: FakeOptions = {}) {
  const { pipeline, meter } = fakeModel(options);
  const config = fakeConfig({ output, ...patch });
  const data = dataOfPlanted(fakePlantedSet(), 'A');
  const folder = await runAudit({ config, data, pipeline, meter, verbatim: '0.0.0', versions: {} });
  return { folder, evaluations: meter.evaluations };
}

/** run.json holds the output folder's name, which differs between the folders that are compared. */
const fingerprint = (path: string) => digestsOf(path, ['log.jsonl', 'run.json']);

beforeAll(async () => {
  ({ folder: whole, evaluations: wholeEvaluations } = await audit(join(root, 'whole')));
});

describe('an audit', { timeout: 240_000 }, () => {
  it('finds what the model has memorized and nothing else', async () => {
    const labels = await readTable(await runTable(whole, 'labels'), labelColumns);
    const foundBy = (rule: string) =>
      labels.filter((label) => label.rule === rule && label.verdict !== 'none');
    for (const rule of ['calibrated', 'aligned'])
      expect([...new Set(foundBy(rule).map(({ key, verdict }) => `${key} ${verdict}`))].sort()).toEqual(
        Array.from({ length: 6 }, (_, i) => `duplicate-000${i} MV`),
      );
    const found = foundBy('aligned');
    const copies = await readTable(await runTable(whole, 'copies'), copyColumns);
    expect(copies.map(({ key, sample }) => [key, sample])).toEqual(
      labels.filter(({ rule }) => rule === 'aligned').map(({ key, sample }) => [key, sample]),
    );
    expect(labels).toHaveLength(10 * 2 * 4);
    for (const { training_image } of found)
      await access(join(whole.images, contentPath(training_image!, 'png')));
  });

  it('goes down the cascade: all captions, then 20, then 10', async () => {
    const candidates = await readTable(await runTable(whole, 'candidates'), candidateColumns);
    expect(candidates).toHaveLength(66);
    expect(new Set(candidates.map(({ role }) => role))).toEqual(
      new Set(['duplicate', 'other-twin', 'unique', 'held-out']),
    );
    const all = await readTable(await runTable(whole, 'scores/1'), scoreColumns);
    expect(all).toHaveLength(66 * 3);
    const second = await readTable(await runTable(whole, 'scores/2'), scoreColumns);
    expect(second.map(({ attack }) => attack)).toEqual(Array(20).fill('ecs'));
    const selections = await readTable(await runTable(whole, 'selections'), selectionColumns);
    const kept = selections.filter(({ step }) => step === 1);
    expect(kept.map(({ rank }) => rank)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    const scores = all.filter(({ attack }) => attack === 'dcs').map(({ score }) => score!);
    expect(kept.map(({ score }) => score)).toEqual(scores.sort((a, b) => b - a).slice(0, 20));
    const generations = await readTable(await runTable(whole, 'generations'), generationColumns);
    const chosen = selections.filter(({ step }) => step === 2).map(({ key }) => key);
    expect([...new Set(generations.map(({ key }) => key))]).toEqual(chosen);
    expect(generations.map(({ sample, steps }) => [sample, steps]).slice(0, 3)).toEqual([
      [-1, 1],
      [0, 4],
      [1, 4],
    ]);
    const truth = await readTable(await runTable(whole, 'truth'), truthColumns);
    expect(truth.filter(({ member }) => member)).toHaveLength(36);
  });

  it('writes down every evaluation that it spends, and the log agrees', async () => {
    const [spent] = await sql<{ n: number }>(
      `SELECT (SELECT sum(spent) FROM ${fromParquet(await runTable(whole, 'scores'))})
            + (SELECT sum(evaluations) FROM ${fromParquet(await runTable(whole, 'generations'))}) AS n`,
    );
    expect(spent?.n).toBe(wholeEvaluations);
    const logged = (await readLog(whole.log)).reduce((sum, { evaluations }) => sum + evaluations, 0);
    expect(logged).toBe(wholeEvaluations);
    const config = fakeConfig({});
    const { pipeline, meter } = fakeModel();
    expect(wholeEvaluations).toBeLessThanOrEqual(
      plannedEvaluations(planAudit(config, localGenerator(pipeline, { meter }), 66)),
    );
  });

  it('gives every attack its own price and lets the first pay for what they share', async () => {
    const rows = await readTable(await runTable(whole, 'scores/1'), scoreColumns);
    // dcs asks at +ε of seed 0, its antithetic variant at ±ε, seed-variance at +ε of seeds 0 and 1.
    expect(rows.slice(3, 6).map(({ attack, evaluations, spent }) => [attack, evaluations, spent])).toEqual([
      ['dcs', 1, 1],
      ['dcs-antithetic', 2, 2],
      ['seed-variance', 2, 0],
    ]);
  });

  it('holds no path, host or clock in its tables', async () => {
    for (const [file] of Object.entries(await fingerprint(join(whole.path, 'tables'))))
      expect((await readFile(join(whole.path, 'tables', file))).includes(root)).toBe(false);
  });

  it('spends nothing when it is run again', async () => {
    const before = await fingerprint(whole.path);
    expect((await audit(whole.path)).evaluations).toBe(0);
    expect(await fingerprint(whole.path)).toEqual(before);
  });

  it('ends with the same bytes however often it is killed', async () => {
    const expected = await fingerprint(whole.path);
    const path = join(root, 'killed');
    const script = await compiled('stages/testing/fake-audit.ts');
    const start = () => spawn(process.execPath, [script, path, '1'], { stdio: 'inherit' });
    const kills = await killAsItGrows(start, path, (before) => 25 + ((before * 11) % 23));
    expect(kills).toBeGreaterThan(2);
    expect(await fingerprint(path)).toEqual(expected);
  });
});

describe('what goes wrong with one item', () => {
  it('is a row with its error: a caption that the model cannot encode', async () => {
    const { folder } = await audit(join(root, 'caption'), plainly, {
      onCaptions(captions) {
        if (captions.includes('once 3')) throw new Error('this caption\nis broken');
      },
    });
    const rows = await readTable(await runTable(folder, 'scores/1'), scoreColumns);
    const failed = rows.filter(({ error }) => error !== null);
    expect(failed.map(({ attack, score, error }) => [attack, score, error])).toEqual(
      ['dcs', 'dcs-antithetic', 'seed-variance'].map((attack) => [attack, null, 'this caption is broken']),
    );
    expect(rows).toHaveLength(66 * 3);
    // The others' scores are as if nothing had happened.
    const sound = await readTable(await runTable(whole, 'scores/1'), scoreColumns);
    const scores = (table: typeof rows) =>
      new Map(table.map((row) => [`${row.key} ${row.attack}`, row.score]));
    const expected = scores(sound);
    for (const [id, score] of scores(rows)) if (score !== null) expect(score).toBe(expected.get(id));
  });

  it('is a row with its error: values that are not numbers, in scores and in pictures', async () => {
    // Without selection by scores, which a broken caption has none of.
    const { folder, evaluations } = await audit(
      join(root, 'numbers'),
      {
        ...plainly,
        cascade: [{ attack: 'ecs', keep: 66 }],
        alsoScore: ['dcs'],
      },
      { brokenCaption: 'often 2' },
    );
    const rows = await readTable(await runTable(folder, 'scores/1'), scoreColumns);
    const failed = rows.filter(({ error }) => error !== null);
    expect(failed.map(({ key, attack, score, evaluations }) => [key, attack, score, evaluations])).toEqual([
      ['duplicate-0002', 'ecs', null, 4],
      ['duplicate-0002', 'dcs', null, 1],
    ]);
    expect(rows).toHaveLength(66 * 2);
    // Nothing was computed twice: what the tables hold is all that was spent.
    const [spent] = await sql<{ n: number }>(
      `SELECT (SELECT sum(spent) FROM ${fromParquet(await runTable(folder, 'scores'))})
            + (SELECT sum(evaluations) FROM ${fromParquet(await runTable(folder, 'generations'))}) AS n`,
    );
    expect(spent?.n).toBe(evaluations);
  });

  it('is a row with its error: pictures that are not numbers, among others in their batch', async () => {
    let scoring = true;
    const { pipeline, meter } = fakeModel();
    const broken = fakeModel({ brokenCaption: 'often 2' }).pipeline;
    const before = { generations: 0 };
    const folder = await runAudit({
      config: fakeConfig({ ...plainly, output: join(root, 'nan') }),
      data: dataOfPlanted(fakePlantedSet(), 'A'),
      pipeline: {
        ...pipeline,
        encodeText: (captions) => (scoring ? pipeline : broken).encodeText(captions),
        decode: broken.decode,
      },
      meter,
      verbatim: '0.0.0',
      versions: {},
      onProgress: ({ stage }) => {
        if (scoring && stage === 'generations') before.generations = meter.evaluations;
        scoring = stage !== 'generations';
      },
    });
    const generations = await readTable(await runTable(folder, 'generations'), generationColumns);
    const failed = generations.filter(({ error }) => error !== null);
    expect(failed.map(({ key, sample, image, error }) => [key, sample, image, error])).toEqual(
      [-1, 0, 1].map((sample) => ['duplicate-0002', sample, null, 'not a number']),
    );
    // A failed picture has cost what the others did, and none was made again for its sake.
    for (const { evaluations } of failed) expect(evaluations).toBeGreaterThan(0);
    const total = generations.reduce((sum, { evaluations }) => sum + evaluations, 0);
    expect(total).toBe(meter.evaluations - before.generations);
    const sound = await readTable(await runTable(whole, 'generations'), generationColumns);
    const image = new Map(sound.map((row) => [`${row.key} ${row.sample}`, row.image]));
    for (const row of generations)
      if (row.error === null) expect(row.image).toBe(image.get(`${row.key} ${row.sample}`));
    const labels = await readTable(await runTable(folder, 'labels'), labelColumns);
    expect(labels.filter(({ verdict }) => verdict === null).map(({ key, error }) => [key, error])).toEqual(
      Array(2).fill(['duplicate-0002', 'not a number']),
    );
  });

  it('is a row with its error: a picture that cannot be made, and its labels', async () => {
    let scoring = true;
    const { pipeline, meter } = fakeModel({
      onCaptions(captions) {
        if (!scoring && captions.some((caption) => caption.startsWith('often 2'))) throw new Error('cannot');
      },
    });
    const folder = await runAudit({
      config: fakeConfig({ output: join(root, 'picture') }),
      data: dataOfPlanted(fakePlantedSet(), 'A'),
      pipeline,
      meter,
      verbatim: '0.0.0',
      versions: {},
      onProgress: ({ stage }) => {
        scoring = stage !== 'generations';
      },
    });
    const generations = await readTable(await runTable(folder, 'generations'), generationColumns);
    const failed = generations.filter(({ error }) => error !== null);
    expect(failed.map(({ key, sample, image }) => [key, sample, image])).toEqual([
      ['duplicate-0002', -1, null],
      ['duplicate-0002', 0, null],
      ['duplicate-0002', 1, null],
    ]);
    const labels = await readTable(await runTable(folder, 'labels'), labelColumns);
    const unlabelled = labels.filter(({ key }) => key === 'duplicate-0002');
    expect(unlabelled.map(({ verdict, error }) => [verdict, error])).toEqual(Array(8).fill([null, 'cannot']));
  });

  it('ends the run when nothing works at all', async () => {
    const broken = () => {
      throw new Error('no model');
    };
    await expect(audit(join(root, 'broken'), {}, { onCaptions: broken })).rejects.toThrow('no model');
  });
});

describe('a config', () => {
  it('is refused before there is a folder when it may cost too much or asks for what is not there', async () => {
    const output = join(root, 'refused');
    await expect(audit(output, { maxEvaluations: 100 })).rejects.toThrow(
      /may cost \d+ evaluations and maxEvaluations is 100/,
    );
    const misspelt = { attack: 'dcs', options: { sgima: 1 } };
    await expect(audit(output, { cascade: [misspelt] })).rejects.toThrow('did you mean "sigma"');
    await expect(audit(output, { alsoScore: ['seed-variance', 'seed-variance'] })).rejects.toThrow(
      'the attack "seed-variance" occurs twice',
    );
    const repeated = [{ attack: 'ecs' }, { attack: 'dcs' }, { attack: 'ecs', as: 'again' }];
    await expect(audit(output, { cascade: repeated })).rejects.toThrow(
      'cascade.2: "again" is the attack of cascade.0 too',
    );
    const two = [
      { attack: 'dcs', as: 'a' },
      { attack: 'ecs', as: 'a' },
    ];
    await expect(audit(output, { cascade: two, alsoScore: [] })).rejects.toThrow('"a" occurs twice');
    await expect(audit(output, { cascade: [{ attack: 'ecs', budget: 4 }] })).rejects.toThrow(
      'cascade.0.budget: 4 evaluations pay for no caption by ecs; the first costs 8',
    );
    const attack = { attack: 'dcs', as: 'dcs-far', options: { sigma: 3000 } };
    for (const patch of [
      { cascade: [attack] },
      { cascade: [{ attack: 'ecs' }, attack] },
      { cascade: [], alsoScore: [attack] },
    ]) {
      await expect(audit(output, patch)).rejects.toThrow(
        'Attack option "sigma" is 3000, but "fake" was trained on 0.03000 to 14.6000',
      );
    }
    await expect(access(output)).rejects.toThrow();
  });

  it('may have any number of steps, each on what the one before has kept', async () => {
    const { folder } = await audit(join(root, 'three'), {
      ...plainly,
      cascade: [
        { attack: 'dcs', keep: 30 },
        // Scored for every caption already: its scores are read, not computed anew.
        { attack: 'seed-variance', keep: 15 },
        { attack: 'ecs', keep: 7 },
      ],
      alsoScore: ['seed-variance'],
    });
    expect(await tableSteps(folder, 'scores')).toEqual([1, 3]);
    const rows = async (name: string) => readTable(await runTable(folder, name), selectionColumns);
    const [first, second, third] = await Promise.all([1, 2, 3].map((step) => rows(`selections/${step}`)));
    expect([first!.length, second!.length, third!.length]).toEqual([30, 15, 7]);
    const keys = (table: typeof first) => table!.map(({ key }) => key);
    expect(keys(first)).toEqual(expect.arrayContaining(keys(second)));
    expect(keys(second)).toEqual(expect.arrayContaining(keys(third)));
    const scored = await readTable(await runTable(folder, 'scores/3'), scoreColumns);
    expect(scored.map(({ key }) => key)).toEqual(keys(second));
    const generations = await readTable(await runTable(folder, 'generations'), generationColumns);
    expect([...new Set(generations.map(({ key }) => key))]).toEqual(keys(third));
  });

  it('may have no step: all captions are synthesized, in their order', async () => {
    const limits = { ...plainly, candidates: { roles: { unique: 2, 'held-out': 2, 'other-twin': 2 } } };
    const { folder } = await audit(join(root, 'none'), { ...limits, cascade: [], alsoScore: ['ecs'] });
    expect(await tableSteps(folder, 'scores')).toEqual([1]);
    expect(await tableSteps(folder, 'selections')).toEqual([]);
    const candidates = await readTable(await runTable(folder, 'candidates'), candidateColumns);
    const generations = await readTable(await runTable(folder, 'generations'), generationColumns);
    expect([...new Set(generations.map(({ key }) => key))]).toEqual(candidates.map(({ key }) => key));
  });

  it('scores no more captions than the budget of a step pays for, the best of the step before', async () => {
    const cascade = [
      { attack: 'dcs', keep: 20, budget: 30 },
      { attack: 'ecs', keep: 10, budget: 4 + 5 * 4 },
    ];
    const config = fakeConfig({ ...plainly, cascade, alsoScore: [] });
    const { pipeline, meter } = fakeModel();
    const plan = planAudit(config, localGenerator(pipeline, { meter }), 66);
    expect(plan.map(({ name, what, items }) => [name, what, items]).slice(0, 2)).toEqual([
      ['scores/1', 'dcs for 29 of 66 captions, for its budget of 30 evaluations', 29],
      ['scores/2', 'ecs for the first 5 of the top 20 by dcs, for its budget of 24 evaluations', 5],
    ]);
    const { folder } = await audit(join(root, 'step-budget'), { ...plainly, cascade, alsoScore: [] });
    const spentBy = async (step: number) => {
      const rows = await readTable(await runTable(folder, `scores/${step}`), scoreColumns);
      return [rows.length, rows.reduce((sum, { spent }) => sum + spent, 0)];
    };
    expect(await spentBy(1)).toEqual([29, 30]);
    expect(await spentBy(2)).toEqual([5, 24]);
    const first = await readTable(await runTable(folder, 'selections/1'), selectionColumns);
    const scored = await readTable(await runTable(folder, 'scores/2'), scoreColumns);
    expect(scored.map(({ key }) => key)).toEqual(first.slice(0, 5).map(({ key }) => key));
  });

  it('may use one attack twice under two names', () => {
    const { attacks } = prepareCascade(
      fakeConfig({
        alsoScore: [
          'seed-variance',
          { attack: 'seed-variance', as: 'seed-variance-5', options: { sigma: 5 } },
        ],
      }),
    );
    expect(attacks.map(({ label }) => label)).toEqual(['dcs', 'seed-variance', 'seed-variance-5', 'ecs']);
    expect(attacks[2]?.attack.options['sigma']).toBe(5);
  });

  it('draws the same captions for the same seed, in their own order, within its limits', async () => {
    const all = await listCandidates(dataOfPlanted(fakePlantedSet(), 'A'), fakeConfig({}));
    const pick = (patch: Record<string, unknown>) =>
      chooseCandidates(all, fakeConfig(patch)).map(({ key }) => key);
    const roles = { roles: { unique: 5, 'held-out': 0 } };
    const chosen = pick({ candidates: roles });
    expect(chosen).toHaveLength(6 + 6 + 5);
    expect(chosen).toEqual(
      [...chosen].sort((a, b) => all.findIndex((r) => r.key === a) - all.findIndex((r) => r.key === b)),
    );
    expect(pick({ candidates: roles })).toEqual(chosen);
    expect(pick({ candidates: roles, seed: 1 })).not.toEqual(chosen);
    expect(pick({ candidates: { limit: 7 } })).toHaveLength(7);
  });
});
