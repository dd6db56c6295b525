import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { localGenerator } from '../generators/index.ts';
import { readTable } from '../tables/index.ts';
import { compiled } from '../testing/compiled.ts';
import { fingerprint as digestsOf } from '../testing/fingerprint.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { killAsItGrows } from '../testing/kills.ts';
import {
  candidateColumns,
  dataOfPlanted,
  generationColumns,
  labelColumns,
  planAudit,
  plannedEvaluations,
  type RunFolder,
  roundColumns,
  runAudit,
  runTable,
  type StageProgress,
  scoreColumns,
  selectionColumns,
  verdictColumns,
} from './index.ts';
import { fakeConfig } from './testing/fake-config.ts';
import { fakeModel, fakePlantedSet } from './testing/fake-model.ts';

const root = temporaryFolder('rounds');
const plain = {
  cascade: undefined,
  alsoScore: [],
  labels: { rules: ['calibrated'] },
  synthesis: { samples: 3 },
};
const budget = 260;
/** More than a picture for each of a few captions. */
const few = { candidates: { roles: { unique: 8, 'held-out': 4, 'other-twin': 2 } }, budget: 170 };

async function audit(
  output: string,
  patch: Record<string, unknown> = {},
  onProgress: (progress: StageProgress) => void = () => undefined,
) {
  const { pipeline, meter } = fakeModel();
  const config = fakeConfig({ output, ...plain, budget, ...patch });
  const data = dataOfPlanted(fakePlantedSet(), 'A');
  const folder = await runAudit({
    config,
    data,
    pipeline,
    meter,
    verbatim: '0.0.0',
    versions: {},
    onProgress,
  });
  return { folder, spent: meter.evaluations };
}

const fingerprint = (path: string) => digestsOf(path, ['log.jsonl', 'run.json']);

describe('an audit with a budget', { timeout: 240_000 }, () => {
  let folder: RunFolder;
  let spent: number;
  const said: StageProgress[] = [];
  beforeAll(async () => {
    ({ folder, spent } = await audit(join(root, 'whole'), {}, (progress) => said.push(progress)));
  });
  const table = async <C extends Parameters<typeof readTable>[1]>(name: string, columns: C) =>
    readTable(await runTable(folder, name), columns);

  it('spends no more than that, most of it, and as its plan says', async () => {
    expect(spent).toBeLessThanOrEqual(budget);
    expect(spent).toBeGreaterThan(budget * 0.9);
    const { pipeline, meter } = fakeModel();
    const plan = planAudit(fakeConfig({ ...plain, budget }), localGenerator(pipeline, { meter }), 66);
    expect(plannedEvaluations(plan)).toBeLessThanOrEqual(budget);
    expect(plan.map(({ name, items }) => [name, items])).toEqual([
      ['scores/1', 66],
      ['generations', 48],
    ]);
    const rows = [
      ...(await table('scores', scoreColumns)).map((row) => row.spent),
      ...(await table('generations', generationColumns)).map((row) => row.evaluations),
    ];
    expect(rows.reduce((sum, one) => sum + one, 0)).toBe(spent);
  });

  it('goes in rounds: each scores its part, and synthesizes the best that are left', async () => {
    const rounds = await table('rounds', roundColumns);
    expect(rounds).toHaveLength(12 * 2);
    const scoring = rounds.filter(({ step }) => step === 1);
    expect(scoring.reduce((sum, { captions }) => sum + captions, 0)).toBe(66);
    const scores = new Map((await table('scores/1', scoreColumns)).map((row) => [row.key, row.score!]));
    const order = [...scores.keys()];
    const candidates = (await table('candidates', candidateColumns)).map(({ key }) => key);
    expect([...order].sort()).toEqual([...candidates].sort());
    // Drawn: what comes first in the dataset does not come first here.
    expect(order).not.toEqual(candidates);
    const chosen = await table('selections/1', selectionColumns);
    expect(chosen.map(({ rank }) => rank)).toEqual(chosen.map((_, i) => i + 1));
    let come = 0;
    let gone: string[] = [];
    for (const { round, captions } of scoring) {
      come += captions;
      const synthesized = rounds.find((one) => one.round === round && one.step === 2)!.captions;
      const waiting = order.slice(0, come).filter((key) => !gone.includes(key));
      const best = waiting.sort((a, b) => scores.get(b)! - scores.get(a)! || (a < b ? -1 : 1));
      const kept = chosen.slice(gone.length, gone.length + synthesized).map(({ key }) => key);
      expect(kept).toEqual(best.slice(0, synthesized));
      gone = [...gone, ...kept];
    }
  });

  it('says how far it is in one line for all rounds', () => {
    const rounds = said.filter(({ stage }) => stage === 'rounds');
    const done = rounds.map((progress) => progress.done);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(rounds.at(-1)).toMatchObject({ done: 66 + 48, total: 66 + 48, resumed: 0, evaluations: spent });
    expect(said.some(({ stage }) => stage === 'scores/1')).toBe(false);
  });

  it('finds the memorized ones, and makes no more pictures of what is verified', async () => {
    const labels = await table('labels', labelColumns);
    const found = new Set(labels.filter(({ verdict }) => verdict === 'MV').map(({ key }) => key));
    expect([...found].sort()).toEqual(Array.from({ length: 6 }, (_, i) => `duplicate-000${i}`));
    const generous = await audit(join(root, 'generous'), few);
    expect(generous.spent).toBeLessThanOrEqual(few.budget);
    const of = async <C extends Parameters<typeof readTable>[1]>(name: string, columns: C) =>
      readTable(await runTable(generous.folder, name), columns);
    const pictures = await of('generations', generationColumns);
    const samples = (key: string) => pictures.filter((row) => row.key === key).map(({ sample }) => sample);
    const judged = await of('labels', labelColumns);
    const verified = (await of('verdicts', verdictColumns)).filter(({ verdict }) => verdict === 'MV');
    expect(verified.map(({ key }) => key)).toEqual(expect.arrayContaining([...found]));
    for (const { key, sample } of verified) {
      expect(Math.max(...samples(key))).toBe(sample);
      expect(judged.find((row) => row.key === key && row.sample === sample)!.verdict).toBe('MV');
    }
    expect(Math.max(...pictures.map(({ sample }) => sample))).toBeGreaterThan(0);
  });

  it('scores a part of the captions where it pays for no more', async () => {
    const { folder: small, spent: used } = await audit(join(root, 'small'), { budget: 40 });
    expect(used).toBeLessThanOrEqual(40);
    const scored = await readTable(await runTable(small, 'scores/1'), scoreColumns);
    expect(scored.length).toBeLessThan(66);
    expect(scored.length).toBeGreaterThanOrEqual(4);
  });

  it('ends with the same bytes however often it is killed', async () => {
    const expected = await fingerprint(join(root, 'generous'));
    const path = join(root, 'killed');
    const script = await compiled('stages/testing/fake-audit.ts');
    const patch = JSON.stringify({ ...plain, ...few, cascade: [{ attack: 'noise-difference' }] });
    const start = () => spawn(process.execPath, [script, path, '1', patch], { stdio: 'inherit' });
    const kills = await killAsItGrows(start, path, (before) => 25 + ((before * 11) % 23));
    expect(kills).toBeGreaterThan(2);
    expect(await fingerprint(path)).toEqual(expected);
  });

  it('is refused where it pays for nothing, or the config says what it should plan', async () => {
    await expect(audit(join(root, 'none'), { budget: 8 })).rejects.toThrow(
      'budget: 8 evaluations are too few; the least is 9, for 4 captions scored and one picture',
    );
    expect(() => fakeConfig({ ...plain, budget, cascade: [{ attack: 'dcs', keep: 3 }] })).toThrow(
      'budget plans what each step keeps',
    );
    expect(() => fakeConfig({ ...plain, budget, alsoScore: ['dcs'] })).toThrow('without alsoScore');
    // What is written in run.json is a config that is right.
    const { config } = JSON.parse(await readFile(join(folder.path, 'run.json'), 'utf8')) as {
      config: Record<string, unknown>;
    };
    expect(fakeConfig({ ...config })).toMatchObject({ budget, synthesis: { steps: 4, samples: 3 } });
  });
});
