export { distanceAgain, type KeptCopies, type KeptFinding } from './again.ts';
export {
  type AlignedRules,
  alignedLabel,
  type Copied,
  type CopyFindings,
  type InPlace,
  localLabel,
  type NearTemplate,
} from './aligned.ts';
export { type Calibration, calibrate, calibrateOnNearest, calibrateOnPictures } from './calibrate.ts';
export {
  type CopyCalibration,
  calibrateCopies,
  evenlySpaced,
  type Unrelated,
  unrelatedPictures,
} from './calibrate-copies.ts';
export {
  type Alignment,
  type Alignments,
  assembleFamilies,
  type Background,
  type CopyCollection,
  type CopyQuery,
  compareCopies,
  copyCollection,
  createBackground,
  type FindOptions,
  findCopies,
  findFamilies,
  matchTemplates,
  type TemplateFamily,
  type TemplateMatch,
  templateShare,
  type WorkingPicture,
  workingPicture,
} from './copies/index.ts';
export { descriptorLabel, type SimilarTo, similarityLevel } from './descriptor.ts';
export { deviationOf, rmsOf } from './distances.ts';
export {
  calibratedLabel,
  type LabelRules,
  labelPictures,
  nearestOwnRms,
  type ReferenceRetrieved,
  referenceLabel,
} from './label.ts';
export {
  type NearestOptions,
  type NearestResult,
  type Neighbour,
  nearestPictures,
} from './nearest.ts';
export {
  referenceDistance,
  referenceRetrievalThreshold,
  referenceSide,
  referenceTemplateDistance,
  referenceThreshold,
  referenceView,
} from './reference.ts';
export { maskRegion } from './region.ts';
export { failedLabel } from './row.ts';
export { identityTransform, transformPicture } from './transform.ts';
export type {
  Compared,
  Evidence,
  GeneratedPicture,
  Label,
  OwnPicture,
  PictureCollection,
  Region,
  Rule,
  Transform,
  Verdict,
} from './types.ts';
export { type PictureSize, pictureView } from './view.ts';
