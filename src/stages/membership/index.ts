export {
  type AskedRow,
  type CompletionRow,
  completionColumns,
  type ExposedRow,
  exposedColumns,
  type LossRow,
  lossColumns,
  type MembershipRow,
  membershipColumns,
  type PictureRow,
  pictureColumns,
} from './columns.ts';
export { datasetSource } from './datasets.ts';
export { labSource, type MembershipLab, openMembershipLab, shadowsSource } from './lab.ts';
export { readMask } from './mask.ts';
export {
  type AttackOutcome,
  type CopiesOutcome,
  exposingAttack,
  type MembershipOutcome,
  membershipOutcome,
  type ScoredAttack,
  splitScores,
  type TargetOutcome,
  thresholdAt,
  verdictFpr,
} from './outcome.ts';
export { type MembershipResult, runMembership } from './run.ts';
export type {
  InpaintingSettings,
  MembershipItem,
  MembershipOptions,
  MembershipSource,
  ShadowModel,
} from './types.ts';
