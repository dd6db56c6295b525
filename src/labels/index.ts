export { type Calibration, calibrate, calibrateOnPictures } from './calibrate.ts';
export { deviationOf, rmsOf } from './distances.ts';
export {
  calibratedLabel,
  failedLabel,
  type LabelRules,
  labelPictures,
  referenceLabel,
} from './label.ts';
export {
  type NearestOptions,
  type NearestResult,
  type Neighbour,
  nearestPictures,
} from './nearest.ts';
export { referenceDistance, referenceSide, referenceThreshold, referenceView } from './reference.ts';
export { identityTransform, transformPicture } from './transform.ts';
export type {
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
