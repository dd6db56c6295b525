import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trainingEntries } from '../datasets/index.ts';
import { openPipeline, stableDiffusionSchedule } from '../diffusion/index.ts';
import { createRandom } from '../math/index.ts';
import { readTable } from '../tables/index.ts';
import { epochBatches, timestepSampler } from './batches.ts';
import { labConfigSchema, labPaths, openLabSet, trainLab } from './index.ts';
import { type MemorizedRow, memorizedByCopies, memorizedColumns } from './study.ts';

/** The smallest lab that still has everything in it: seconds, not minutes, and of course no quality. */
const tiny = labConfigSchema.parse({
  name: 'tiny',
  seed: 3,
  planted: {
    uniques: 24,
    heldOut: 12,
    copyCounts: [2, 4],
    groupsPerCopyCount: 2,
    familiesPerTwin: 1,
    variantsMin: 3,
    variantsMax: 4,
  },
  tokenizer: { vocabularySize: 600, maxLength: 16 },
  textEncoder: { hiddenSize: 16, layers: 1, heads: 2 },
  vae: { blockOutChannels: [8, 8, 8], normGroups: 4, steps: 6, batchSize: 4 },
  unet: { blockOutChannels: [8, 16], attention: [false, true], headDim: 8, normGroups: 4 },
  training: { steps: 6, batchSize: 4 },
  classifier: { channels: 8, steps: 4, batchSize: 4 },
  quality: { captions: 4, steps: 2, samples: 1, guidanceScales: [1, 2], guidanceCaptions: 4 },
});

describe('a lab run', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'verbatim-lab-'));
    await trainLab(tiny, { folder: join(folder, 'whole'), threads: 1 });
  }, 240_000);
  afterAll(() => rm(folder, { recursive: true }));

  const bytes = (run: string, twin: 'A' | 'B') => {
    const path = labPaths(join(folder, run)).twin(twin);
    return Promise.all(
      ['unet/diffusion_pytorch_model', 'vae/diffusion_pytorch_model', 'text_encoder/model'].map((name) =>
        readFile(join(path, `${name}.safetensors`)),
      ),
    );
  };

  it('writes twins that share the first stage and differ in the rest', async () => {
    const [a, b] = [await bytes('whole', 'A'), await bytes('whole', 'B')];
    expect(a[0]!.equals(b[0]!)).toBe(false);
    expect(a[1]!.equals(b[1]!)).toBe(true);
    const pipeline = await openPipeline(labPaths(join(folder, 'whole')).twin('A'), { threads: 1 });
    expect(pipeline.denoiser.sampleShape).toEqual([4, 16, 16]);
    const log = JSON.parse(await readFile(labPaths(join(folder, 'whole')).log, 'utf8'));
    expect(pipeline.guidance).toBe(log.quality.guidance.scale);
    await pipeline.close();
  });

  it('asks both twins about every planted item', async () => {
    const rows = await readTable(labPaths(join(folder, 'whole')).memorized, memorizedColumns);
    // 2 copy counts × 2 groups × 2 twins, and 1 family per twin.
    expect(rows.filter((row) => row.kind === 'duplicate')).toHaveLength(8);
    expect(rows.filter((row) => row.kind === 'template')).toHaveLength(2);
    for (const row of rows) {
      const [own, other] = row.twin === 'A' ? [row.rms_a, row.rms_b] : [row.rms_b, row.rms_a];
      expect(row.memorized).toBe(own <= row.threshold && other > row.threshold);
    }
  });

  it('refuses to go on with checkpoints or finished models of another config', async () => {
    await cp(join(folder, 'whole'), join(folder, 'other'), { recursive: true });
    const other = { ...tiny, vae: { ...tiny.vae, klWeight: 0.5 } };
    const train = () => trainLab(other, { folder: join(folder, 'other'), threads: 1 });
    await expect(train()).rejects.toThrow(/lab\.json: vae was trained with another configuration/);
    await rm(labPaths(join(folder, 'other')).log);
    await expect(train()).rejects.toThrow(
      /vae\.checkpoint\.safetensors: this checkpoint is of another configuration/,
    );
  });

  it('ends with the same weights: stopped amid the twins and given again, or a finished folder trained on, with its checkpoints and without', async () => {
    const longer = { ...tiny, restarts: [{ steps: 4, learningRate: 1e-3 }] };
    for (const run of ['kept', 'bare'])
      await cp(join(folder, 'whole'), join(folder, run), { recursive: true });
    await rm(labPaths(join(folder, 'bare')).work, { recursive: true });
    const stop = new AbortController();
    const first = trainLab(longer, {
      ...{ folder: join(folder, 'cut'), threads: 1, signal: stop.signal },
      onProgress: (work, { step }) => work === 'twin-a' && step === 3 && stop.abort(),
    });
    await expect(first).rejects.toThrow(/abort/i);
    // 'whole' was never stopped, and 'kept' goes on from it: what a stop changed would show.
    const logs = [];
    for (const run of ['kept', 'bare', 'cut'])
      logs.push(await trainLab(longer, { folder: join(folder, run), threads: 1 }));
    for (const twin of ['A', 'B'] as const) {
      const cut = await bytes('cut', twin);
      for (const run of ['kept', 'bare'])
        (await bytes(run, twin)).forEach((file, i) => {
          expect(file.equals(cut[i]!)).toBe(true);
        });
      expect(cut[0]!.equals((await bytes('whole', twin))[0]!)).toBe(false);
    }
    for (const { networks } of logs) {
      expect(networks['twin-a']!.cycles.map(({ steps }) => steps)).toEqual([6, 4]);
      expect(networks['twin-a']!.cycles.map(({ loss }) => loss)).toEqual(
        logs[0]!.networks['twin-a']!.cycles.map(({ loss }) => loss),
      );
    }
  }, 240_000);

  it('says before it trains that there are too few held-out captions to judge by', async () => {
    const poor = { ...tiny, quality: { ...tiny.quality, captions: 40 } };
    await expect(trainLab(poor, { folder: join(folder, 'poor'), threads: 1 })).rejects.toThrow(
      /quality needs 44 held-out captions, the set has 12; raise planted\.heldOut/,
    );
  });
});

describe('a lab config', () => {
  it('has one seed: a second one for what is planted is refused', () => {
    expect(labConfigSchema.safeParse({ planted: { seed: 2 } }).success).toBe(false);
  });

  it('stands for the same planted set as ever', async () => {
    // The shipped twins were trained on it: when this changes, they know nothing of what is audited.
    const { digest } = await openLabSet(labConfigSchema.parse({ seed: 1 }));
    expect(digest).toBe('325326bf4995b765000396d0718c6e5df573faf46b552824bc056800a5747a72');
  });
});

describe('the training data of twins', () => {
  it('share uniques and nothing planted', async () => {
    const set = await openLabSet(tiny);
    const captions = (twin: 'A' | 'B') => new Set(trainingEntries(set, twin).captions);
    const [a, b] = [captions('A'), captions('B')];
    const shared = set.truth.filter((row) => a.has(row.caption) && b.has(row.caption));
    expect(new Set(shared.map((row) => row.kind))).toEqual(new Set(['unique']));
    expect(shared).toHaveLength(tiny.planted.uniques);
  });
});

describe('batches', () => {
  it('visit every entry once per epoch, in an order that only seed and step decide', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(),
        (size, batch, seed) => {
          const draw = epochBatches(size, batch, seed);
          const seen = Array.from({ length: size }, (_, step) => [...draw(step + 1)]).flat();
          for (let epoch = 0; epoch < batch; epoch++)
            expect(seen.slice(epoch * size, (epoch + 1) * size).sort((x, y) => x - y)).toEqual(
              Array.from({ length: size }, (_, i) => i),
            );
          const late = epochBatches(size, batch, seed)(size);
          expect([...late]).toEqual(seen.slice(-batch));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('draw noise levels from the whole schedule, the largest among them', () => {
    const { sigmas } = stableDiffusionSchedule('v_prediction');
    const draw = timestepSampler(sigmas, {
      lognormalShare: 0.75,
      lognormalMean: -0.3,
      lognormalDeviation: 1.3,
    });
    const random = createRandom(1);
    const steps = Array.from({ length: 20_000 }, () => draw(random));
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...steps)).toBe(999);
    const median = steps.map((t) => sigmas[t]!).sort((x, y) => x - y)[10_000]!;
    // Between the log-normal part's median e^−.3 = .74 and the log-uniform part's √(.029 · 14.6) = .65.
    expect(median).toBeGreaterThan(0.6);
    expect(median).toBeLessThan(0.8);
    const high = steps.filter((t) => sigmas[t]! > 5).length / steps.length;
    expect(high).toBeGreaterThan(0.05);
  });
});

describe('memorizedByCopies', () => {
  it('counts groups of duplicates by copy count', () => {
    const row = (copies: number, memorized: boolean, kind = 'duplicate'): MemorizedRow => ({
      group: `g${copies}`,
      kind,
      twin: 'A',
      copies,
      caption: 'c',
      rms_a: 0,
      rms_b: 1,
      threshold: 0.1,
      memorized,
    });
    const rows = [row(300, true), row(5, false), row(5, true), row(40, true, 'template')];
    expect(memorizedByCopies(rows)).toEqual([
      { copies: 5, planted: 2, memorized: 1 },
      { copies: 300, planted: 1, memorized: 1 },
    ]);
  });
});
