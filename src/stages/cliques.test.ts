import { spawn } from 'node:child_process';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { VerbatimError } from '../errors.ts';
import { type Generator, localGenerator } from '../generators/index.ts';
import { contentPath, readTable } from '../tables/index.ts';
import { compiled } from '../testing/compiled.ts';
import { fingerprint as digestsOf } from '../testing/fingerprint.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { killAsItGrows } from '../testing/kills.ts';
import {
  type AuditOptions,
  cliqueColumns,
  dataOfPlanted,
  generationColumns,
  labelColumns,
  planAudit,
  plannedEvaluations,
  prepareCascade,
  type RunFolder,
  readLog,
  runAudit,
  runTable,
  selectionColumns,
  tableSteps,
} from './index.ts';
import { fakeConfig } from './testing/fake-config.ts';
import { fakeModel, fakePlantedSet } from './testing/fake-model.ts';

const root = temporaryFolder('cliques');
/** Where the fake model has memorized a caption, all of its samples are one picture. */
const patch = {
  cascade: [
    { attack: 'dcs', keep: 14 },
    { attack: 'cliques', keep: 5, options: { samples: 30, clique: 4 } },
  ],
  alsoScore: [],
  synthesis: { steps: 8, samples: 1, sampler: 'euler', guidance: 1 },
  labels: { rules: ['reference'] },
};
let whole: RunFolder;
let spent: number;

async function audit(
  name: string,
  changes: object = {},
  generator?: (local: Generator) => Generator,
  until: AuditOptions['until'] = 'labels',
) {
  const { pipeline, meter } = fakeModel();
  const local = localGenerator(pipeline, { meter, batch: 4 });
  const folder = await runAudit({
    config: fakeConfig({ output: join(root, name), ...patch, ...changes }),
    data: dataOfPlanted(fakePlantedSet(), 'A'),
    generator: generator?.(local) ?? local,
    verbatim: '0.0.0',
    versions: {},
    until,
  });
  return { folder, evaluations: meter.evaluations };
}

const fingerprint = (path: string) => digestsOf(path, ['log.jsonl', 'run.json']);
const rowsOf = async (folder: RunFolder) => readTable(await runTable(folder, 'cliques'), cliqueColumns);

/** As a service gives pictures: without its network. */
const asService = ({ pipeline: _, ...rest }: Generator): Generator => ({
  ...rest,
  capabilities: { ...rest.capabilities, oneStep: false },
});

beforeAll(async () => {
  ({ folder: whole, evaluations: spent } = await audit('whole'));
});

describe('cliques in an audit', { timeout: 240_000 }, () => {
  it('flags what the model has memorized, after few samples', async () => {
    const rows = await rowsOf(whole);
    expect(rows).toHaveLength(14);
    const flagged = rows.filter(({ decision }) => decision === 'clique');
    expect(flagged.map(({ key }) => key).sort()).toEqual(
      Array.from({ length: 6 }, (_, i) => `duplicate-000${i}`),
    );
    for (const row of flagged) {
      expect(row).toMatchObject({ samples: 4, failed: 0, size: 4, proven: true, error: null });
      expect(row.evaluations).toBe(4 * 8);
      const members = JSON.parse(row.members) as { sample: number; image: string }[];
      expect(members.map(({ sample }) => sample)).toEqual([0, 1, 2, 3]);
      expect(members.find(({ sample }) => sample === row.medoid)?.image).toBe(row.image);
      expect(row.seed).toBe(BigInt(row.medoid!));
      for (const { image } of members) await access(join(whole.images, contentPath(image, 'png')));
    }
    for (const row of rows.filter(({ decision }) => decision !== 'clique')) {
      expect(row).toMatchObject({ decision: 'futile', medoid: null, seed: null, image: null, size: 1 });
      expect(row.samples).toBeLessThan(15);
      expect(row.members).not.toContain('"image":"');
      expect(row.score).toBeLessThan(0.85);
    }
  });

  it('labels the extracted pictures of those that go on, and generates nothing more', async () => {
    const selections = await readTable(await runTable(whole, 'selections/2'), selectionColumns);
    expect(selections.map(({ step, attack, rank }) => [step, attack, rank])).toEqual(
      [1, 2, 3, 4, 5].map((rank) => [2, 'cliques', rank]),
    );
    const generations = await readTable(await runTable(whole, 'generations'), generationColumns);
    expect(generations.map(({ key }) => key)).toEqual(selections.map(({ key }) => key));
    const byKey = new Map((await rowsOf(whole)).map((row) => [row.key, row]));
    for (const row of generations) {
      const { medoid, seed, image } = byKey.get(row.key)!;
      expect(row).toMatchObject({ sample: medoid, seed, image, evaluations: 0, steps: 8, sampler: 'euler' });
    }
    const labels = await readTable(await runTable(whole, 'labels'), labelColumns);
    expect(labels.map(({ key, verdict }) => [key, verdict])).toEqual(
      selections.map(({ key }) => [key, 'MV']),
    );
    expect(await tableSteps(whole, 'scores')).toEqual([1]);
  });

  it('writes down every evaluation that it spends, within the plan', async () => {
    const counted = (await rowsOf(whole)).reduce((sum, { evaluations }) => sum + evaluations, 0);
    const logged = (await readLog(whole.log)).filter(({ stage }) => stage === 'cliques');
    expect(logged.reduce((sum, { evaluations }) => sum + evaluations, 0)).toBe(counted);
    const { pipeline, meter } = fakeModel();
    const plan = planAudit(fakeConfig(patch), localGenerator(pipeline, { meter }), 66);
    expect(plan.map(({ name, evaluations }) => [name, evaluations]).slice(1)).toEqual([
      ['cliques', 14 * 30 * 8],
      ['generations', 0],
    ]);
    expect(plan[1]!.what).toBe(
      'up to 30 pictures of 8 euler steps, guidance 1, for the top 14 by dcs, until 4 are alike; 7 where no two are alike, 4 where all are one picture',
    );
    expect(plan[2]!.what).toBe(
      'one picture each of at most 5 flagged by cliques: those it has extracted, whatever synthesis.samples is',
    );
    expect(spent).toBeLessThan(plannedEvaluations(plan));
    expect(() =>
      planAudit(fakeConfig({ ...patch, maxEvaluations: 300 }), localGenerator(pipeline, { meter }), 66),
    ).toThrow(
      /maxEvaluations is 300; lower candidates.limit, keep in cascade or options.samples of cliques, or raise maxEvaluations/,
    );
  });

  it('ends with the same bytes however often it is killed', async () => {
    const expected = await fingerprint(whole.path);
    const path = join(root, 'killed');
    const script = await compiled('stages/testing/fake-audit.ts');
    const config = JSON.stringify(patch);
    const start = () => spawn(process.execPath, [script, path, '1', config], { stdio: 'inherit' });
    const kills = await killAsItGrows(start, path, (before) => 12 + ((before * 5) % 7));
    expect(kills).toBeGreaterThan(2);
    expect(await fingerprint(path)).toEqual(expected);
  });

  it('lets captions go on to a full synthesis where another step follows', async () => {
    const { folder } = await audit('between', {
      cascade: [...patch.cascade.slice(1), { attack: 'ecs', keep: 3 }],
      candidates: { limit: 20 },
      alsoScore: ['dcs'],
    });
    const flagged = (await rowsOf(folder)).filter(({ decision }) => decision === 'clique').length;
    expect(await tableSteps(folder, 'scores')).toEqual([1, 2]);
    const generations = await readTable(await runTable(folder, 'generations'), generationColumns);
    expect(generations).toHaveLength(2 * Math.min(3, flagged));
  });

  it('is left out of the scores, which go on to it afterwards', async () => {
    const { folder, evaluations } = await audit('scores', {}, undefined, 'scores');
    expect(await readdir(folder.tables)).not.toContain('cliques');
    expect(evaluations).toBeLessThan(spent);
    const after = await audit('scores');
    expect(await fingerprint(after.folder.path)).toEqual(await fingerprint(whole.path));
  });

  it('with nothing flagged labels nothing', async () => {
    const { folder } = await audit(
      'none',
      { cascade: patch.cascade.slice(1), candidates: { limit: 4 } },
      (local) => ({ ...local, has: (caption) => caption.startsWith('held out') }),
    );
    expect((await rowsOf(folder)).map(({ decision }) => decision)).toEqual(Array(4).fill('futile'));
    expect(await readTable(await runTable(folder, 'generations'), generationColumns)).toEqual([]);
    expect(await readTable(await runTable(folder, 'labels'), labelColumns)).toEqual([]);
  });
});

describe('what goes wrong', () => {
  it('is a row with its error, for a caption whose samples all failed, and samples that are missing for others', async () => {
    const { folder } = await audit(
      'service',
      { cascade: patch.cascade.slice(1), candidates: { limit: 30 } },
      (local) => ({
        ...asService(local),
        pictures: async (tasks, ...rest) => {
          if (tasks.some(({ caption }) => caption.startsWith('once 3')))
            throw new VerbatimError('refused: a word');
          const made = await local.pictures(tasks, ...rest);
          return made.map((one, i) =>
            tasks[i]!.seed === 1 ? { ...one, picture: new VerbatimError('filtered') } : one,
          );
        },
      }),
    );
    const rows = await rowsOf(folder);
    expect(rows).toHaveLength(30);
    const refused = rows.filter(({ error }) => error !== null);
    expect(refused.length).toBeGreaterThan(0);
    for (const row of refused)
      expect(row).toMatchObject({
        decision: 'failed',
        score: null,
        size: 0,
        error: `only 0 of ${row.samples} samples succeeded, and a clique has 4: refused: a word`,
      });
    for (const { failed, decision } of rows) if (decision !== 'failed') expect(failed).toBe(1);
    const flagged = rows.filter(({ decision }) => decision === 'clique');
    expect(flagged.length).toBeGreaterThan(0);
    for (const { members } of flagged) expect(members).not.toContain('"sample":1,');
  });

  it('ends the run where nothing comes at all', async () => {
    const broken = (local: Generator): Generator => ({
      ...asService(local),
      pictures: async () => {
        throw new VerbatimError('the service is asleep');
      },
    });
    await expect(audit('asleep', { cascade: patch.cascade.slice(1) }, broken)).rejects.toThrow(/asleep/);
    await expect(readdir(join(root, 'asleep/tables/cliques'))).rejects.toThrow();
  });

  it.each([
    [[{ attack: 'cliques', options: { samples: 5 } }], /a clique of 10 cannot be found among 5 samples/],
    [
      [{ attack: 'cliques' }, { attack: 'cliques', as: 'again' }],
      /cascade\.1: cliques is the attack of cascade\.0 too/,
    ],
    [[{ attack: 'cliques', options: { sampels: 5 } }], /did you mean "samples"/],
    [[{ attack: 'dcs' }, { attack: 'cliques', as: 'dcs' }], /"dcs" occurs twice/],
    [[{ attack: 'cliques', as: 'dcs' }, { attack: 'dcs' }], /"dcs" occurs twice/],
  ])('is refused before anything is computed: %o', (cascade, message) => {
    expect(() => prepareCascade(fakeConfig({ cascade }))).toThrow(message);
  });
});
