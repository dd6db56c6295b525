import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { queryLosses } from '../../attacks/index.ts';
import { memorizer, noisePictures } from '../../attacks/testing/memorizer.ts';
import { openDataset } from '../../datasets/index.ts';
import { type Pipeline, seededNoise } from '../../diffusion/index.ts';
import { VerbatimError } from '../../errors.ts';
import { encodePng, mirror, type Picture } from '../../images/index.ts';
import { createMeter } from '../../runtime/index.ts';
import { readTable, tableFiles } from '../../tables/index.ts';
import { fingerprint } from '../../testing/fingerprint.ts';
import { temporaryFolder } from '../../testing/folder.ts';
import {
  completionColumns,
  datasetSource,
  labSource,
  lossColumns,
  type MembershipOptions,
  type MembershipSource,
  membershipColumns,
  openMembershipLab,
  readMask,
  runMembership,
  shadowsSource,
} from './index.ts';
import { filled, maskTensor } from './mask.ts';
import { checkAlike } from './models.ts';
import { drawItems } from './pictures.ts';
import { drawMembers, writeLab, writeMembers, writePictures } from './testing/lab-folder.ts';

const folder = temporaryFolder('membership');
const at = (name: string) => join(folder, name);
const pool = noisePictures(220, 4, 3);
const shadowNames = ['shadow-00', 'shadow-01', 'shadow-02', 'shadow-03', 'shadow-04', 'shadow-05'];
const trained = drawMembers(['target', ...shadowNames], pool.length);

let labs = 0;
/** A lab of its own, with few pictures, to be damaged. */
async function lab(models: Parameters<typeof writeLab>[2]): Promise<string> {
  const path = at(`lab-${labs++}`);
  await writeLab(path, pool.slice(0, 20), models);
  return path;
}
/** The lab that no test changes. */
const whole = at('lab');
beforeAll(() => writeLab(whole, pool, trained));

/** Models that know their training pictures a little: enough to tell, not so much that nothing is left to measure. */
function options(
  source: MembershipSource,
  output: string,
  extra: Partial<MembershipOptions> = {},
): MembershipOptions {
  const meter = createMeter();
  return {
    source,
    queries: { timesteps: [100], draws: 3, flips: true },
    open: async (path) => {
      const name = path.split('/').at(-1)!;
      const pictures = [...(trained[name] ?? trained['target']!).keys()].map((i) => pool[i]!);
      return memorizer({ name, pictures, deviation: 0.5, weight: 0.9, meter });
    },
    meter,
    output: at(output),
    fit: false,
    limit: undefined,
    seed: 0,
    batch: 32,
    provider: 'cpu',
    precision: 'float32',
    verbatim: '0.0.0',
    versions: {},
    ...extra,
  };
}

describe('membership by losses, with models whose truth is known', () => {
  it('tells members; LiRA and averaging do better than one loss, and the table holds every loss', async () => {
    const source = await labSource(whole, 'target');
    const run = options(source, 'whole');
    const { outcome, attacks, rows, exposed, folder: written } = await runMembership(run);
    expect(outcome).toMatchObject({ attack: 'loss', shadows: 6, members: 110, nonMembers: 110, failed: 0 });
    const auc = Object.fromEntries(outcome.attacks.map((one) => [one.name, one.auc!]));
    // Far from chance, and in the order of what each attack knows: the deviation of such an AUC is below .04.
    expect(auc['loss']).toBeGreaterThan(0.6);
    expect(auc['loss-averaged']).toBeGreaterThan(auc['loss']! + 0.05);
    expect(auc['lira-online-averaged']).toBeGreaterThan(auc['loss-averaged']! + 0.05);
    expect(auc['lira-online']).toBeGreaterThan(auc['lira-offline']!);
    expect(outcome.headline).toBe('lira-online-averaged-flips');
    const losses = await readTable(await tableFiles(join(written.tables, 'losses')), lossColumns);
    expect(losses).toHaveLength(7 * 220 * 3 * 2);
    expect(outcome.evaluations).toBe(losses.length);
    expect(run.meter.evaluations).toBe(losses.length);
    // One picture's rows are its own losses, those of the mirrored one behind.
    const pipeline = await run.open('x/shadow-04');
    const encoded = (picture: Picture) => pipeline.encode([picture]);
    const own = losses.filter((row) => row.model === 'shadow-04' && row.picture === 17);
    const expected = await queryLosses(
      pipeline.denoiser,
      await encoded(pool[17]!),
      await encoded(mirror(pool[17]!)),
      await pipeline.encodeText(['']),
      { queries: run.queries, noise: seededNoise(), batch: 1 },
    );
    expect(own.map(({ loss }) => loss)).toEqual([...expected]);
    expect(own.map(({ flip, draw }) => [flip, draw])).toEqual(
      [false, true].flatMap((flip) => [0, 1, 2].map((draw) => [flip, draw])),
    );
    // The same noise for every picture and model: what was one draw is one draw of all.
    expect(new Set(losses.map(({ draw }) => draw))).toEqual(new Set([0, 1, 2]));
    const scored = await readTable(await tableFiles(join(written.tables, 'membership')), membershipColumns);
    expect(scored).toHaveLength(9 * 220);
    expect(exposed).toHaveLength(20);
    expect(exposed.every((one) => rows[one.picture]!.member)).toBe(true);
    expect(exposed[0]!.score).toBe(
      Math.max(
        ...rows.flatMap((row, i) =>
          row.member ? [attacks.at(-1)!.scores[i]!].filter((s) => !Number.isNaN(s)) : [],
        ),
      ),
    );
    expect(
      outcome.byCopies!.map(({ copies, members }) => [copies, members]).reduce((sum, [, n]) => sum + n!, 0),
    ).toBe(outcome.attacks.at(-1)!.members);
    await source.close();
  });

  it('attacks every shadow in turn, each as a run of its own would, and asks each model once', async () => {
    const queries = { timesteps: [100], draws: 2, flips: false };
    const source = await shadowsSource(whole);
    const run = options(source, 'each', { queries });
    const { outcome, attacks, rows, exposed, folder: written } = await runMembership(run);
    expect(outcome).toMatchObject({ targets: 6, shadows: 5, failed: 0, evaluations: 6 * 220 * 2 });
    expect(run.meter.evaluations).toBe(outcome.evaluations);
    expect(outcome.members + outcome.nonMembers).toBe(6 * 220);
    const alone = await runMembership(
      options(await labSource(whole, 'shadow-03'), 'each-alone', { queries }),
    );
    const own = rows.flatMap(({ target }, i) => (target === 'shadow-03' ? [i] : []));
    expect(own.map((i) => rows[i]!.member)).toEqual(alone.rows.map(({ member }) => member));
    expect(own.map((i) => rows[i]!.copies)).toEqual(alone.rows.map(({ copies }) => copies));
    for (const [a, { name, scores }] of alone.attacks.entries()) {
      expect(attacks[a]!.name).toBe(name);
      expect(own.map((i) => attacks[a]!.scores[i])).toEqual([...(scores as Float64Array)]);
    }
    // What each target adds up to is the rate over all.
    const targets = outcome.byTarget!;
    expect(targets.map(({ target }) => target)).toEqual(shadowNames);
    const sum = (of: (one: (typeof targets)[number]) => number) =>
      targets.reduce((total, one) => total + of(one), 0);
    const main = outcome.attacks.at(-1)!;
    // No attack costs more than what was asked: nobody is asked twice for being a target and a shadow.
    expect(main.evaluations).toBeLessThanOrEqual(outcome.evaluations);
    expect(main.evaluations).toBeGreaterThan(0.9 * outcome.evaluations);
    expect(outcome.attacks[0]!.evaluations).toBe(6 * 220);
    expect([sum((one) => one.members), sum((one) => one.nonMembers)]).toEqual([
      main.members,
      main.nonMembers,
    ]);
    expect(sum((one) => one.detected) / main.members).toBeCloseTo(main.rates[1]!.tpr!, 10);
    expect(sum((one) => one.falsePositives)).toBeLessThan(0.01 * main.nonMembers);
    const table = await readTable(await tableFiles(join(written.tables, 'membership')), membershipColumns);
    expect(new Set(table.map(({ target, picture, attack }) => `${target} ${picture} ${attack}`)).size).toBe(
      6 * 220 * 6,
    );
    expect(new Set(exposed.map(({ picture }) => picture)).size).toBe(exposed.length);
    expect(alone.outcome).toMatchObject({ targets: 1, byTarget: null });
  });

  it('draws pictures for all of several targets, and leaves one that cannot be read out for all', async () => {
    const source = await shadowsSource(whole);
    const items = source.items.map((item, i) => ({
      ...item,
      picture: i === 3 ? () => Promise.reject(new VerbatimError('broken')) : item.picture,
    }));
    const queries = { timesteps: [100], draws: 1, flips: false };
    const run = (output: string, extra: Partial<MembershipOptions>) =>
      runMembership(options({ ...source, items }, output, { queries, ...extra }));
    const { outcome, rows } = await run('each-limited', { limit: 60 });
    expect(outcome.members + outcome.nonMembers + 6 * outcome.failed).toBe(6 * 120);
    expect(new Set(rows.map(({ picture }) => picture)).size).toBe(120);
    expect((await run('each-broken', {})).outcome).toMatchObject({
      failed: 1,
      firstFailure: expect.stringContaining('broken'),
      evaluations: 6 * 219,
    });
  });

  it('needs three shadows to attack each, and two on each side of every target', async () => {
    const few = await lab(drawMembers(['target', 'shadow-00', 'shadow-01'], 20));
    await expect(shadowsSource(few)).rejects.toThrow('at least 3 are needed, there are 2; train more');
    const half = [...Array(10).keys()];
    const members = new Map(half.map((i) => [i, 1]));
    const others = new Map(half.map((i) => [10 + i, 1]));
    const pairs = await lab({ 'shadow-00': members, 'shadow-01': others, 'shadow-02': members });
    await expect(runMembership(options(await shadowsSource(pairs), 'each-few'))).rejects.toThrow(
      /no picture has two shadow models that were .*trained on it, .*attack another model than shadow-0\d \(--target\)/,
    );
  });

  it('has any shadow as the target, left out of the shadows', async () => {
    const source = await labSource(whole, 'shadow-02');
    expect(source.shadows.map(({ name }) => name)).toEqual(
      shadowNames.filter((name) => name !== 'shadow-02'),
    );
    const { outcome } = await runMembership(options(source, 'one-out', { limit: 40 }));
    expect(outcome).toMatchObject({ target: 'shadow-02', shadows: 5, members: 40, nonMembers: 40 });
    // With 40 non-members nothing can be said at 1%, and it is not.
    const [atTenth, atOne, atTen] = outcome.attacks[0]!.rates;
    expect([atTenth!.tpr, atOne!.tpr]).toEqual([null, null]);
    expect(atTen!.tpr).not.toBeNull();
    expect(outcome.byCopies).toBeNull();
    // Losses of two providers or precisions are no one table.
    for (const [other, message] of [
      [{ provider: 'cuda' }, 'config.provider is "cpu" there and "cuda" here'],
      [{ precision: 'float16' }, 'config.precision is "float32" there and "float16" here'],
    ] as const)
      await expect(runMembership(options(source, 'one-out', { limit: 40, ...other }))).rejects.toThrow(
        message,
      );
    await source.close();
  });

  it('goes on where it was stopped, with the same bytes, and opens one model at a time', async () => {
    const path = whole;
    const run = async (output: string, stopAfter: number) => {
      const source = await labSource(path, 'target');
      const stop = new AbortController();
      let open = 0;
      let most = 0;
      const base = options(source, output, { limit: 30 });
      const counted = async (model: string): Promise<Pipeline> => {
        const pipeline = await base.open(model);
        most = Math.max(most, ++open);
        return {
          ...pipeline,
          close: async () => {
            open--;
          },
        };
      };
      const onProgress: MembershipOptions['onProgress'] = ({ stage, done }) => {
        if (stage === 'losses' && done >= stopAfter) stop.abort();
      };
      await runMembership({ ...base, open: counted, signal: stop.signal, onProgress }).catch(
        (error: Error) => {
          expect(error.name).toBe('AbortError');
        },
      );
      expect(most).toBe(1);
      expect(open).toBe(0);
      await source.close();
    };
    await run('undisturbed', Number.POSITIVE_INFINITY);
    await run('stopped', 300);
    await run('stopped', 1100);
    await run('stopped', Number.POSITIVE_INFINITY);
    expect(await fingerprint(at('stopped'))).toEqual(await fingerprint(at('undisturbed')));
  });

  it('draws the pictures by the seed, of each side so many, in their order', async () => {
    const { items } = await labSource(whole, 'target');
    const drawn = (seed: number) => drawItems(items, 10, seed).map(({ source }) => source);
    expect(drawn(0)).toHaveLength(20);
    expect(drawn(0)).toEqual(drawn(0).toSorted((a, b) => a - b));
    expect(drawn(0)).not.toEqual(drawn(1));
    expect(drawItems(items, undefined, 0)).toHaveLength(220);
  });
});

describe('two datasets and a model', () => {
  async function sets(members: readonly Picture[], others: readonly Picture[], shadows?: string) {
    const path = at(`sets-${labs++}`);
    await mkdir(path);
    await writePictures(join(path, 'members.parquet'), members);
    await writePictures(join(path, 'others.parquet'), others);
    const open = (name: string) => openDataset({ format: 'parquet', path: join(path, name) });
    return datasetSource({
      model: '/somewhere/target',
      members: await open('members.parquet'),
      nonMembers: await open('others.parquet'),
      captions: true,
      ...(shadows !== undefined && { lab: await openMembershipLab(shadows) }),
    });
  }
  const side = (member: boolean) => pool.filter((_, i) => trained['target']!.has(i) === member);

  it('give the loss attack alone, without copies', async () => {
    const source = await sets(side(true), side(false));
    const { outcome } = await runMembership(options(source, 'datasets'));
    expect(outcome.attacks.map(({ name }) => name)).toEqual(['loss', 'loss-averaged', 'loss-averaged-flips']);
    expect(outcome.byCopies).toBeNull();
    expect(outcome.attacks[1]!.auc!).toBeGreaterThan(0.5);
    await source.close();
  });

  it('take a lab’s shadows, matched by pixels; pictures that are not in the pool have no likelihood ratio', async () => {
    const strangers = noisePictures(5, 4, 99);
    const source = await sets(side(true).slice(0, 60), [...side(false).slice(0, 60), ...strangers], whole);
    const { outcome, rows } = await runMembership(options(source, 'matched'));
    expect(rows.filter(({ pool }) => pool === null)).toHaveLength(5);
    const of = (name: string) => outcome.attacks.find((one) => one.name === name)!;
    expect(of('loss').unscored).toBe(0);
    expect(of('lira-offline').unscored).toBeGreaterThanOrEqual(5);
    const plain = await labSource(whole, 'target');
    for (const row of rows) if (row.pool !== null) expect(plain.items[row.pool]!.member).toBe(row.member);
    await source.close();
  });

  it.each([
    [
      'a picture on both sides, whatever its file',
      () => sets(pool.slice(0, 8), [...pool.slice(10, 20), pool[3]!]),
      /"3" and "10" have the same pixels, but one is a member|have the same pixels, but one is a member and the other is not/,
    ],
    [
      'another size',
      () => sets(noisePictures(3, 8, 1), pool.slice(0, 3)),
      'has 8×8 pixels, target was trained on 4×4',
    ],
    [
      'shadows of other pictures',
      async () => sets(noisePictures(4, 4, 50), noisePictures(4, 4, 51), whole),
      "none of the pictures is in the shadows' pool",
    ],
  ])('refuse %s before a folder is made', async (_, make, message) => {
    const source = await make();
    await expect(runMembership(options(source, 'refused'))).rejects.toThrow(message);
    await expect(runMembership(options(source, 'refused'))).rejects.toMatchObject({ exitCode: 2 });
    expect(await tableFiles(at('refused'))).toEqual([]);
    await source.close();
  });

  it('resize and crop with fit', async () => {
    const source = await sets(noisePictures(12, 8, 1), pool.slice(0, 12));
    const { outcome } = await runMembership(options(source, 'fitted', { fit: true }));
    expect(outcome).toMatchObject({ members: 12, nonMembers: 12 });
    await source.close();
  });

  it('leave out what cannot be read and what is there twice, and count it', async () => {
    const path = at('images');
    await mkdir(path);
    for (const [i, picture] of [...side(true).slice(0, 6), side(true)[2]!].entries())
      await writeFile(join(path, `${i}.png`), await encodePng(picture));
    await writeFile(join(path, 'broken.png'), 'no picture');
    const members = await openDataset({ format: 'image-folder', path });
    const others = at('others.parquet');
    await writePictures(others, side(false).slice(0, 6));
    const nonMembers = await openDataset({ format: 'parquet', path: others });
    const source = await datasetSource({ model: '/x/target', members, nonMembers, captions: true });
    const { outcome, rows } = await runMembership(options(source, 'failed'));
    expect(outcome).toMatchObject({ members: 6, nonMembers: 6, failed: 2 });
    const scored = await readTable(await tableFiles(at('failed/tables/membership')), membershipColumns);
    expect(scored).toHaveLength(outcome.attacks.length * 14);
    for (const { picture, score, error } of scored) {
      expect(error).toBe(rows[picture]!.error);
      expect(score === null).toBe(error !== null);
    }
    expect(rows.flatMap(({ error }) => error ?? []).sort()).toEqual([
      expect.stringContaining('not a picture that can be read'),
      expect.stringMatching(/^has the pixels of "/),
    ]);
    expect(outcome.attacks[0]!.members).toBe(6);
    await source.close();
  });
});

describe('what models do', () => {
  it('ends in one line where the target gives no number', async () => {
    const source = await labSource(whole, 'target', { lossOnly: true });
    const broken = options(source, 'broken', { limit: 4 });
    const open = async () => memorizer({ pictures: pool, meter: createMeter(), broken: true });
    await expect(runMembership({ ...broken, open })).rejects.toThrow('target: no loss is a number');
    const losses = await readTable(await tableFiles(at('broken/tables/losses')), lossColumns);
    // They were asked for all the same.
    expect(
      losses.every(
        ({ loss, evaluations, error }) =>
          loss === null && evaluations === 1 && error!.startsWith('the loss is not a number'),
      ),
    ).toBe(true);
    await source.close();
  });

  it('leaves a picture whose shadow loss is no number to the other shadows', async () => {
    const source = await labSource(whole, 'target');
    const base = options(source, 'half-broken', { limit: 40 });
    const open = async (path: string) => {
      const pipeline = await base.open(path);
      if (!path.endsWith('shadow-03')) return pipeline;
      return memorizer({ name: 'shadow-03', pictures: pool.slice(0, 31), broken: true });
    };
    const { outcome } = await runMembership({ ...base, open });
    expect(outcome.attacks.at(-1)!.auc).not.toBeNull();
    // Seven models, 80 pictures, three draws on two sides.
    expect(outcome.evaluations).toBe(7 * 80 * 6);
    await source.close();
  });

  const facts = { name: 'target', digest: 'a', sampleShape: [3, 4, 4], sigmas: [0.5] };
  it.each([
    [{ name: 's', digest: 'b', sampleShape: [3, 8, 8], sigmas: [0.5] }, 'denoises samples of 3×8×8'],
    [{ name: 's', digest: 'b', sampleShape: [3, 4, 4], sigmas: [0.6] }, 'another noise schedule'],
    [{ name: 's', digest: 'a', sampleShape: [3, 4, 4], sigmas: [0.5] }, 'target and s are the same model'],
  ])('refuses shadows of another kind, or the target again', (shadow, message) => {
    expect(() => checkAlike(facts, [shadow])).toThrow(message);
  });

  it.each([
    [{ timesteps: [1000], draws: 1, flips: false }, 'timestep 1000 does not lie'],
    [{ timesteps: [100], draws: 0, flips: false }, 'at least 1, got 0'],
  ])('refuses %j before a folder is made', async (queries, message) => {
    const source = await labSource(whole, 'target');
    await expect(runMembership(options(source, 'none', { queries }))).rejects.toThrow(message);
    await source.close();
  });
});

describe('a lab folder', () => {
  const half = new Map(Array.from({ length: 10 }, (_, i) => [i, 1] as const));
  const everything = new Map(Array.from({ length: 20 }, (_, i) => [i, 1] as const));
  const some = { target: half, 'shadow-00': half, 'shadow-01': new Map([[5, 1]]) };
  const refuse = async (path: string, target: string, message: string) => {
    await expect(labSource(path, target)).rejects.toThrow(message);
    await expect(labSource(path, target)).rejects.toMatchObject({ exitCode: 2 });
  };

  it('is refused without its tables', async () => {
    const path = await lab(some);
    await rm(join(path, 'members.parquet'));
    await refuse(path, 'target', 'members.parquet is missing');
  });
  it('does without shadows whose models are not there, and is refused without its target', async () => {
    const path = await lab({ ...some, 'shadow-99': half });
    await rm(join(path, 'models/shadow-99'), { recursive: true });
    const source = await labSource(path, 'target');
    expect(source.shadows.map(({ name }) => name)).not.toContain('shadow-99');
    await source.close();
    await rm(join(path, 'models/target'), { recursive: true });
    await refuse(path, 'target', 'has no model "target"; it has shadow-00');
  });
  it('names its models where the target is none of them', async () => {
    await refuse(await lab(some), 'targte', 'has no model "targte"; it has shadow-00');
  });
  it('is refused with one shadow, unless the loss attack alone is asked for', async () => {
    const path = await lab({ target: half, 'shadow-00': half });
    await refuse(path, 'target', 'at least 2 shadow models, there is 1');
    expect((await labSource(path, 'target', { lossOnly: true })).shadows).toEqual([]);
  });
  it('is refused with a shadow that was trained on everything, and a target', async () => {
    const path = await lab({ target: half, full: everything, 'shadow-00': everything, 'shadow-01': half });
    await refuse(path, 'target', 'shadow shadow-00 was trained on all of the 20');
    await refuse(path, 'full', 'full was trained on all 20');
  });
  it('is refused where shadows are halves that complete each other: nothing says how much models differ', async () => {
    const rest = new Map(Array.from({ length: 10 }, (_, i) => [10 + i, 1] as const));
    const source = await labSource(
      await lab({ target: half, 'shadow-00': half, 'shadow-01': rest }),
      'target',
    );
    await expect(runMembership(options(source, 'halves'))).rejects.toThrow(
      'no picture has two shadow models',
    );
  });
  it.each([
    ['../target', 3, 1, 'row 0: model "../target" is no plain name'],
    ['target', 20, 1, 'row 0: picture 20 is not in the pool of 20'],
    ['target', -1, 1, 'row 0: picture -1 is not in the pool'],
    ['target', 3, 0, 'row 0: copies is 0'],
  ])('is refused for a row (%s, %d, %d)', async (model, picture, copies, message) => {
    const path = await lab(some);
    await writeMembers(path, { [model]: new Map([[picture, copies]]) });
    await refuse(path, 'target', message);
  });
});

describe('the inpainting attack', () => {
  const inpainting = async ({ pictureSize }: Pipeline) => ({
    ...(await readMask('right-half', pictureSize)),
    completions: 8,
    keep: 2,
    steps: 10,
    sampler: 'ddim' as const,
    guidance: 1,
    resample: { jump: 1, times: 1 },
  });

  it('tells memorized pictures from others, and keeps the surest completion of each', async () => {
    const source = await labSource(whole, 'target', { lossOnly: true });
    const base = options(source, 'inpainting', {
      limit: 30,
      inpainting,
      queries: { timesteps: [100], draws: 2, flips: false },
    });
    const pictures = [...trained['target']!.keys()].map((i) => pool[i]!);
    const open = async () =>
      memorizer({ pictures, deviation: 0.05, weight: 0.9, prior: 0.3, meter: base.meter as never });
    const { outcome, exposed } = await runMembership({ ...base, open });
    expect(outcome).toMatchObject({
      attack: 'inpainting',
      members: 30,
      nonMembers: 30,
      headline: 'inpainting',
    });
    // A few members come back every time or never; the deviation of such an AUC is below .06.
    for (const { auc } of outcome.attacks) expect(auc!).toBeGreaterThan(0.75);
    const rows = await readTable(await tableFiles(at('inpainting/tables/completions')), completionColumns);
    expect(rows).toHaveLength(60 * 8);
    // Ten steps and two losses.
    expect(rows.every(({ evaluations }) => evaluations === 12)).toBe(true);
    expect(rows.filter(({ image }) => image !== null)).toHaveLength(60);
    expect(exposed.every(({ image, completion }) => image !== null && completion !== null)).toBe(true);
    await source.close();
  });

  it('makes completions of other noise than their loss is taken with', async () => {
    const source = await labSource(whole, 'target', { lossOnly: true });
    const extra = { limit: 1, inpainting, queries: { timesteps: [100], draws: 2, flips: false } };
    const base = options(source, 'completion-noise', extra);
    // In the region that is made: the rest has noise of its own.
    const largest = (values: Float32Array) =>
      Math.max(...values.map((value, i) => (i % 4 < 2 ? 0 : Math.abs(value))));
    const starts: Float32Array[] = [];
    const open = async (path: string) => {
      const pipeline = await base.open(path);
      const top = Math.max(...pipeline.denoiser.sigmas);
      const denoise: Pipeline['denoiser']['denoise'] = async (sample, at, condition) => {
        // The first call of the sampler sees all but noise.
        if (at > 0.9 * top) starts.push(sample.data.map((value) => value / at));
        return pipeline.denoiser.denoise(sample, at, condition);
      };
      return { ...pipeline, denoiser: { ...pipeline.denoiser, denoise } };
    };
    await runMembership({ ...base, open });
    expect(starts).toHaveLength(2);
    const perSample = 3 * 4 * 4;
    const judged = seededNoise()([0, 1], [3, 4, 4], 0);
    for (const start of starts)
      for (let at = 0; at < start.length; at += perSample)
        for (const seed of [0, 1]) {
          const one = start.subarray(at, at + perSample);
          const other = judged.data.subarray(seed * perSample, (seed + 1) * perSample);
          expect(largest(one.map((value, i) => value - other[i]!))).toBeGreaterThan(0.5);
        }
    await source.close();
  });

  it('counts what was spent on pictures that cannot be judged', async () => {
    const source = await labSource(whole, 'target', { lossOnly: true });
    const base = options(source, 'unjudged', {
      limit: 2,
      inpainting,
      queries: { timesteps: [100], draws: 2, flips: false },
    });
    let decoded = 0;
    const open = async (path: string): Promise<Pipeline> => {
      const pipeline = await base.open(path);
      return {
        ...pipeline,
        // Of the first picture nothing comes out.
        decode: async (latents) =>
          decoded++ === 0
            ? Array.from({ length: latents.shape[0]! }, () => new VerbatimError('not a number'))
            : pipeline.decode(latents),
      };
    };
    const { outcome } = await runMembership({ ...base, open });
    expect(outcome.attacks.at(-1)!.unscored).toBe(1);
    expect(outcome.evaluations).toBe(4 * 8 * 12);
    expect(base.meter.evaluations).toBe(outcome.evaluations);
    await source.close();
  });

  it('reads masks by name, shares and picture, and refuses those that leave nothing', async () => {
    const share = async (text: string) => {
      const { mask } = await readMask(text, [4, 8]);
      return mask.data.reduce((sum, value) => sum + value, 0);
    };
    expect(await share('left-half')).toBe(16);
    expect(await share('centre')).toBe(8);
    expect(await share('0,0,1,.25')).toBe(8);
    const white = new Uint8Array(8 * 4 * 3).map((_, i) => (Math.floor(i / 3) % 8 < 2 ? 255 : 0));
    await writeFile(at('mask.png'), await encodePng({ width: 8, height: 4, data: white }));
    expect(await share(at('mask.png'))).toBe(8);
    expect((await readMask(at('mask.png'), [4, 8])).maskName).toMatch(/^picture [0-9a-f]{64}$/);
    for (const [text, message] of [
      ['0,0,1,1', 'covers the whole picture'],
      ['0,0,0,0', 'covers no pixel'],
      ['0,0,2,1', 'as shares of the picture'],
      ['0,0,1', 'as shares of the picture'],
      ['upper', 'neither a file nor one of left-half'],
    ] as const)
      await expect(readMask(text, [4, 8])).rejects.toThrow(message);
  });

  it('fills a region with the mean colour of the rest', async () => {
    const { mask } = await readMask('0,0,.5,1', [1, 4]);
    const data = Uint8Array.of(1, 2, 3, 4, 5, 6, 10, 20, 30, 12, 24, 36);
    expect([...filled({ width: 4, height: 1, data }, mask).data]).toEqual([
      ...[11, 22, 33, 11, 22, 33],
      ...data.subarray(6),
    ]);
  });

  it('makes every cell of a latent that a masked pixel falls into', async () => {
    const { mask } = await readMask('0,0,.375,1', [8, 8]);
    // Three columns of eight are a column and a half of four: two are made.
    const tensor = maskTensor(mask, [2, 4, 4]);
    expect([...tensor.data.subarray(0, 4)]).toEqual([1, 1, 0, 0]);
    expect(tensor.data.reduce((sum, value) => sum + value, 0)).toBe(2 * 4 * 2);
  });
});
