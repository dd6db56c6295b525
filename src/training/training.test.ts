import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { input, linear, mul, reduceMean, sub } from '../graph/index.ts';
import { createRandom, floatTensor, hashSeed } from '../math/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import golden from './fixtures/adamw.json' with { type: 'json' };
import {
  adamW,
  averageDecay,
  buildTrainingStep,
  flatLayout,
  initialFlat,
  type LossBuilder,
  packFlat,
  type TrainingOptions,
  train,
  unpackFlat,
  warmupCosine,
} from './index.ts';

const layout = flatLayout([
  { name: 'weight', shape: [3, 4] },
  { name: 'bias', shape: [3] },
]);

const regression: LossBuilder = (graph, weights) => {
  const predicted = linear(
    input(graph, 'x', 'float32', [8, 4]),
    weights('weight', [3, 4]),
    weights('bias', [3]),
  );
  const difference = sub(predicted, input(graph, 'y', 'float32', [8, 3]));
  return reduceMean(mul(difference, difference));
};

const batch = {
  x: floatTensor([8, 4], Float32Array.from(golden.x.flat())),
  y: floatTensor([8, 3], Float32Array.from(golden.y.flat())),
};

const start = packFlat(
  layout,
  new Map([
    ['weight', floatTensor([3, 4], Float32Array.from(golden.start.weight.flat()))],
    ['bias', floatTensor([3], Float32Array.from(golden.start.bias))],
  ]),
);

describe('AdamW with clipping', () => {
  it('takes the steps that torch takes', async () => {
    const { parameters, losses } = await train({
      step: buildTrainingStep(layout, regression, adamW(golden)),
      initial: start,
      steps: golden.losses.length,
      batchSize: 8,
      beta1: golden.beta1,
      beta2: golden.beta2,
      batch: () => batch,
      learningRate: () => golden.learningRate,
      averageDecay: averageDecay(0.99),
      threads: 1,
    });
    golden.losses.forEach((loss, i) => {
      expect(losses[i]).toBeCloseTo(loss, 5);
    });
    // The gradients are longer than the clip, so clipping is part of what is compared.
    expect(Math.min(...golden.gradientNorms)).toBeGreaterThan(golden.clipNorm);
    const end = unpackFlat(layout, parameters);
    golden.end.weight.flat().forEach((value, i) => {
      expect(end.get('weight')!.data[i]).toBeCloseTo(value, 5);
    });
    golden.end.bias.forEach((value, i) => {
      expect(end.get('bias')!.data[i]).toBeCloseTo(value, 5);
    });
  });
});

describe('a run', () => {
  const folder = temporaryFolder('training');

  const step = buildTrainingStep(layout, regression, adamW({ beta2: 0.99 }));
  const options = (name: string, more: Partial<TrainingOptions> = {}): TrainingOptions => ({
    step,
    initial: start,
    steps: 30,
    batchSize: 8,
    beta2: 0.99,
    // Each step sees other data, drawn from its number alone.
    batch: (number) => {
      const random = createRandom(hashSeed('batch', number));
      const draw = (shape: number[]) =>
        floatTensor(
          shape,
          Float32Array.from({ length: shape[0]! * shape[1]! }, () => random.normal()),
        );
      return { x: draw([8, 4]), y: draw([8, 3]) };
    },
    learningRate: warmupCosine({ peak: 0.05, warmupSteps: 5, steps: 30 }),
    averageDecay: averageDecay(0.9),
    checkpoint: { path: join(folder, name), digest: 'a', everySteps: 7 },
    threads: 1,
    ...more,
  });

  it('that is interrupted anywhere ends with the weights of an undisturbed one, bit for bit', async () => {
    const whole = await train(options('whole'));
    for (const at of [1, 7, 16, 29]) {
      const stop = new AbortController();
      const name = `cut-${at}`;
      const first = train(
        options(name, { signal: stop.signal, onProgress: ({ step }) => step === at && stop.abort() }),
      );
      await expect(first).rejects.toThrow(/abort/i);
      const resumed = await train(options(name));
      expect(resumed.parameters).toEqual(whole.parameters);
      expect(resumed.average).toEqual(whole.average);
      expect(resumed.losses).toEqual(whole.losses);
    }
  });

  it('that is finished is only read again', async () => {
    await train(options('finished'));
    let steps = 0;
    await train(options('finished', { onProgress: () => void steps++ }));
    expect(steps).toBe(0);
  });

  it('refuses the checkpoint of another configuration, and a damaged one', async () => {
    await train(options('other'));
    const path = join(folder, 'other');
    await expect(
      train(options('other', { checkpoint: { path, digest: 'b', everySteps: 7 } })),
    ).rejects.toThrow(/other: this checkpoint is of another configuration/);
    await writeFile(path, 'not safetensors');
    await expect(train(options('other'))).rejects.toThrow(/other/);
  });

  it('stops with one line when the loss is no longer a number', async () => {
    const broken = options('broken', { learningRate: () => Number.NaN });
    await expect(train(broken)).rejects.toThrow(/loss is NaN at step 2/);
  });

  it('averages the weights: with decay 0 the average is the last weights', async () => {
    const result = await train(options('average', { averageDecay: () => 0 }));
    result.average.forEach((value, i) => {
      expect(value).toBeCloseTo(result.parameters[i]!, 6);
    });
  });
});

describe('layout and schedules', () => {
  it('packs and unpacks without loss and names what is missing', () => {
    expect(packFlat(layout, unpackFlat(layout, start))).toEqual(start);
    expect(() => packFlat(layout, new Map())).toThrow(/"weight" is missing/);
    expect(() => flatLayout([...layout.entries, layout.entries[0]!])).toThrow(/"weight" is listed twice/);
  });

  it('starts each tensor from its own random stream', () => {
    const parameter = { name: 'weight', shape: [3, 4], init: { kind: 'uniform', bound: 1 } } as const;
    const bias = { name: 'bias', shape: [3], init: { kind: 'uniform', bound: 1 } } as const;
    const both = initialFlat(layout, [parameter, bias], { seed: 1 });
    const alone = initialFlat(flatLayout([parameter]), [parameter], { seed: 1 });
    expect(both.slice(0, 12)).toEqual(alone);
    expect(initialFlat(layout, [parameter, bias], { seed: 1, zero: /bias/ }).slice(12)).toEqual(
      new Float32Array(3),
    );
  });

  it('warms up, reaches its peak and ends at its floor', () => {
    const rate = warmupCosine({ peak: 1, warmupSteps: 10, steps: 110, floor: 0.1 });
    expect(rate(5)).toBeCloseTo(0.5);
    expect(rate(10)).toBeCloseTo(1);
    expect(rate(60)).toBeCloseTo(0.55);
    expect(rate(110)).toBeCloseTo(0.1);
  });
});
