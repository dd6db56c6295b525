import { elementCount, floatTensor, type Tensor } from '../math/index.ts';
import { generatorFor, type NoiseSource, noiseFor, type Seed } from '../noise/index.ts';

/**
 * Noise of unit variance, one row per seed: [seeds, ...shape]. Row i is what a generator of its own, seeded
 * with seeds[i], gives in its call number `draw`, counted from 0: the starting noise, then one call per
 * stochastic step.
 */
export type SeededNoise = (
  seeds: readonly Seed[],
  shape: readonly number[],
  draw: number,
) => Tensor<'float32'>;

/** Noise by the name of the generator that is reproduced, or as a function. */
export type NoiseOption = NoiseSource | SeededNoise;

/**
 * Rows as PyTorch would draw them with one generator per picture. The generators of the last call are kept,
 * so going through the draws in order costs each value once.
 */
export function seededNoise(option: NoiseOption = 'torch-cpu'): SeededNoise {
  if (typeof option === 'function') return option;
  let streams = new Map<string, { randn: () => Float32Array; drawn: number }>();
  return (seeds, shape, draw) => {
    if (draw === 0) return noiseFor(seeds, shape, option);
    const size = elementCount(shape);
    const out = floatTensor([seeds.length, ...shape]);
    const used: typeof streams = new Map();
    const rows = new Map<string, Float32Array>();
    seeds.forEach((seed, i) => {
      const key = `${seed} ${shape}`;
      let row = rows.get(key);
      if (!row) {
        let stream = streams.get(key);
        if (!stream || stream.drawn > draw) {
          const generator = generatorFor(option, seed);
          stream = { randn: () => generator.randn(shape).data, drawn: 0 };
        }
        for (; stream.drawn <= draw; stream.drawn++) row = stream.randn();
        used.set(key, stream);
        rows.set(key, row!);
      }
      out.data.set(row!, i * size);
    });
    streams = used;
    return out;
  };
}
