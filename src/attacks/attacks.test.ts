import { describe, expect, it } from 'vitest';
import { combineGuided, createDenoiser, type Pipeline, stableDiffusionSchedule } from '../diffusion/index.ts';
import { batchOf, readGolden, toyNetwork } from '../diffusion/testing/toy.ts';
import { noiseFor } from '../noise/index.ts';
import { attackNamed, attackNames, attacks } from './registry.ts';
import { scoreAll } from './score.ts';
import { createSubject } from './subject.ts';
import { attackConformance } from './testing/conformance.ts';
import { gaussianPipeline } from './testing/gaussians.ts';

/** Options that every attack is tried with beside its defaults. */
const variants: Readonly<Record<string, readonly unknown[]>> = {
  dcs: [{ seeds: [3, 4] }, { guidance: 3, sigma: 5 }],
  ecs: [{ seeds: [5, 6], guidance: 3 }],
  'dcs-antithetic': [{ seeds: [3, 4] }, { guidance: 7.5 }, { sigma: 5 }],
  'noise-difference': [{ seeds: [3, 4] }, { sigma: 5 }],
  'seed-variance': [{ seeds: [3, 4, 5] }, { sigma: 5 }],
  'dcs-greybox': [{ seeds: [3, 4] }],
};
for (const attack of attacks) attackConformance(attack, variants[attack.name]!);

describe('formulas, against the Gaussian denoiser in closed form', () => {
  const pipeline = gaussianPipeline();
  const shape = pipeline.denoiser.sampleShape;
  const size = shape[0] * shape[1] * shape[2];
  const sigma = pipeline.denoiser.sigmaMax;
  /** D of a caption at sign·σ·ε(seed), in float64, from the pipeline's own means and deviations. */
  async function estimate(caption: string, seed: number, sign = 1, level = sigma) {
    const states = await pipeline.encodeText([caption]);
    const deviation = states.data[0]!;
    const noise = noiseFor([seed], shape).data;
    const x = Array.from(noise, (value) => sign * level * value);
    const d = x.map(
      (value, i) =>
        (deviation ** 2 * value + level ** 2 * states.data[i + 1]!) / (deviation ** 2 + level ** 2),
    );
    return { x, d };
  }
  const meanSquare = (a: number[], b: number[]) =>
    a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length;
  const clamped = (value: number, low: number, high: number) => Math.max(low, Math.min(high, value));
  const scoreOf = async (name: string, caption: string, options?: unknown) =>
    (await attackNamed(name).score(createSubject(pipeline), [caption], options))[0]!.score;

  it.each(['memorized sunflowers', 'two cups'])('hold for "%s"', async (caption) => {
    const c0 = await estimate(caption, 0);
    const u0 = await estimate('', 0);
    const guided = u0.d.map((base, i) => base + 7.5 * (c0.d[i]! - base));
    const close = (actual: number, expected: number) =>
      expect(Math.abs(actual / expected - 1)).toBeLessThan(1e-4);

    close(await scoreOf('dcs', caption), meanSquare(c0.x, guided));
    // Pictures there keep three of four channels, in steps of 1/25.5 within ±5.
    const kept = guided.map((value, i) =>
      i < (3 * size) / 4 ? (clamped(Math.round(127.5 + 25.5 * value), 0, 255) - 127.5) / 25.5 : 0,
    );
    close(await scoreOf('dcs-greybox', caption), meanSquare(c0.x, kept));
    const minus = await estimate(caption, 0, -1);
    close(
      await scoreOf('dcs-antithetic', caption),
      (meanSquare(c0.x, c0.d) + meanSquare(minus.x, minus.d)) / 2,
    );
    const c5 = await estimate(caption, 9, 1, 5);
    const u5 = await estimate('', 9, 1, 5);
    close(
      await scoreOf('noise-difference', caption, { sigma: 5, seeds: [9] }),
      Math.sqrt(size * meanSquare(c5.d, u5.d)) / 5,
    );
    const three = await Promise.all([0, 1, 2].map(async (seed) => (await estimate(caption, seed)).d));
    const pairs = [
      meanSquare(three[0]!, three[1]!),
      meanSquare(three[0]!, three[2]!),
      meanSquare(three[1]!, three[2]!),
    ];
    const variance = -(pairs[0]! + pairs[1]! + pairs[2]!) / 3;
    const measured = await scoreOf('seed-variance', caption, { seeds: [0, 1, 2] });
    // A memorized caption has variance 0; float32 at σ 14.6 leaves about 1e-12.
    expect(Math.abs(measured - variance)).toBeLessThan(1e-4 * Math.abs(variance) + 1e-10);
  });

  it('averages dcs over its seeds', async () => {
    const each = await Promise.all([1, 2, 3].map((seed) => scoreOf('dcs', 'two cups', { seeds: [seed] })));
    const together = await scoreOf('dcs', 'two cups', { seeds: [1, 2, 3] });
    expect(together).toBeCloseTo((each[0]! + each[1]! + each[2]!) / 3, 9);
  });
});

describe('dcs, against the reference computed with k-diffusion on the same network', () => {
  const golden = readGolden();
  it.each(golden.scores)('$parametrization, guidance $guidance', async (entry) => {
    const texts = ['first', 'second', ''];
    const states = [...golden.condition, ...golden.unconditional];
    const length = golden.tokens * golden.width;
    const pipeline: Pipeline = {
      ...gaussianPipeline(),
      denoiser: createDenoiser({
        predict: toyNetwork(golden),
        schedule: stableDiffusionSchedule(entry.parametrization),
        sampleShape: golden.shape,
      }),
      encodeText: async (captions) =>
        batchOf(
          captions.flatMap((caption) => {
            const at = texts.indexOf(caption) * length;
            return states.slice(at, at + length);
          }),
          [captions.length, golden.tokens, golden.width],
        ),
    };
    const size = golden.noise.length / golden.batch;
    const subject = createSubject(pipeline, {
      noise: (seeds, shape) => {
        expect(seeds).toEqual([5]);
        return batchOf(golden.noise.slice(0, size), [1, ...shape]);
      },
    });
    const options = { seeds: [5], guidance: entry.guidance };
    const scores = await attackNamed('dcs').score(subject, ['first', 'second'], options);
    scores.forEach(({ score }, i) => {
      expect(Math.abs(score / entry.dcs[i]! - 1)).toBeLessThan(1e-4);
    });
  });
});

describe('scoreAll', () => {
  const captions = ['memorized one', 'two', 'three', 'two'];
  const prepared = attacks.map((attack) => attack.prepare());

  it('gives every attack the score that it has alone, for fewer evaluations', async () => {
    const all = await scoreAll(createSubject(gaussianPipeline()), captions, prepared);
    for (const [i, attack] of attacks.entries())
      expect(all.scores[i]).toEqual(await attack.score(createSubject(gaussianPipeline()), captions));
    // Seeds 0 to 3 and the negative of seed 0, for three distinct captions; unconditional seeds 0 to 3.
    expect(all.spent).toEqual({ conditional: 5 * 3, unconditional: 4 });
    expect(all.alone.reduce((sum, cost) => sum + cost.conditional, 0)).toBe((1 + 4 + 2 + 1 + 2 + 1) * 4);
  });

  it('spends the unconditional half once over all batches of a subject', async () => {
    const subject = createSubject(gaussianPipeline());
    const first = await scoreAll(subject, captions, [attackNamed('dcs').prepare()], { batch: 1 });
    expect(first.spent).toEqual({ conditional: 4, unconditional: 1 });
    const second = await scoreAll(subject, ['four'], [attackNamed('dcs').prepare()]);
    expect(second.spent).toEqual({ conditional: 1, unconditional: 0 });
    expect(second.alone[0]).toEqual({ conditional: 1, unconditional: 1 });
  });

  it('encodes a caption once while it is kept, and gives the same scores when nothing is kept', async () => {
    for (const [textStateBytes, expected] of [
      [undefined, ['', 'memorized one', 'two', 'three']],
      [0, undefined],
    ] as const) {
      const pipeline = gaussianPipeline();
      const encoded: string[] = [];
      const subject = createSubject(
        {
          ...pipeline,
          encodeText: (list) => {
            encoded.push(...list);
            return pipeline.encodeText(list);
          },
        },
        textStateBytes === undefined ? {} : { textStateBytes },
      );
      const { scores } = await scoreAll(subject, captions, prepared);
      expect(scores).toEqual((await scoreAll(createSubject(pipeline), captions, prepared)).scores);
      if (expected) expect(encoded.toSorted()).toEqual([...expected].toSorted());
      else expect(encoded.length).toBeGreaterThan(4);
    }
  });

  it('forgets a failure, so that the next batch may succeed', async () => {
    const pipeline = gaussianPipeline();
    let broken = true;
    const subject = createSubject({
      ...pipeline,
      denoiser: {
        ...pipeline.denoiser,
        denoise: (x, sigma, condition) =>
          broken
            ? Promise.reject(new Error('out of memory'))
            : pipeline.denoiser.denoise(x, sigma, condition),
      },
    });
    await expect(scoreAll(subject, captions, prepared)).rejects.toThrow('out of memory');
    expect(subject.spent).toEqual({ conditional: 0, unconditional: 0 });
    broken = false;
    const { scores } = await scoreAll(subject, captions, prepared);
    expect(scores).toEqual((await scoreAll(createSubject(pipeline), captions, prepared)).scores);
  });

  it('stops between attacks when it is told to', async () => {
    const stop = new AbortController();
    const run = scoreAll(createSubject(gaussianPipeline()), captions, prepared, {
      batch: 1,
      signal: stop.signal,
      onBatch: (done) => done === 2 && stop.abort(),
    });
    await expect(run).rejects.toThrow('aborted');
  });
});

it('an unknown attack is refused with the nearest name', () => {
  expect(attackNames).toEqual([
    'dcs',
    'ecs',
    'dcs-antithetic',
    'noise-difference',
    'seed-variance',
    'dcs-greybox',
  ]);
  expect(() => attackNamed('noise-diference')).toThrow('did you mean "noise-difference"?');
});

it('guidance on the table is the guidance of the samplers', async () => {
  const table = createSubject(gaussianPipeline()).outputs(['two cups', 'memorized flag']);
  const cell = { sigma: 'max', seed: 4 } as const;
  expect(await table.guided(cell, 7.5)).toEqual(
    combineGuided(await table.conditional(cell), await table.unconditional(cell), 7.5),
  );
});
