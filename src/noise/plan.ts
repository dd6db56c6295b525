import { VerbatimError } from '../errors.ts';
import { elementCount, floatTensor, hashSeed, mix32, type Tensor } from '../math/index.ts';
import { cudaGenerator } from './cuda-generator.ts';
import { type Seed, seedBits } from './seed.ts';
import { type TorchGenerator, torchGenerator } from './torch-generator.ts';

/**
 * A noise plan as JSON, for configurations and tables. Seeds above 2⁵³ stand as decimal strings.
 * 'shared': sample j of every caption has seed seeds[j]. 'fresh': every (caption, sample) has its own.
 */
export type NoisePlanDescription =
  | { readonly kind: 'shared'; readonly seeds: readonly (number | string)[] }
  | { readonly kind: 'fresh'; readonly base: number };

/** Which sample gets which seed. The plan is part of an attack: see docs/noise.md. */
export interface NoisePlan {
  readonly description: NoisePlanDescription;
  /** The seed of a caption's j-th sample, both 0-based. */
  seedFor(captionIndex: number, sampleIndex: number): Seed;
}

/** The generator whose noise is reproduced. */
export type NoiseSource = 'torch-cpu' | 'torch-cuda';

/**
 * The reference's plan (Webster 2023): the same seeds for every caption, so that all captions are
 * scored against the same noise. At least one seed, no seed twice.
 */
export function sharedSeeds({ seeds }: { readonly seeds: readonly Seed[] }): NoisePlan {
  if (seeds.length === 0)
    throw new VerbatimError('noise plan: seeds must name at least one seed.', { exitCode: 2 });
  const bits = seeds.map(seedBits);
  if (new Set(bits).size !== bits.length)
    throw new VerbatimError(`noise plan: seeds names a seed twice (${seeds.join(', ')}).`, { exitCode: 2 });
  const kept = [...seeds];
  return {
    description: {
      kind: 'shared',
      seeds: kept.map((seed, i) => (bits[i]! > MAX_SAFE ? String(seed) : Number(seed))),
    },
    seedFor(captionIndex, sampleIndex) {
      checkIndices(captionIndex, sampleIndex);
      const seed = kept[sampleIndex];
      if (seed === undefined)
        throw new VerbatimError(
          `noise plan: sample ${sampleIndex + 1} of a caption needs a seed, but seeds names only ${kept.length}; name more.`,
          { exitCode: 2 },
        );
      return seed;
    },
  };
}

/**
 * Noise of its own for every caption: 32-bit seeds (torch's CPU generator reads no more of a seed) derived
 * from `base`. For one sample index no two captions share a seed, and the seeds do not depend on how
 * many captions or samples there are.
 */
export function freshSeeds({ base }: { readonly base: number }): NoisePlan {
  if (!Number.isSafeInteger(base) || base < 0)
    throw new VerbatimError(`noise plan: base must be an integer from 0 to 2^53 - 1; got ${base}.`, {
      exitCode: 2,
    });
  const key = hashSeed('noise plan', base) >>> 0;
  return {
    description: { kind: 'fresh', base },
    seedFor(captionIndex, sampleIndex) {
      checkIndices(captionIndex, sampleIndex);
      // A bijection of words over (caption + an offset of the sample's): one-to-one in the caption.
      return mix32((captionIndex + hashSeed('sample', base, sampleIndex)) ^ key);
    },
  };
}

/** The plan that a description (from a configuration, a table, `plan.description`) names. */
export function noisePlan(description: NoisePlanDescription): NoisePlan {
  if (description.kind === 'fresh') return freshSeeds(description);
  return sharedSeeds({ seeds: description.seeds.map(parseSeed) });
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

function parseSeed(seed: number | string): Seed {
  if (typeof seed === 'number') return seed;
  if (!/^\d{1,20}$/.test(seed))
    throw new VerbatimError(`noise plan: seed "${seed}" is not a decimal integer.`, { exitCode: 2 });
  const bits = BigInt(seed);
  return bits > MAX_SAFE ? bits : Number(bits);
}

function checkIndices(captionIndex: number, sampleIndex: number): void {
  for (const index of [captionIndex, sampleIndex])
    if (!Number.isInteger(index) || index < 0 || index >= 2 ** 32)
      throw new RangeError(
        `noise plan: caption and sample are counted from 0; got ${captionIndex}, ${sampleIndex}.`,
      );
}

/** A new generator of that kind with that seed. */
export function generatorFor(source: NoiseSource, seed: Seed): Pick<TorchGenerator, 'seed' | 'randn'> {
  return source === 'torch-cuda' ? cudaGenerator(seed) : torchGenerator(seed);
}

/**
 * Standard normal noise [seeds.length, ...shape] for images of `shape`: row i comes from a new generator
 * with seeds[i], so an image's noise does not depend on its neighbours or on the batch size.
 */
export function noiseFor(
  seeds: readonly Seed[],
  shape: readonly number[],
  source: NoiseSource = 'torch-cpu',
): Tensor<'float32'> {
  const size = elementCount(shape);
  const out = floatTensor([seeds.length, ...shape]);
  // Captions that share seeds ask for the same rows again and again: draw each once.
  const drawn = new Map<bigint, Float32Array>();
  for (const [row, seed] of seeds.entries()) {
    const key = seedBits(seed);
    let values = drawn.get(key);
    if (!values) {
      values = generatorFor(source, seed).randn(shape).data;
      drawn.set(key, values);
    }
    out.data.set(values, row * size);
  }
  return out;
}

/**
 * Antithetic pairs: noise [n, …] → [2n, …] with rows ε₀, −ε₀, ε₁, −ε₁, … What is odd in ε cancels in the mean
 * of a pair (Hammersley & Morton 1956); for DCS that is the cross term 2σ⟨ε, D⟩.
 */
export function antitheticPairs(noise: Tensor<'float32'>): Tensor<'float32'> {
  const [rows = 0, ...rest] = noise.shape;
  const size = elementCount(rest);
  const out = floatTensor([2 * rows, ...rest]);
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < size; i++) {
      const value = noise.data[row * size + i]!;
      out.data[2 * row * size + i] = value;
      out.data[(2 * row + 1) * size + i] = -value;
    }
  return out;
}
