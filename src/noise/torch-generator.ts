import { VerbatimError } from '../errors.ts';
import { type DType, elementCount, floatTensor, type Tensor } from '../math/index.ts';
import { mersenneTwister } from './mt19937.ts';
import { type Seed, seedBits } from './seed.ts';

/** What `torch.Generator().manual_seed(seed)` is on a CPU: one stream that each call advances. */
export interface TorchGenerator {
  readonly seed: bigint;
  /** The next 32-bit word of the stream. */
  uint32(): number;
  /** Uniform in [0, 1) with 24 random bits, as `torch.rand(shape, generator=g)`: bit for bit. */
  rand(shape: readonly number[]): Tensor<'float32'>;
  /**
   * Standard normal, as `torch.randn(shape, generator=g)`. Same words, values within 2e-6: torch's own
   * vectorised kernels differ by about as much between kinds of CPU. Only float32: for another dtype torch
   * takes other bits from the stream, so rounding this result would not be torch's.
   */
  randn(shape: readonly number[], dtype?: DType): Tensor<'float32'>;
  /** Integers in [low, high), as `torch.randint(low, high, shape, generator=g)`: exact. */
  randint(low: number, high: number, shape: readonly number[]): Tensor<'int64'>;
  /** A permutation of 0…n−1, as `torch.randperm(n, generator=g)`: exact, for n < 2²⁷. */
  randperm(n: number): Tensor<'int64'>;
}

/** From this many elements on torch fills a tensor with its blockwise kernel. */
const BLOCKWISE_FROM = 16;
const TWO_PI = Math.fround(2 * Math.PI);
/** Ranges of at least this size take 64 bits for each integer (ATen/core/DistributionsHelper.h). */
const WIDE_RANGE = 2 ** 28;

/**
 * A generator that gives what torch's CPU generator gives for the same seed (0 … 2⁶⁴−1) and the same
 * calls in the same order. As in torch, only the low 32 bits of the seed matter to the stream.
 * Source: ATen's CPUGeneratorImpl, DistributionTemplates and DistributionsHelper.
 */
export function torchGenerator(seed: Seed): TorchGenerator {
  const bits = seedBits(seed);
  const uint32 = mersenneTwister(Number(bits & 0xffffffffn));
  /** The sine half of the last pair that the scalar path made: the next scalar value. */
  let spare: number | undefined;

  const uniform24 = () => (uint32() & 0xffffff) / 2 ** 24;

  /** The low 53 of 64 bits, the first word being the high one; uniform in [0, 1). */
  function uniform53(): number {
    const high = uint32() & 0x1fffff;
    return (high * 2 ** 32 + uint32()) / 2 ** 53;
  }

  function scalarNormal(): number {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const theta = 2 * Math.PI * uniform53();
    const radius = Math.sqrt(-2 * Math.log1p(-uniform53()));
    spare = radius * Math.sin(theta);
    return radius * Math.cos(theta);
  }

  function rand(shape: readonly number[]): Tensor<'float32'> {
    const out = floatTensor(shape);
    for (let i = 0; i < out.data.length; i++) out.data[i] = uniform24();
    return out;
  }

  function randn(shape: readonly number[], dtype: DType = 'float32'): Tensor<'float32'> {
    if (dtype !== 'float32')
      throw new VerbatimError(
        `randn: ${dtype} noise is not supported; torch draws other bits for it than for float32. Draw float32 and say so beside the score.`,
      );
    const out = floatTensor(shape);
    const data = out.data;
    if (data.length < BLOCKWISE_FROM) {
      for (let i = 0; i < data.length; i++) data[i] = scalarNormal();
      return out;
    }
    for (let i = 0; i < data.length; i++) data[i] = uniform24();
    for (let at = 0; at + 16 <= data.length; at += 16) normalBlock(data, at);
    if (data.length % 16 !== 0) {
      // A ragged end: the last 16 values are drawn again and overwrite what stood there.
      const at = data.length - 16;
      for (let i = at; i < data.length; i++) data[i] = uniform24();
      normalBlock(data, at);
    }
    return out;
  }

  function randint(low: number, high: number, shape: readonly number[]): Tensor<'int64'> {
    if (!(Number.isSafeInteger(low) && Number.isSafeInteger(high) && low < high))
      throw new RangeError(`randint: needs integers low < high; got ${low} and ${high}.`);
    const range = high - low;
    const data = new BigInt64Array(elementCount(shape));
    for (let i = 0; i < data.length; i++) {
      const value =
        range >= WIDE_RANGE
          ? ((BigInt(uint32()) << 32n) | BigInt(uint32())) % BigInt(range)
          : BigInt(uint32() % range);
      data[i] = value + BigInt(low);
    }
    return { dtype: 'int64', shape, data };
  }

  function randperm(n: number): Tensor<'int64'> {
    if (!Number.isInteger(n) || n < 0 || n >= 2 ** 27)
      throw new RangeError(`randperm: n must be an integer from 0 to 2^27 - 1; got ${n}.`);
    const data = BigInt64Array.from({ length: n }, (_, i) => BigInt(i));
    for (let i = 0; i < n - 1; i++) {
      const j = i + (uint32() % (n - i));
      const kept = data[i]!;
      data[i] = data[j]!;
      data[j] = kept;
    }
    return { dtype: 'int64', shape: [n], data };
  }

  return { seed: bits, uint32, rand, randn, randint, randperm };
}

/**
 * Turns 16 uniforms at `at` into normals, in place: pair j with j + 8 (Box & Muller 1958), in float32
 * steps as torch's kernel takes them.
 */
function normalBlock(data: Float32Array, at: number): void {
  const round = Math.fround;
  for (let j = at; j < at + 8; j++) {
    const logarithm = round(Math.log(1 - data[j]!));
    const radius = round(Math.sqrt(-2 * logarithm));
    const theta = round(TWO_PI * data[j + 8]!);
    data[j] = radius * round(Math.cos(theta));
    data[j + 8] = radius * round(Math.sin(theta));
  }
}
