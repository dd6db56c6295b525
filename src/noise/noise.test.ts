import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VerbatimError } from '../errors.ts';
import {
  antitheticPairs,
  cudaGenerator,
  freshSeeds,
  LARGEST_CUDA_TENSOR,
  type NoisePlanDescription,
  noiseFor,
  noisePlan,
  philox4x32,
  sharedSeeds,
  type TorchGenerator,
  torchGenerator,
} from './index.ts';

type Call = ['rand' | 'randn', number[]] | ['randint', number, number, number] | ['randperm', number];
interface Golden {
  streams: { seed: string; first: number[]; after1300: number[] }[];
  calls: Call[];
  sequences: { seed: string; results: (number[] | string[])[] }[];
  latent: { seed: number; picks: number[]; values: number[]; mean: number };
}
const golden = JSON.parse(readFileSync(new URL('fixtures/golden.json', import.meta.url), 'utf8')) as Golden;

/** What docs/noise.md promises for values; integers are exact. */
const TOLERANCE = 2e-6;

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++)
    if (!(Math.abs(actual[i]! - expected[i]!) <= TOLERANCE))
      expect.fail(`value ${i} is ${actual[i]}, torch's is ${expected[i]}`);
}

function call(generator: TorchGenerator, [name, ...args]: Call): ArrayLike<number> | string[] {
  if (name === 'rand' || name === 'randn') return generator[name](args[0] as number[]).data;
  const [first, high, count] = args as number[];
  const tensor = name === 'randint' ? generator.randint(first!, high!, [count!]) : generator.randperm(first!);
  return [...tensor.data].map(String);
}

describe('torch’s CPU generator', () => {
  it.each(golden.streams)('the words of seed $seed are numpy’s MT19937', ({ seed, first, after1300 }) => {
    const generator = torchGenerator(BigInt(seed));
    const words = Array.from({ length: 1304 }, () => generator.uint32());
    expect(words.slice(0, 8)).toEqual(first);
    expect(words.slice(1300)).toEqual(after1300);
  });

  it.each(golden.sequences)('successive calls on one generator, seed $seed', ({ seed, results }) => {
    const generator = torchGenerator(BigInt(seed));
    for (const [index, spec] of golden.calls.entries()) {
      const result = call(generator, spec);
      const expected = results[index]!;
      if (typeof expected[0] === 'string') expect(result).toEqual(expected);
      else if (spec[0] === 'rand') expect([...(result as Float32Array)]).toEqual(expected);
      else expectClose(result as Float32Array, expected as number[]);
    }
  });

  it('a Stable Diffusion latent', () => {
    const { seed, picks, values, mean } = golden.latent;
    const latent = torchGenerator(seed).randn([4, 64, 64]);
    expect(latent.shape).toEqual([4, 64, 64]);
    expectClose(
      picks.map((i) => latent.data[i]!),
      values,
    );
    expect(latent.data.reduce((sum, x) => sum + x, 0) / latent.data.length).toBeCloseTo(mean, 7);
  });

  it('refuses other dtypes and seeds by name', () => {
    expect(() => torchGenerator(0).randn([16], 'float16')).toThrow(/float16/);
    for (const seed of [-1, 0.5, 2 ** 53, 1n << 64n, Number.NaN])
      expect(() => torchGenerator(seed)).toThrow(VerbatimError);
    expect(() => torchGenerator(0).randint(3, 3, [1])).toThrow(/low < high/);
    expect(torchGenerator(0).randn([0, 4]).data.length).toBe(0);
  });
});

describe('torch’s CUDA generator', () => {
  it('Philox gives Random123’s known answers', () => {
    const hex = (words: readonly number[]) =>
      words.map((word) => word.toString(16).padStart(8, '0')).join(' ');
    expect(hex(philox4x32([0, 0, 0, 0], [0, 0]))).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8');
    const ones = 0xffffffff;
    expect(hex(philox4x32([ones, ones, ones, ones], [ones, ones]))).toBe(
      '408f276d 41c83b0e a20bc7c6 6d5451fd',
    );
    expect(hex(philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe(
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    );
  });

  it('gives the published values of seed 0', () => {
    // From the documentation of stable-diffusion-webui's modules/rng_philox.py, which gives them as
    // what torch.randn(…, device='cuda') returns.
    const published = [
      -0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564, -0.62285122, -0.32838709,
      -1.07454231, -0.36314407, -1.67105067, 2.26550497,
    ];
    expectClose(cudaGenerator(0).randn([4, 64, 64]).data.slice(0, 12), published);
  });

  it('a tensor’s beginning does not depend on its size; the next call goes on', () => {
    const a = cudaGenerator(3n);
    const b = cudaGenerator(3n);
    expect([...a.randn([8]).data]).toEqual([...b.randn([100]).data.slice(0, 8)]);
    expect([...a.randn([8]).data]).toEqual([...b.randn([8]).data]);
    expect([...a.randn([8]).data]).not.toEqual([...cudaGenerator(3).randn([8]).data]);
    expect([...cudaGenerator(3n + (1n << 32n)).randn([8]).data]).not.toEqual([
      ...cudaGenerator(3).randn([8]).data,
    ]);
  });

  it('refuses what depends on the card', () => {
    expect(() => cudaGenerator(0).randn([LARGEST_CUDA_TENSOR + 1])).toThrow(/depends on the card/);
    expect(() => cudaGenerator(0).randn([4], 'float16')).toThrow(/float16/);
  });

  it('is normal', () => {
    const { data } = cudaGenerator(11).randn([20_000]);
    const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
    const power = data.reduce((sum, x) => sum + x * x, 0) / data.length;
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(20_000));
    expect(Math.abs(power - 1)).toBeLessThan(5 * Math.sqrt(2 / 20_000));
  });
});

describe('noise plans', () => {
  it('shared: every caption has the same seeds', () => {
    const plan = sharedSeeds({ seeds: [5, 2n ** 63n] });
    expect([plan.seedFor(0, 0), plan.seedFor(999, 0), plan.seedFor(3, 1)]).toEqual([5, 5, 2n ** 63n]);
    expect(() => plan.seedFor(0, 2)).toThrow(/names only 2/);
    expect(() => sharedSeeds({ seeds: [] })).toThrow(/at least one/);
    expect(() => sharedSeeds({ seeds: [1, 1n] })).toThrow(/twice/);
  });

  it('fresh: no two captions share a seed, and counts do not matter', () => {
    const plan = freshSeeds({ base: 1 });
    for (const sample of [0, 1, 7]) {
      const seeds = new Set(Array.from({ length: 20_000 }, (_, caption) => plan.seedFor(caption, sample)));
      expect(seeds.size).toBe(20_000);
    }
    const few = (base: number) => [0, 1, 2].map((caption) => freshSeeds({ base }).seedFor(caption, 0));
    expect(few(1)).toEqual([0, 1, 2].map((caption) => plan.seedFor(caption, 0)));
    expect(few(2)).not.toEqual(few(1));
    expect(plan.seedFor(0, 1)).not.toBe(plan.seedFor(0, 0));
    expect(() => freshSeeds({ base: -1 })).toThrow(/base/);
    expect(() => plan.seedFor(-1, 0)).toThrow(RangeError);
  });

  it('survive JSON', () => {
    const seed = fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
    const plans = fc.oneof(
      fc
        .uniqueArray(seed, { minLength: 1, maxLength: 4, selector: BigInt })
        .map((seeds) => sharedSeeds({ seeds })),
      fc.nat().map((base) => freshSeeds({ base })),
    );
    fc.assert(
      fc.property(plans, fc.nat(1e6), (plan, caption) => {
        const again = noisePlan(JSON.parse(JSON.stringify(plan.description)) as NoisePlanDescription);
        expect(again.description).toEqual(plan.description);
        expect(BigInt(again.seedFor(caption, 0))).toBe(BigInt(plan.seedFor(caption, 0)));
      }),
    );
    expect(() => noisePlan({ kind: 'shared', seeds: ['12x'] })).toThrow(/12x/);
  });

  it('an image’s noise depends on its seed alone', () => {
    for (const source of ['torch-cpu', 'torch-cuda'] as const) {
      const batch = noiseFor([4, 9, 4n], [2, 3, 5], source);
      expect(batch.shape).toEqual([3, 2, 3, 5]);
      const alone = noiseFor([9], [2, 3, 5], source);
      expect([...batch.data.slice(30, 60)]).toEqual([...alone.data]);
      expect([...batch.data.slice(60)]).toEqual([...batch.data.slice(0, 30)]);
    }
    expectClose(noiseFor([9], [2, 3, 5]).data, torchGenerator(9).randn([2, 3, 5]).data);
  });

  it('antithetic pairs stand side by side', () => {
    const noise = noiseFor([1, 2], [3]);
    const pairs = antitheticPairs(noise);
    expect(pairs.shape).toEqual([4, 3]);
    for (let i = 0; i < 3; i++) {
      expect(pairs.data[i]).toBe(noise.data[i]);
      expect(pairs.data[3 + i]).toBe(-noise.data[i]!);
      expect(pairs.data[6 + i]).toBe(noise.data[3 + i]);
      expect(pairs.data[9 + i]).toBe(-noise.data[3 + i]!);
    }
  });
});
