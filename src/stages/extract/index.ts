export {
  type ExtractedRow,
  extractedColumns,
  extractGenerationColumns,
  neighbourColumns,
  trainingColumns,
} from './columns.ts';
export { makerOfPictures } from './generations.ts';
export { extractPictures } from './run.ts';
export type { ExtractSummary } from './summary.ts';
export { looksTrainedOn } from './threshold.ts';
export type { ExtractConfig, ExtractOptions, GeneratedItem, PictureMaker } from './types.ts';
