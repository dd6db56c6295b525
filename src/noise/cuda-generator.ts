import { VerbatimError } from '../errors.ts';
import { type DType, floatTensor, type Tensor } from '../math/index.ts';
import { philox4x32, philoxNormal } from './philox.ts';
import { type Seed, seedBits } from './seed.ts';

/** What `torch.Generator('cuda').manual_seed(seed)` is, for normal noise. */
export interface CudaGenerator {
  readonly seed: bigint;
  /**
   * Standard normal, as `torch.randn(shape, generator=g, device='cuda')`: same words, values within
   * about 2e-6 (the device's own sine is no better). At most `LARGEST_CUDA_TENSOR` values: beyond one grid
   * the result depends on the card.
   */
  randn(shape: readonly number[], dtype?: DType): Tensor<'float32'>;
}

/**
 * Threads of one full grid on an A100: 108 multiprocessors × 2,048. A card with fewer multiprocessors
 * wraps earlier; every data-centre card since (H100, H200) wraps later.
 */
export const LARGEST_CUDA_TENSOR = 221_184;

/**
 * A generator that gives what torch's CUDA generator gives for the same seed (0 … 2⁶⁴−1) and the same
 * calls to `randn`. Element i is the first normal of thread i's Philox block: key = seed (low, high),
 * counter = (calls made before, 0, i, 0). Source: ATen/native/cuda/DistributionTemplates.h, curand_normal.h.
 */
export function cudaGenerator(seed: Seed): CudaGenerator {
  const bits = seedBits(seed);
  const key = [Number(bits & 0xffffffffn), Number(bits >> 32n)] as const;
  let calls = 0;

  function randn(shape: readonly number[], dtype: DType = 'float32'): Tensor<'float32'> {
    if (dtype !== 'float32')
      throw new VerbatimError(
        `randn: ${dtype} noise is not supported for CUDA; draw float32 and say so beside the score.`,
      );
    const out = floatTensor(shape);
    if (out.data.length > LARGEST_CUDA_TENSOR)
      throw new VerbatimError(
        `randn: CUDA noise of ${out.data.length} values depends on the card above ${LARGEST_CUDA_TENSOR}; draw each image with a generator of its own.`,
      );
    for (let i = 0; i < out.data.length; i++) out.data[i] = philoxNormal(philox4x32([calls, 0, i, 0], key));
    if (out.data.length > 0) calls++;
    return out;
  }

  return { seed: bits, randn };
}
