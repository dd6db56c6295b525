export {
  type ApproximateOptions,
  buildApproximate,
  openApproximateSearch,
  searchRecall,
} from './approximate.ts';
export { type DistinctBits, distinctBits, mostBitsApart } from './bits.ts';
export { type ByteSearch, type ByteSearchOptions, type FoundBytes, openByteSearch } from './bytes.ts';
export type { CodePaths } from './coded.ts';
export { type Codes, encodeRows } from './codes.ts';
export { type ExactOptions, openExactSearch } from './exact.ts';
export { openRowFiles, type RowFiles } from './files.ts';
export {
  type FoundBits,
  type HammingIndex,
  type HammingOptions,
  type HammingPairs,
  hammingIndex,
  hammingPairs,
} from './hamming.ts';
export { leastSimilarity } from './least.ts';
export { measurePairRecall, type PairRecall, type PairRecallOptions, type Share } from './pairRecall.ts';
export { openPairSearch, type PairOptions, type PairReport, type PairSearch } from './pairs.ts';
export {
  type Assignments,
  assignRows,
  mostProbes,
  type Partition,
  type PartitionOptions,
  trainPartition,
} from './partition.ts';
export { memoryRows, openNpyRows } from './rows.ts';
export {
  openTiledDistances,
  type TiledDistanceOptions,
  type TiledDistances,
  type TiledPictures,
} from './tiled-distance.ts';
export type { SimilarPairs } from './tiles.ts';
export type {
  CodedBlock,
  CodedRows,
  Found,
  SearchOptions,
  VectorDType,
  VectorRows,
  VectorSearch,
} from './types.ts';
