import {
  concatBatch,
  expandBatch,
  floatTensor,
  gatherBatch,
  groupEqualSamples,
  sampleLength,
  sliceBatch,
  type Tensor,
} from '../math/index.ts';
import type { Denoise, Denoiser } from './types.ts';

/**
 * Classifier-free guidance (Ho and Salimans 2022) on clean estimates: `D_∅ + scale·(D_c − D_∅)`, per
 * sample. The same on D as on ε or v, since those are affine in D with coefficients that x and σ alone
 * determine. `unconditional` may hold one sample for the whole batch.
 */
export function combineGuided(
  conditional: Tensor<'float32'>,
  unconditional: Tensor<'float32'>,
  scale: number,
): Tensor<'float32'> {
  const shared = unconditional.shape[0] === 1;
  const length = sampleLength(conditional);
  const data = new Float32Array(conditional.data.length);
  for (let i = 0; i < data.length; i++) {
    const base = unconditional.data[shared ? i % length : i]!;
    data[i] = base + scale * (conditional.data[i]! - base);
  }
  return floatTensor(conditional.shape, data);
}

/**
 * Binds a condition to a denoiser. `condition` is [batch or 1, tokens, width], `unconditional`
 * [1, tokens, width]. Scale 1 costs one evaluation per sample; any other scale needs both halves, of
 * which the unconditional one is computed once for each group of equal samples in the batch: captions
 * that share their noise share it at σ_max. What comes out is kept within the denoiser's limit, where it has one.
 */
export function guided(
  denoiser: Denoiser,
  condition: Tensor<'float32'>,
  unconditional: Tensor<'float32'>,
  scale: number,
): Denoise {
  const limit = denoiser.limit ?? ((clean: Tensor<'float32'>) => clean);
  if (scale === 1) return async (x, sigma) => limit(await denoiser.denoise(x, sigma, condition));
  if (unconditional.shape[0] !== 1)
    throw new RangeError(`the unconditional states must have batch 1, got ${unconditional.shape[0]}`);
  return async (x, sigma) => {
    const count = x.shape[0]!;
    if (count === 0) return x;
    const { distinct, group } = groupEqualSamples(x);
    // One call for both halves: the denoiser cuts it into full batches.
    const both = await denoiser.denoise(
      concatBatch([x, gatherBatch(x, distinct)]),
      sigma,
      concatBatch([expandBatch(condition, count), expandBatch(unconditional, distinct.length)]),
    );
    const base = sliceBatch(both, count, count + distinct.length);
    return limit(combineGuided(sliceBatch(both, 0, count), gatherBatch(base, group), scale));
  };
}
