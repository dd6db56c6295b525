export {
  type ApproximateOptions,
  buildApproximate,
  openApproximateSearch,
  searchRecall,
} from './approximate.ts';
export type { CodePaths } from './coded.ts';
export { type Codes, encodeRows } from './codes.ts';
export { type ExactOptions, openExactSearch } from './exact.ts';
export { writeNpy } from './npy.ts';
export { memoryRows, openNpyRows } from './rows.ts';
export type {
  CodedBlock,
  CodedRows,
  Found,
  SearchOptions,
  VectorDType,
  VectorRows,
  VectorSearch,
} from './types.ts';
