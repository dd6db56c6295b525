import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../datasets/index.ts';
import { fewestDiscoveries } from '../math/index.ts';
import { readTable } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import {
  type AuditData,
  dataOfPlanted,
  listCandidates,
  listNeverTrained,
  nullsWarning,
  type PlannedStage,
  type RunFolder,
  readRun,
  runAudit,
  runTable,
  scoreColumns,
  significanceAttack,
  significanceColumns,
  stageCosts,
} from './index.ts';
import { readLog } from './log.ts';
import { fakeConfig } from './testing/fake-config.ts';
import { fakeModel, fakePlantedSet } from './testing/fake-model.ts';

const root = temporaryFolder('significance');
const planted = () => dataOfPlanted(fakePlantedSet(), 'A');

async function audit(
  name: string,
  significance: Record<string, unknown> | undefined,
  options: { readonly data?: AuditData; readonly until?: 'scores'; readonly brokenCaption?: string } = {},
) {
  const { pipeline, meter } = fakeModel(
    options.brokenCaption === undefined ? {} : { brokenCaption: options.brokenCaption },
  );
  const warnings: string[] = [];
  let plan: readonly PlannedStage[] = [];
  const folder = await runAudit({
    config: fakeConfig({ output: join(root, name), shardSize: 32, ...(significance && { significance }) }),
    data: options.data ?? planted(),
    pipeline,
    meter,
    verbatim: '0',
    versions: {},
    until: options.until ?? 'scores',
    onWarning: (warning) => warnings.push(warning),
    onPlan: (planned) => {
      plan = planned;
    },
  });
  return { folder, warnings, plan, spent: meter.evaluations };
}

const nullsOf = async (folder: RunFolder) => readTable(await runTable(folder, 'nulls'), scoreColumns);
const testsOf = async (folder: RunFolder) =>
  readTable(await runTable(folder, 'significance'), significanceColumns);

/** A dataset of captions alone, as far as significance asks. */
function captions(list: readonly string[]): Dataset {
  return {
    name: 'others.txt',
    async *rows() {
      for (const [index, caption] of list.entries()) yield { index, key: String(index), caption };
    },
  } as Pick<Dataset, 'name' | 'rows'> as Dataset;
}

describe('significance of scores', () => {
  let run: Awaited<ReturnType<typeof audit>>;
  beforeAll(async () => {
    run = await audit('whole', { captions: 400 });
  });

  it('scores captions that are neither trained on nor audited, with the noise of the others', async () => {
    const nulls = await nullsOf(run.folder);
    expect(nulls).toHaveLength(400);
    expect(new Set(nulls.map(({ key }) => key)).size).toBe(400);
    const audited = new Set((await testsOf(run.folder)).map(({ key }) => key));
    expect(nulls.filter(({ key }) => audited.has(key))).toEqual([]);
    const [own] = await readTable(await runTable(run.folder, 'scores/1'), scoreColumns);
    for (const row of nulls)
      expect(row).toMatchObject({
        attack: 'dcs',
        sigma: own!.sigma,
        seeds: own!.seeds,
        guidance: own!.guidance,
        error: null,
      });
  });

  it('gives each candidate its p-value, and calls what is memorized a discovery', async () => {
    const nulls = (await nullsOf(run.folder)).map(({ score }) => score!);
    const tests = await testsOf(run.folder);
    expect(tests).toHaveLength(66);
    for (const { p_value, score, nulls: count, kind, attack } of tests) {
      expect(p_value).toBe((1 + nulls.filter((one) => one >= score!).length) / 401);
      expect([count, kind, attack]).toEqual([400, 'single', 'dcs']);
    }
    // 'often' captions are what the fake model memorized.
    const found = tests.filter(({ discovery }) => discovery).map(({ key }) => key);
    expect(found).toEqual(expect.arrayContaining(tests.slice(0, 6).map(({ key }) => key)));
    for (const { q_value, p_value, discovery } of tests) {
      expect(q_value).toBeGreaterThanOrEqual(p_value!);
      expect(discovery).toBe(q_value! <= 0.05);
    }
  });

  it('counts what it costs in plan, table and log, and names the captions in run.json', async () => {
    const planned = run.plan.find(({ name }) => name === 'nulls')!;
    const spent = (await nullsOf(run.folder)).reduce((sum, row) => sum + row.spent, 0);
    expect(planned).toMatchObject({ items: 400, evaluations: 401 });
    expect(spent).toBe(401);
    expect(stageCosts(await readLog(run.folder.log)).get('nulls')!.evaluations).toBe(spent);
    expect(await readRun(run.folder.path)).toMatchObject({ neverTrained: { size: 400 } });
    const without = await audit('without', undefined);
    expect(run.spent - without.spent).toBe(spent);
    expect(await readRun(without.folder.path)).not.toHaveProperty('neverTrained');
    expect(await readdir(without.folder.tables)).not.toContain('nulls');
    expect(run.warnings).toEqual([
      expect.stringMatching(
        /^400 captions never trained on, fewer than 2,000: the smallest p-value is 0.0025, and at a rate of 0.05 nothing is a discovery unless 4 of the 66 audited captions score above all of them$/,
      ),
    ]);
  });

  it('goes on where it was stopped, with the same bytes', async () => {
    const { folder } = run;
    const files = [...(await runTable(folder, 'nulls')), ...(await runTable(folder, 'significance'))];
    expect(files).toHaveLength(13 + 3);
    const bytes = await Promise.all(files.map((file) => readFile(file)));
    for (const file of [files[0]!, files[7]!, files.at(-1)!, files.at(-4)!]) await rm(file);
    await audit('whole', { captions: 400 });
    for (const [i, file] of files.entries()) expect((await readFile(file)).equals(bytes[i]!)).toBe(true);
  });

  it('takes another attack that scores every caption, and any dependence at a price', async () => {
    const { folder } = await audit('other', { captions: 400, attack: 'seed-variance', dependence: 'any' });
    expect(new Set((await nullsOf(folder)).map(({ attack }) => attack))).toEqual(new Set(['seed-variance']));
    const any = await testsOf(folder);
    const { folder: again } = await audit('positive', { captions: 400, attack: 'seed-variance' });
    const positive = await testsOf(again);
    const factor = Array.from({ length: 66 }, (_, i) => 1 / (i + 1)).reduce((sum, one) => sum + one, 0);
    for (const [i, { q_value }] of any.entries())
      expect(q_value).toBeCloseTo(Math.min(1, positive[i]!.q_value! * factor), 12);
  });

  it('leaves out captions that cannot be scored, on both sides', async () => {
    const { folder } = await audit('broken', { captions: 400 }, { brokenCaption: 'once 1' });
    const tests = await testsOf(folder);
    const failed = tests.filter(({ score }) => score === null);
    expect(failed).toHaveLength(11);
    for (const row of failed)
      expect(row).toMatchObject({ p_value: null, q_value: null, discovery: null, error: expect.any(String) });
    const { folder: other } = await audit(
      'broken-nulls',
      { captions: 400 },
      { brokenCaption: 'beyond single 1' },
    );
    const nulls = (await nullsOf(other)).filter(({ score }) => score === null).length;
    expect(nulls).toBeGreaterThan(100);
    for (const row of await testsOf(other)) expect(row.nulls).toBe(400 - nulls);
  });
});

describe('captions never trained on', () => {
  const set = fakePlantedSet();
  const many = Array.from({ length: 300 }, (_, i) => `nobody's ${i}`);
  const listed = async (list: readonly string[], significance: Record<string, unknown> = {}) => {
    const data = dataOfPlanted(set, 'A', captions(list));
    const config = fakeConfig({ significance });
    return listNeverTrained(config, data, await listCandidates(data, config));
  };

  it('are drawn from a dataset, each spelling once', async () => {
    const known = await listed([...many, ...many.map((text) => text.toUpperCase()), ' ', ''], {
      captions: 250,
    });
    expect(known!.rows).toHaveLength(250);
    expect(known!.rows.every(({ caption }) => many.includes(caption))).toBe(true);
    expect(known!.name).toBe('others.txt');
    const again = await listed(many, { captions: 250 });
    expect(again!.digest).toBe(known!.digest);
    expect((await listed(many, { captions: 249 }))!.digest).not.toBe(known!.digest);
  });

  it.each([
    [
      'in the training set',
      ['ONCE  17\n', 'Often 1 <Script>../\0 שלום 👩‍👩‍👧', 'ｏｎｃｅ ３'],
      3,
      'Often 1 <Script>',
    ],
    ['among the audited captions', ['Held Out 7'], 1, 'Held Out 7'],
  ])('are refused where some stand %s, however they are spelt', async (where, overlap, count, example) => {
    await expect(listed([...many, ...overlap])).rejects.toThrow(
      new RegExp(
        `^significance.neverTrained: ${count} captions? stands? ${where} too, for example "${example}.*take them out of others.txt`,
      ),
    );
  });

  it("folds what has no lower case of its own: 'ß' is 'SS'", async () => {
    const data = { ...dataOfPlanted(set, 'A', captions([...many, 'STRASSE'])) };
    const config = fakeConfig({ significance: {} });
    const training = {
      ...data,
      trainingCaptions: async function* () {
        yield 'Straße';
      },
    };
    await expect(listNeverTrained(config, training, await listCandidates(data, config))).rejects.toThrow(
      /1 caption stands in the training set/,
    );
  });

  it('are refused where they are too few for any discovery, with how many are needed', async () => {
    await expect(listed(many.slice(0, 12))).rejects.toThrow(
      /with 12 captions never trained on the smallest p-value is 0.077, so at a rate of 0.05 no discovery is possible at all; give 19 at least/,
    );
    expect(fewestDiscoveries(19, 66, 0.05)).toBe(66);
    expect((await listed(many.slice(0, 19)))!.rows).toHaveLength(19);
    await expect(listed([])).rejects.toThrow(/with 0 captions/);
    await expect(listed(many.slice(0, 12), { rate: 0.2 })).resolves.toBeDefined();
  });

  it('need a dataset where no lab makes them', async () => {
    const data = { ...planted(), neverTrained: undefined };
    const config = fakeConfig({ significance: {} });
    await expect(listNeverTrained(config, data, [])).rejects.toThrow(/name a dataset of captions/);
    expect(await listNeverTrained(fakeConfig({}), data, [])).toBeUndefined();
  });

  it('of a lab are held-out ones that are not audited, then further ones; what is spelt like a trained one is passed over', async () => {
    const data = dataOfPlanted(
      { ...set, beyond: (count) => [{ key: 'x', caption: 'ONCE 4' }, ...set.beyond(count, 'single')] },
      'A',
    );
    const config = fakeConfig({ significance: { captions: 100 } });
    const all = await listCandidates(data, config);
    const some = all.filter(({ caption }) => !/^held out 1\d$/.test(caption));
    const { rows } = (await listNeverTrained(config, data, some))!;
    expect(rows).toHaveLength(100);
    expect(rows.slice(0, 10).map(({ caption }) => caption)).toEqual(
      Array.from({ length: 10 }, (_, i) => `held out 1${i}`),
    );
    expect(rows[10]!.caption).toBe('beyond single 0');
    expect(nullsWarning(config, { kinds: new Map(rows.map(({ key }) => [key, 'single'])) }, 5)).toMatch(
      /unless 1 of the audited captions scores above/,
    );
  });

  it('of a lab are of the kinds that are audited: template captions are held against template captions', async () => {
    const truth = set.truth.map((row, i) =>
      i >= 12 && i < 20 ? { ...row, kind: 'template' as const, twin: 'A' as const } : row,
    );
    const data = dataOfPlanted({ ...set, truth }, 'A');
    const { folder } = await audit('kinds', { captions: 60 }, { data });
    const nulls = await nullsOf(folder);
    const ofKind = (kind: string) =>
      nulls
        .filter(({ key }) => key.includes('template') === (kind === 'template'))
        .map(({ score }) => score!);
    expect([ofKind('single').length, ofKind('template').length]).toEqual([60, 60]);
    const tests = await testsOf(folder);
    expect(tests.filter(({ kind }) => kind === 'template')).toHaveLength(8);
    for (const { score, p_value, kind, nulls: count } of tests) {
      expect(count).toBe(60);
      expect(p_value).toBe((1 + ofKind(kind).filter((one) => one >= score!).length) / 61);
    }
  });
});

describe('significanceAttack', () => {
  it('is the first, or one that scores every caption', () => {
    expect(significanceAttack(fakeConfig({}))).toBeUndefined();
    expect(significanceAttack(fakeConfig({ significance: {} }))!.label).toBe('dcs');
    expect(significanceAttack(fakeConfig({ significance: { attack: 'dcs-antithetic' } }))!.label).toBe(
      'dcs-antithetic',
    );
    // The second step scores what the first has kept alone.
    expect(() => significanceAttack(fakeConfig({ significance: { attack: 'ecs' } }))).toThrow(
      /significance.attack: "ecs" does not score every caption; those that do are dcs, dcs-antithetic, seed-variance/,
    );
    const none = { cascade: [], significance: {} };
    expect(significanceAttack(fakeConfig({ ...none, alsoScore: ['ecs'] }))!.label).toBe('ecs');
    expect(() => significanceAttack(fakeConfig({ ...none, alsoScore: [] }))).toThrow(
      /no attack scores every caption/,
    );
  });
});
