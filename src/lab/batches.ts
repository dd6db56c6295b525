import { createRandom, hashSeed, type Random } from '../math/index.ts';

/**
 * Which entries of a training set of `size` a step sees: epochs of seeded shuffles laid end to end and cut
 * into batches. A pure function of (seed, step), so a resumed run draws what an undisturbed one would.
 */
export function epochBatches(size: number, batchSize: number, seed: number): (step: number) => Int32Array {
  const cache = new Map<number, Int32Array>();
  const order = (epoch: number): Int32Array => {
    const known = cache.get(epoch);
    if (known) return known;
    const shuffled = Array.from({ length: size }, (_, i) => i);
    createRandom(hashSeed(seed, 'epoch', epoch)).shuffle(shuffled);
    cache.delete(epoch - 2);
    const order = Int32Array.from(shuffled);
    cache.set(epoch, order);
    return order;
  };
  return (step) => {
    const batch = new Int32Array(batchSize);
    const start = (step - 1) * batchSize;
    for (let i = 0; i < batchSize; i++) {
      const position = start + i;
      batch[i] = order(Math.floor(position / size))[position % size]!;
    }
    return batch;
  };
}

export interface NoiseLevels {
  readonly lognormalShare: number;
  readonly lognormalMean: number;
  readonly lognormalDeviation: number;
}

/**
 * Draws training timesteps: a share with log-normal sigma (Karras 2022, §5: where there is most to learn),
 * the rest log-uniform between the schedule's ends, so that σ_max, where one-step attacks look, is trained too.
 * `sigmas` are the schedule's, ascending; the result is the timestep whose log sigma is nearest.
 */
export function timestepSampler(
  sigmas: Float64Array,
  levels: NoiseLevels,
): (random: { uniform(): number; normal(): number }) => number {
  const logs = Float64Array.from(sigmas, Math.log);
  const low = logs[0]!;
  const high = logs[logs.length - 1]!;
  return (random) => {
    const logSigma =
      random.uniform() < levels.lognormalShare
        ? levels.lognormalMean + levels.lognormalDeviation * random.normal()
        : low + (high - low) * random.uniform();
    return nearest(logs, Math.min(high, Math.max(low, logSigma)));
  };
}

function nearest(ascending: Float64Array, value: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! <= value) low = middle;
    else high = middle;
  }
  return value - ascending[low]! < ascending[high]! - value ? low : high;
}

/**
 * Makes row `row` of a batch for v-prediction (Salimans & Ho 2022) from a clean sample: draws a timestep, then the noise,
 * and writes x_t = √ᾱ·x0 + √(1−ᾱ)·ε to `sample` and v = √ᾱ·ε − √(1−ᾱ)·x0 to `target`. Returns the timestep.
 */
export function noiseRow(
  clean: Float32Array,
  noise: {
    /** Ascending training sigmas; the index is the timestep. */
    readonly sigmas: Float64Array;
    readonly timestepOf: ReturnType<typeof timestepSampler>;
    readonly random: Random;
  },
  batch: { readonly sample: Float32Array; readonly target: Float32Array },
  row: number,
): number {
  const timestep = noise.timestepOf(noise.random);
  const variance = noise.sigmas[timestep]! ** 2;
  const signal = Math.sqrt(1 / (1 + variance));
  const noiseScale = Math.sqrt(variance / (1 + variance));
  const from = row * clean.length;
  for (let i = 0; i < clean.length; i++) {
    const x0 = clean[i]!;
    const epsilon = noise.random.normal();
    batch.sample[from + i] = signal * x0 + noiseScale * epsilon;
    batch.target[from + i] = signal * epsilon - noiseScale * x0;
  }
  return timestep;
}
