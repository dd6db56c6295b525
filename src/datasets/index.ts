export { type ExportedRow, type ExportOptions, writeImg2dataset } from './export.ts';
export { datasetFormats, detectFormat, openDataset } from './formats/index.ts';
export { type PhotographOptions, photographSource } from './photographs.ts';
export { type PlantedConfig, plantedConfigSchema, plantedItemsSchema, plantedSet } from './planted.ts';
export { sceneSource, scenes } from './scenes/index.ts';
export type { Composition, Scene } from './scenes/scene.ts';
export type { Description, PictureSource } from './source.ts';
export {
  isMember,
  type TrainingEntries,
  trainingEntries,
  truthColumns,
  truthDataset,
  truthTable,
  twinDataset,
} from './twins.ts';
export type {
  BeyondKind,
  CopyOptions,
  Dataset,
  DatasetEmbeddings,
  DatasetProblem,
  DatasetRow,
  DatasetShard,
  Membership,
  PlantedKind,
  PlantedSet,
  TruthRow,
} from './types.ts';
