export { type VerificationRow, verificationColumns } from './columns.ts';
export { type GroundTruthOptions, groundTruthFindings } from './ground-truth.ts';
export { type FindingOutcome, type VerificationOutcome, verificationOutcome } from './outcome.ts';
export { openSourcePictures, type SourcePictures } from './source-folder.ts';
export type { Judged, Making, RecordedFindings, RecordedPicture } from './types.ts';
export { type VerifyOptions, verifyFindings } from './verify.ts';
