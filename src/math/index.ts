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
export { type BottleneckClique, bottleneckClique } from './bottleneck.ts';
export { type Clique, type CliqueOptions, maximumClique } from './clique.ts';
export { type Graph, graphBelow, meanPairDistance, medoid, pairIndex } from './clique-graph.ts';
export {
  benjaminiHochberg,
  type Discoveries,
  type DiscoveryOptions,
  empiricalPValues,
  fewestDiscoveries,
  fewestNullScores,
  smallestPValue,
} from './discoveries.ts';
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
export {
  type Characteristics,
  characteristicsAt,
  type Decision,
  decideLook,
  defaultRate,
  growingLooks,
  type Known,
  type Look,
  type SequentialOptions,
  type SequentialTest,
  sequentialTest,
} from './sequential.ts';
export { dot, mean, quantile, squaredDistance, standardDeviation } from './summary.ts';
export { fewestScores, type ScoreTail, scoreAt, scoreTail } from './tail.ts';
export {
  type DType,
  type DTypeArrays,
  elementCount,
  floatTensor,
  mapTensor,
  type Tensor,
  TYPED_ARRAYS,
} from './tensor.ts';
