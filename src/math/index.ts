export {
  concatBatch,
  expandBatch,
  gatherBatch,
  groupEqual,
  groupEqualSamples,
  rowsOfBatch,
  sampleLength,
  sliceBatch,
} from './batch.ts';
export { betaQuantile, logGamma, normalQuantile, regularizedBeta } from './distributions.ts';
export { toFloat16, toFloat32 } from './float16.ts';
export {
  type BootstrapOptions,
  bootstrapInterval,
  clopperPearsonInterval,
  type Interval,
  wilsonInterval,
} from './intervals.ts';
export { createRandom, hashSeed, mix32, type Random } from './random.ts';
export {
  precisionAtK,
  precisionCurve,
  type RocCurve,
  rankDescending,
  rocAuc,
  rocCurve,
  spearman,
  tprAtFpr,
} from './ranking.ts';
export { type RateAtFpr, type Separation, separation } from './separation.ts';
export { dot, mean, quantile, squaredDistance, standardDeviation } from './summary.ts';
export {
  type DType,
  type DTypeArrays,
  elementCount,
  floatTensor,
  mapTensor,
  type Tensor,
  TYPED_ARRAYS,
} from './tensor.ts';
