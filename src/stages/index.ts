export { type NamedAttack, nameAttacks } from './attack-list.ts';
export { type AuditOptions, type AuditSource, describeAudit, runAudit } from './audit.ts';
export { type RunCalibration, readCalibration, writeCalibration } from './calibration.ts';
export { chooseCandidates, listCandidates, runCandidates } from './candidates.ts';
export {
  type Cascade,
  type CascadeStep,
  planCascade,
  prepareCascade,
  runCascade,
} from './cascade.ts';
export {
  type AttackConfig,
  attackSchema,
  type CascadeStepConfig,
  defaultCascade,
} from './cascade-schema.ts';
export * from './columns.ts';
export {
  type AuditConfig,
  type AuditDatasetConfig,
  auditConfigKeys,
  auditConfigSchema,
  auditDatasetSchema,
} from './config.ts';
export {
  type AuditData,
  type ChosenCaption,
  dataOfDataset,
  dataOfPlanted,
  drawn,
  type NeverTrainedCaption,
  type NeverTrainedSource,
  requirePictures,
} from './data.ts';
export {
  type DedupConfig,
  type DedupDescription,
  type DedupFamilyRow,
  type DedupSummary,
  type DuplicatedRow,
  dedupConfigSchema,
  dedupFamilyColumns,
  duplicatedColumns,
  edgeColumns,
  findDuplicates,
  isChained,
  itemColumns,
  levelsFor,
  type MemberRow,
  memberColumns,
  type PartRow,
  type Piece,
  partColumns,
  piecePath,
  piecesOf,
  type ResolvedDedupConfig,
  readChosen,
  readDuplicated,
} from './dedup/index.ts';
export * from './extract/index.ts';
export { type NamedFamily, readFamilies } from './families.ts';
export type { ModelInput, StageInput } from './flow.ts';
export { runGenerations } from './generations.ts';
export { heldOutWarning, requireReadableHeldOut } from './held-out.ts';
export {
  type IndexOptions,
  makeApproximate,
  makeIndex,
  type OpenIndex,
  openIndex,
  requireDescriptor,
} from './indexing.ts';
export { runLabels } from './labelling.ts';
export { waitForFolder } from './lock.ts';
export type { LogEntry, StageCost } from './log.ts';
export { readLog, stageCosts } from './log.ts';
export * from './membership/index.ts';
export { listNeverTrained, type NeverTrained, nullsWarning } from './never-trained.ts';
export { type Outlier, type OutlierOptions, type Outliers, rankOutliers, readOutliers } from './outliers.ts';
export { planAudit, plannedEvaluations, plannedPrice } from './plan.ts';
export type { PlannedStage } from './planned.ts';
export { addReview, readReviews } from './reviews.ts';
export type { RunDescription, RunFolder } from './run-folder.ts';
export { openRun, readRun, runFolder, runTable, tableSteps } from './run-folder.ts';
export { type ScoredTable, type ScoreTableOptions, scoreTable } from './score-table.ts';
export { notFinite, runScores } from './scores.ts';
export { topScores } from './selections.ts';
export { runNulls, runSignificance, significanceAttack } from './significance.ts';
export type { ShardContext, StageOptions, StageProgress, StageResult } from './stage.ts';
export { cutShards, errorText, runStage, shardName } from './stage.ts';
export { farNoiseWarning, givesOneStepPictures, requireAttacks, subjectOf } from './subject.ts';
export * from './verify/index.ts';
