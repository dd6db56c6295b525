import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createDenoiser,
  makeBetas,
  openPipeline,
  scheduleFromBetas,
  seededNoise,
} from '../../diffusion/index.ts';
import { createRandom, floatTensor, rocAuc, tprAtFpr } from '../../math/index.ts';
import { fixtures } from '../../models/testing/goldens.ts';
import { createMeter } from '../../runtime/index.ts';
import { memorizer, noisePictures } from '../testing/memorizer.ts';
import { checkKept, inpaintingScore } from './inpainting.ts';
import { checkShadows, liraScores } from './lira.ts';
import { checkQueries, denoisingLoss, lossesPerPicture, queryLosses } from './loss.ts';
import { headlineAttack, lossAttacks, modelLosses, scoreLosses } from './scores.ts';
import { membershipStatistic } from './statistic.ts';

interface Golden {
  timesteps: number[];
  draws: number;
  losses: { variant: string; caption: string; pictures: number[][]; losses: number[] }[];
  lira: {
    variance: 'fixed' | 'per-picture';
    target: number[];
    statistics: number[][];
    inside: boolean[][];
    online: (number | null)[];
    offline: (number | null)[];
  }[];
}
const golden = JSON.parse(
  readFileSync(new URL('../fixtures/membership.json', import.meta.url), 'utf8'),
) as Golden;

const mirrored = (data: readonly number[], side: number) =>
  Uint8Array.from(data, (_, i) => {
    const [row, column, channel] = [Math.floor(i / (3 * side)), Math.floor(i / 3) % side, i % 3];
    return data[3 * (row * side + side - 1 - column) + channel]!;
  });

describe('the denoising loss', () => {
  it.each(golden.losses)('is that of diffusers for the UNet $variant', async (one) => {
    const pipeline = await openPipeline(fixtures + one.variant, { threads: 1 });
    try {
      const pictures = (flip: boolean) =>
        one.pictures.map((data) => ({
          width: 8,
          height: 8,
          data: flip ? mirrored(data, 8) : Uint8Array.from(data),
        }));
      const losses = await queryLosses(
        pipeline.denoiser,
        await pipeline.encode(pictures(false)),
        await pipeline.encode(pictures(true)),
        await pipeline.encodeText([one.caption]),
        {
          queries: { timesteps: golden.timesteps, draws: golden.draws, flips: true },
          noise: seededNoise(),
          batch: 5,
        },
      );
      expect(losses).toHaveLength(one.losses.length);
      // Both in float32, through networks of some twenty layers.
      losses.forEach((loss, i) => {
        expect(Math.abs(loss / one.losses[i]! - 1)).toBeLessThan(2e-4);
      });
    } finally {
      await pipeline.close();
    }
  });

  const schedule = (kind: 'epsilon' | 'v_prediction' | 'sample') =>
    scheduleFromBetas(makeBetas('linear', 1000, 0.0001, 0.02), kind);

  it.each(['epsilon', 'v_prediction', 'sample'] as const)('is one and the same for %s', async (kind) => {
    // A network that is off by .1 in its own target: known losses in ε for every parametrisation.
    const clean = floatTensor(
      [2, 3, 2, 2],
      Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
    );
    const noise = seededNoise()([3, 4], [3, 2, 2], 0);
    const t = 400;
    const alpha = schedule(kind).alphasCumprod[t]!;
    const [a, s] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
    const denoiser = createDenoiser({
      schedule: schedule(kind),
      sampleShape: [3, 2, 2],
      predict: async (x, timestep) => {
        expect(timestep).toBe(t);
        return floatTensor(
          x.shape,
          x.data.map((_, i) => {
            const [x0, eps] = [clean.data[i]!, noise.data[i]!];
            const aim = kind === 'epsilon' ? eps : kind === 'sample' ? x0 : a * eps - s * x0;
            return aim + 0.1;
          }),
        );
      },
    });
    const losses = await denoisingLoss(denoiser, clean, noise, t, floatTensor([1, 1, 1]));
    const factor = { epsilon: 1, v_prediction: alpha, sample: alpha / (1 - alpha) }[kind];
    for (const loss of losses) expect(loss / (0.01 * factor)).toBeCloseTo(1, 4);
  });

  it('does not depend on the batch, counts every evaluation, and is NaN where the network is', async () => {
    const pictures = noisePictures(3, 4, 1);
    const queries = { timesteps: [100, 300], draws: 3, flips: false };
    const meter = createMeter();
    const of = async (batch: number, broken = false) => {
      const pipeline = memorizer({ pictures, meter, broken });
      const condition = await pipeline.encodeText(['']);
      const options = { queries, noise: seededNoise(), batch };
      return queryLosses(pipeline.denoiser, await pipeline.encode(pictures), undefined, condition, options);
    };
    const whole = await of(100);
    expect(meter.evaluations).toBe(3 * lossesPerPicture(queries));
    expect(await of(1)).toEqual(whole);
    expect(await of(4)).toEqual(whole);
    expect((await of(4, true)).every(Number.isNaN)).toBe(true);
  });

  it.each([
    [{ timesteps: [100], draws: 0 }, 'at least 1, got 0'],
    [{ timesteps: [], draws: 1 }, 'at least one timestep'],
    [{ timesteps: [100, 1000], draws: 1 }, 'timestep 1000 does not lie in the model'],
    [{ timesteps: [-1], draws: 1 }, 'timestep -1 does not lie'],
    [{ timesteps: [1.5], draws: 1 }, 'timestep 1.5 does not lie'],
    [{ timesteps: [5, 5], draws: 1 }, 'stands twice'],
  ])('refuses %j', (queries, message) => {
    expect(() => checkQueries({ ...queries, flips: false }, schedule('epsilon'))).toThrow(message);
  });
});

describe('the statistic', () => {
  const queries = { timesteps: [10, 20], draws: 2, flips: true };
  // Timestep 10: plain 1, 3; mirrored 5, 7. Timestep 20: plain 2, 2; mirrored 4, 8.
  const losses = [1, 3, 5, 7, 2, 2, 4, 8];

  it('is minus the mean logarithm of the mean loss of what is used', () => {
    const of = (draws: number, flips: boolean) => membershipStatistic(losses, queries, { draws, flips });
    expect(of(1, false)).toBeCloseTo(-(Math.log(1) + Math.log(2)) / 2, 12);
    expect(of(2, false)).toBeCloseTo(-(Math.log(2) + Math.log(2)) / 2, 12);
    expect(of(2, true)).toBeCloseTo(-(Math.log(4) + Math.log(4)) / 2, 12);
    expect(() => of(3, false)).toThrow('were not computed');
  });

  it('is finite for a loss of 0, missing where a loss is', () => {
    expect(
      membershipStatistic([0], { timesteps: [1], draws: 1, flips: false }, { draws: 1, flips: false }),
    ).toBeGreaterThan(60);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(
        membershipStatistic([1, bad, ...losses.slice(2)], queries, { draws: 2, flips: false }),
      ).toBeNaN();
    // Another draw may be missing.
    expect(
      membershipStatistic([1, Number.NaN, ...losses.slice(2)], queries, { draws: 1, flips: false }),
    ).not.toBeNaN();
  });

  it('lets LiRA’s scores be, however hard a picture is', () => {
    const loss = fc.double({ min: 0.01, max: 10, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(loss, { minLength: 6, maxLength: 6 }),
        fc.double({ min: 0.1, max: 10, noNaN: true }),
        (list, factor) => {
          fc.pre(new Set(list).size === 6);
          const one = { timesteps: [1], draws: 1, flips: false };
          const scores = (by: number) => {
            const [target, ...shadows] = list.map((value, k) => ({
              ...modelLosses(Float64Array.of(value * by, 1 + k / 10), one),
              trainedOn: [k % 2 === 0, k % 2 === 1],
            }));
            return scoreLosses(target!, shadows, one).find(({ name }) => name === 'lira-online')!.scores[0]!;
          };
          const [a, b] = [scores(1), scores(factor)];
          expect(Math.abs(a - b)).toBeLessThan(1e-6 * (1 + Math.abs(a)));
        },
      ),
    );
  });
});

/** Φ by Simpson's rule over the density: as exact as a test needs. */
function normalCdf(z: number): number {
  const steps = 2000;
  const h = (z + 10) / steps;
  let sum = 0;
  for (let i = 0; i <= steps; i++)
    sum += (i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2) * Math.exp(-((-10 + i * h) ** 2) / 2);
  return ((h / 3) * sum) / Math.sqrt(2 * Math.PI);
}

describe('the likelihood-ratio attack', () => {
  it.each(golden.lira)('has numpy’s scores, $variance variance', (one) => {
    const input = {
      target: one.target,
      shadows: one.statistics.map((statistics, k) => ({ statistics, trainedOn: one.inside[k]! })),
    };
    // 7 and 70 shadows: which variance is taken follows from that.
    const found = liraScores(input);
    expect(found.variance).toBe(one.variance);
    for (const side of ['online', 'offline'] as const)
      one[side].forEach((expected, i) => {
        if (expected === null) expect(found[side][i]).toBeNaN();
        else expect(found[side][i]! / expected).toBeCloseTo(1, 9);
      });
  });

  /** Statistics N(level of the picture, s²) outside and N(level + δ, s²) inside; levels N(0, τ²). Half of the target's are in. */
  function simulate(
    shadows: number,
    pictures: number,
    { delta, s, tau }: { delta: number; s: number; tau: number },
  ) {
    const random = createRandom(7);
    const levels = Array.from({ length: pictures }, () => tau * random.normal());
    const model = () => {
      const trainedOn = levels.map(() => random.uniform() < 0.5);
      const statistics = levels.map((level, i) => level + (trainedOn[i] ? delta : 0) + s * random.normal());
      return { trainedOn, statistics };
    };
    const target = model();
    const split = (scores: ArrayLike<number>) => {
      const of = (member: boolean) =>
        Array.from(scores).filter((score, i) => target.trainedOn[i] === member && !Number.isNaN(score));
      return [of(true), of(false)] as const;
    };
    const found = liraScores({ target: target.statistics, shadows: Array.from({ length: shadows }, model) });
    return { target, split, found };
  }
  /** The optimal TPR of a shift by `shift` deviations: Neyman and Pearson. */
  const optimal = (shift: number, fpr: number) => {
    let [low, high] = [-9, 9];
    for (let i = 0; i < 60; i++) {
      const middle = (low + high) / 2;
      if (normalCdf(middle) < fpr) low = middle;
      else high = middle;
    }
    return normalCdf(shift + low);
  };
  /** Three deviations: of the TPR itself, and of the threshold that so many negatives give, both to first order. */
  const tolerance = (shift: number, fpr: number, each: number) => {
    const at = optimal(shift, fpr);
    const slope = (optimal(shift, fpr * 1.05) - at) / (0.05 * fpr);
    return 3 * Math.sqrt((at * (1 - at)) / each + (slope ** 2 * fpr) / each) + 1 / each;
  };

  it.each([0.01, 0.1])(
    'reaches the optimum at FPR %d with many shadows, where a global threshold does not',
    (fpr) => {
      const shape = { delta: 1, s: 0.5, tau: 2 };
      const { target, split, found } = simulate(200, 6000, shape);
      const shift = shape.delta / shape.s;
      // Two means of 100 shadows each are known within a twentieth of s.
      expect(Math.abs(tprAtFpr(...split(found.online), fpr) - optimal(shift, fpr))).toBeLessThan(
        tolerance(shift, fpr, 3000) + 0.02,
      );
      expect(Math.abs(rocAuc(...split(found.online)) - normalCdf(shift / Math.SQRT2))).toBeLessThan(0.015);
      const global = shape.delta / Math.hypot(shape.s, shape.tau);
      expect(Math.abs(tprAtFpr(...split(target.statistics), fpr) - optimal(global, fpr))).toBeLessThan(
        tolerance(global, fpr, 3000),
      );
      expect(optimal(shift, fpr)).toBeGreaterThan(3 * optimal(global, fpr));
    },
  );

  it('offline with few shadows has the closed form of a mean that is itself uncertain', () => {
    const shape = { delta: 1.5, s: 0.5, tau: 3 };
    const pictures = 6000;
    const random = createRandom(3);
    const levels = Array.from({ length: pictures }, () => shape.tau * random.normal());
    const inside = levels.map((_, i) => i % 2 === 0);
    const draw = (member: boolean) =>
      levels.map((level, i) => level + (member && inside[i] ? shape.delta : 0) + shape.s * random.normal());
    // Each picture is outside of exactly four shadows, and inside of two that say nothing offline.
    const outside = Array.from({ length: 4 }, () => ({
      statistics: draw(false),
      trainedOn: levels.map(() => false),
    }));
    const within = Array.from({ length: 2 }, () => ({
      statistics: draw(true),
      trainedOn: levels.map(() => true),
    }));
    const { offline } = liraScores({ target: draw(true), shadows: [...outside, ...within] });
    const of = (member: boolean) => Array.from(offline).filter((_, i) => inside[i] === member);
    const shift = shape.delta / (shape.s * Math.sqrt(1 + 1 / 4));
    for (const fpr of [0.01, 0.1])
      expect(Math.abs(tprAtFpr(of(true), of(false), fpr) - optimal(shift, fpr))).toBeLessThan(
        tolerance(shift, fpr, 3000),
      );
  });

  it('pools the variance within pictures, not between them', () => {
    const { found } = simulate(8, 4000, { delta: 1, s: 0.5, tau: 20 });
    expect(found.deviations!.in).toBeCloseTo(0.5, 1);
    expect(found.deviations!.out).toBeCloseTo(0.5, 1);
  });

  it('takes no statistic that is missing, and no shadow that does not know the picture', () => {
    const shadow = (value: number, trainedOn: boolean | null) => ({
      statistics: [value, 1 + value / 10],
      trainedOn: [trainedOn, value % 2 === 0],
    });
    const base = [shadow(1, true), shadow(2, true), shadow(3, false), shadow(4, false)];
    const scores = (extra: ReturnType<typeof shadow>[]) => {
      const { online, offline } = liraScores({ target: [2.5, 1], shadows: [...base, ...extra] });
      return [online[0], offline[0]];
    };
    const plain = liraScores({ target: [2.5, 1], shadows: base });
    const unknown = { statistics: [99, Number.NaN], trainedOn: [null, true] };
    expect(scores([unknown])).toEqual([plain.online[0], plain.offline[0]]);
  });

  it.each([
    ['one shadow', [{ name: 'shadow-00', trainedOn: 5 }], 'at least 2 shadow models, there is 1'],
    [
      'a shadow of nothing',
      [
        { name: 'a', trainedOn: 0 },
        { name: 'b', trainedOn: 5 },
      ],
      'shadow a was trained on none of the 10',
    ],
    [
      'a shadow of everything',
      [
        { name: 'a', trainedOn: 5 },
        { name: 'b', trainedOn: 10 },
      ],
      'shadow b was trained on all of the 10',
    ],
  ])('refuses %s', (_, shadows, message) => {
    expect(() => checkShadows(shadows, 10)).toThrow(message);
  });

  it('refuses shadows that say nothing of how models differ', () => {
    const shadow = (value: number, inside: boolean) => ({ statistics: [value], trainedOn: [inside] });
    expect(() => liraScores({ target: [1], shadows: [shadow(1, true), shadow(2, false)] })).toThrow(
      'no picture has two',
    );
    const same = [true, true, false, false].map((inside) => shadow(1, inside));
    expect(() => liraScores({ target: [1], shadows: same })).toThrow('they are the same model');
  });
});

describe('attacks by losses', () => {
  it('are each method with one draw, all, and all with flips; the headline is the one that knows most', () => {
    const names = (draws: number, flips: boolean, shadows: boolean) =>
      lossAttacks({ timesteps: [1], draws, flips }, shadows).map(({ name }) => name);
    expect(names(1, false, false)).toEqual(['loss']);
    expect(names(1, true, false)).toEqual(['loss', 'loss-flips']);
    expect(names(4, true, true)).toEqual(
      ['loss', 'lira-offline', 'lira-online'].flatMap((name) => [
        name,
        `${name}-averaged`,
        `${name}-averaged-flips`,
      ]),
    );
    expect(headlineAttack(lossAttacks({ timesteps: [1], draws: 4, flips: true }, true)).name).toBe(
      'lira-online-averaged-flips',
    );
  });

  it('cost what they ask for: draws, flips and the models that they look at', () => {
    const queries = { timesteps: [1, 2], draws: 3, flips: true };
    const each = lossesPerPicture(queries);
    const random = createRandom(0);
    const losses = () => Float64Array.from({ length: 4 * each }, () => 1 + random.uniform());
    const shadows = Array.from({ length: 6 }, (_, k) => ({
      ...modelLosses(losses(), queries),
      trainedOn: [0, 1, 2, 3].map((i) => (i + k) % 3 === 0),
    }));
    const scored = scoreLosses(modelLosses(losses(), queries), shadows, queries);
    const cost = Object.fromEntries(scored.map(({ name, evaluations }) => [name, evaluations]));
    expect(cost['loss']).toBe(4 * 2);
    expect(cost['loss-averaged-flips']).toBe(4 * 12);
    // Every picture is in two shadows and outside of four.
    expect(cost['lira-offline']).toBe(4 * 2 * 5);
    expect(cost['lira-online-averaged']).toBe(4 * 6 * 7);
  });
});

describe('the inpainting statistic', () => {
  const completion = (loss: number, distance: number) => ({ loss, distance });

  it('is the mean distance of the surest over that of all', () => {
    const list = [completion(3, 0.4), completion(1, 0.1), completion(2, 0.2), completion(9, 0.9)];
    const score = inpaintingScore(list, 2, 0.5)!;
    expect(score.order).toEqual([1, 2]);
    expect(score.kept).toBeCloseTo(0.15, 12);
    expect(score.overAll).toBeCloseTo(-0.15 / 0.4, 12);
    expect(score.overFill).toBeCloseTo(-0.15 / 0.5, 12);
    expect(score.plain).toBeCloseTo(-0.15, 12);
  });

  it('is the same for a picture that all completions are nearer to, where the plain one is not', () => {
    const list = [completion(3, 0.4), completion(1, 0.1), completion(2, 0.2)];
    const nearer = list.map(({ loss, distance }) => completion(loss, distance / 8));
    const [far, near] = [inpaintingScore(list, 1, 0.4)!, inpaintingScore(nearer, 1, 0.05)!];
    expect(near.overAll).toBeCloseTo(far.overAll, 12);
    expect(near.overFill).toBeCloseTo(far.overFill, 12);
    expect(near.plain).toBeGreaterThan(far.plain);
  });

  it('leaves failed completions out, and says nothing where too few are left', () => {
    const list = [completion(1, 0.1), undefined, completion(Number.NaN, 0.2), completion(2, 0.3)];
    expect(inpaintingScore(list, 1, 1)!.all).toBeCloseTo(0.2, 12);
    expect(inpaintingScore(list, 2, 1)).toBeUndefined();
  });

  it('over a plain fill is 0 for what comes back every time, where over all completions it is as if nothing had', () => {
    const back = inpaintingScore([completion(1, 0), completion(2, 0)], 1, 0.3)!;
    expect([Math.abs(back.overFill), back.overAll]).toEqual([0, -1]);
    expect(inpaintingScore([completion(1, 0), completion(2, 0.1)], 1, 0)!.overFill).toBeNaN();
  });

  it.each([0, 4, 5, 1.5])('refuses to keep %d of 4', (keep) => {
    expect(() => checkKept(keep, 4)).toThrow(`of 4 completions ${keep} cannot be kept`);
  });
});
