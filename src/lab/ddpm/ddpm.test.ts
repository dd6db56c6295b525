import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { openDataset } from '../../datasets/index.ts';
import { openPipeline } from '../../diffusion/index.ts';
import { readTable } from '../../tables/index.ts';
import { openLabSource } from '../source.ts';
import { ddpmLabConfigSchema } from './config.ts';
import { ddpmPaths, readDdpmLab, trainDdpmLab } from './run.ts';
import { ddpmSet, memberColumns, memberRows, poolColumns } from './set.ts';

const tiny = ddpmLabConfigSchema.parse({
  kind: 'ddpm',
  name: 'tiny',
  seed: 3,
  members: 6,
  heldOut: 6,
  planted: { copyCounts: [2, 3], picturesPerCopyCount: 1 },
  shadows: 2,
  unet: { blockOutChannels: [8, 8, 8, 8], attention: [false, false, false, true], headDim: 8, normGroups: 4 },
  training: { steps: 3, batchSize: 2, warmupSteps: 1, flips: true },
});

describe('who is trained on what', () => {
  it('is a set of members with planted copies, the same once, and complementary halves', async () => {
    const source = await openLabSource(tiny);
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          members: fc.integer({ min: 1, max: 20 }),
          heldOut: fc.integer({ min: 1, max: 20 }),
          pairs: fc.integer({ min: 0, max: 3 }),
        }),
        ({ pairs, ...rest }) => {
          const { pool, entries } = ddpmSet({ ...tiny, ...rest, shadows: 2 * pairs }, source);
          const [target, deduplicated] = [entries.get('target')!, entries.get('deduplicated')!];
          for (const { picture, copies } of pool) {
            expect(target.filter((one) => one === picture)).toHaveLength(copies);
            expect(deduplicated.filter((one) => one === picture)).toHaveLength(Math.min(1, copies));
          }
          const drawn = pool.filter(({ role }) => role !== 'planted').map(({ picture }) => picture);
          for (let pair = 0; pair < pairs; pair++) {
            const halves = [0, 1].map((k) => [...entries.get(`shadow-0${2 * pair + k}`)!]);
            expect(halves.flat().sort((a, b) => a - b)).toEqual(drawn);
            expect(Math.abs(halves[0]!.length - halves[1]!.length)).toBeLessThanOrEqual(1);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('refuses an odd number of shadow models, and a source with too few pictures', async () => {
    expect(() => ddpmLabConfigSchema.parse({ kind: 'ddpm', shadows: 3 })).toThrow(/complementary pairs/);
    const few = { ...(await openLabSource(tiny)), count: 13 };
    expect(() => ddpmSet(tiny, few)).toThrow(
      /needs 14 different pictures, there are 13; lower members \(6\)/,
    );
  });
});

describe('a lab of unconditional models', () => {
  let folder: string;
  const weights = (run: string, model: string) =>
    readFile(join(ddpmPaths(join(folder, run)).model(model), 'unet/diffusion_pytorch_model.safetensors'));
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'verbatim-ddpm-'));
    await trainDdpmLab(tiny, { folder: join(folder, 'whole'), threads: 2 });
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true }));

  it('writes models that open, the pictures as datasets, and who was trained on which', async () => {
    const paths = ddpmPaths(join(folder, 'whole'));
    const pipeline = await openPipeline(paths.model('target'), { threads: 1 });
    expect(pipeline.conditions).toBe('none');
    expect(pipeline.denoiser.sampleShape).toEqual([3, 64, 64]);
    await pipeline.close();

    const set = ddpmSet(tiny, await openLabSource(tiny));
    expect(await readTable(paths.truth, poolColumns)).toEqual(set.pool);
    expect(await readTable(paths.members, memberColumns)).toEqual(memberRows(set));
    const source = await openLabSource(tiny);
    for (const [path, from, size] of [
      [paths.training, 0, 8],
      [paths.heldOut, 8, 6],
    ] as const) {
      const dataset = await openDataset(path);
      expect(dataset.size).toBe(size);
      expect((await dataset.picture(1)).data).toEqual((await source.picture(from + 1)).data);
      await dataset.close();
    }
  });

  it('trains every model on its own pictures', async () => {
    const [target, deduplicated, shadow] = await Promise.all(
      ['target', 'deduplicated', 'shadow-00'].map((model) => weights('whole', model)),
    );
    expect(target!.equals(deduplicated!)).toBe(false);
    expect(target!.equals(shadow!)).toBe(false);
  });

  it('gives the same weights after an interruption, and when one model is trained alone', async () => {
    const stop = new AbortController();
    const cut = { folder: join(folder, 'cut'), threads: 1, only: ['shadow-01'] };
    const first = trainDdpmLab(tiny, {
      ...cut,
      signal: stop.signal,
      onProgress: (_, { step }) => step === 2 && stop.abort(),
    });
    await expect(first).rejects.toThrow(/abort/i);
    const log = await trainDdpmLab(tiny, cut);
    expect(Object.keys(log.networks)).toEqual(['shadow-01']);
    expect((await weights('cut', 'shadow-01')).equals(await weights('whole', 'shadow-01'))).toBe(true);
  });

  it('trains all shadow models by one name, and leaves out what would be the target again', async () => {
    const planted = { copyCounts: [], picturesPerCopyCount: 1 };
    const { entries } = ddpmSet({ ...tiny, planted }, await openLabSource(tiny));
    expect([...entries.keys()]).toEqual(['target', 'shadow-00', 'shadow-01']);
    const some = { folder: join(folder, 'some'), threads: 2, only: ['shadows'] };
    const log = await trainDdpmLab(tiny, some);
    expect(Object.keys(log.networks).sort()).toEqual(['shadow-00', 'shadow-01']);
    expect((await weights('some', 'shadow-00')).equals(await weights('whole', 'shadow-00'))).toBe(true);
  });

  it('says what a folder was trained with, and of a folder of other makers nothing', async () => {
    const path = join(folder, 'read');
    await mkdir(path);
    expect(await readDdpmLab(path)).toBeUndefined();
    for (const [text, flips] of [
      ['kind: ddpm\ntraining: { flips: true }\n', true],
      ['kind: ddpm\n', false],
      ['kind: twins\n', undefined],
      ['kind: [', undefined],
    ] as const) {
      await writeFile(ddpmPaths(path).config, text);
      expect((await readDdpmLab(path))?.training.flips).toBe(flips);
    }
  });

  it('keeps what an earlier run has trained, and refuses to mix configurations', async () => {
    const path = join(folder, 'parts');
    await trainDdpmLab(tiny, { folder: path, threads: 1, only: ['shadow-00'] });
    const { networks } = await trainDdpmLab(tiny, { folder: path, threads: 1, only: ['shadow-01'] });
    expect(Object.keys(networks).sort()).toEqual(['shadow-00', 'shadow-01']);
    await writeFile(ddpmPaths(path).config, stringify(tiny));
    const other = { ...tiny, training: { ...tiny.training, steps: 2 } };
    await expect(trainDdpmLab(other, { folder: path, only: ['target'] })).rejects.toThrow(
      /lab\.yaml: this folder holds models of another configuration/,
    );
    const again = await trainDdpmLab(tiny, { folder: path, only: ['shadow-01'] });
    expect(again.networks['shadow-00']).toEqual(networks['shadow-00']);
  });

  it('refuses a network that cannot be, before anything is written', async () => {
    const unet = { blockOutChannels: [16, 16], attention: [false, false] };
    expect(ddpmLabConfigSchema.safeParse({ kind: 'ddpm', unet }).error!.issues[0]).toMatchObject({
      path: ['unet', 'headDim'],
      message: 'expected a divisor of the 16 channels of resolution 2, which attends',
    });
    const deep = { ...tiny.unet, blockOutChannels: Array(8).fill(8), attention: Array(8).fill(false) };
    const path = join(folder, 'deep');
    await expect(trainDdpmLab({ ...tiny, unet: deep }, { folder: path })).rejects.toThrow(
      /have 64 pixels a side, which a network of 8 resolutions cannot halve 7 times; give source\.size/,
    );
    expect(existsSync(path)).toBe(false);
  });

  it('refuses a name that is none of its models', async () => {
    const run = trainDdpmLab(tiny, { folder: join(folder, 'none'), only: ['twin-a'] });
    await expect(run).rejects.toThrow(/--only: the lab has no model "twin-a"; it has target, deduplicated, /);
  });
});
