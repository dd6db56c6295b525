export { type AttackFigures, attackFigures, isPositive, positiveCopies } from './attacks.ts';
export {
  type Caption,
  decidingRule,
  joinCaptions,
  type Near,
  type Sample,
  type Shown,
  verdictOf,
} from './captions.ts';
export type { CarliniCost, Failure, StageFigures } from './costs.ts';
export { type CsvCell, csvText } from './csv.ts';
export { type ReportData, readReportData } from './data.ts';
export { type ReportedDataset, writeDedupReport } from './dedup/index.ts';
export { writeExtractReport } from './extract/index.ts';
export { type FamilyRecall, recallByFamily } from './families.ts';
export {
  countFound,
  countNeverSeen,
  countReviews,
  countVerdicts,
  type Found,
  findingOf,
  isFound,
  isRejected,
  type NeverSeen,
  type Recall,
  type ReviewCounts,
  recallByCopies,
  type VerdictCounts,
} from './findings.ts';
export {
  evaluationsAt,
  type FoundAgainstEvaluations,
  type FoundCurve,
  type FoundPoint,
  foundCurve,
  type Recipe,
  recipes,
  websterCounts,
} from './found-curve.ts';
export type { GalleryLimits } from './gallery.ts';
export { verdictText, writeMembershipReport } from './membership/index.ts';
export { recordedFindings } from './recorded.ts';
export type { Review } from './reviews.ts';
export { hasOutcome, type RuleFigures, type Summary, summarize } from './summary.ts';
export {
  compareRuns,
  type Transfer,
  type TransferFinding,
  type TransferModel,
  type TransferShared,
  transferColumns,
  writeTransfer,
} from './transfer.ts';
export { writeVerifyReport } from './verify/index.ts';
export { type ReportOptions, type WrittenReport, writeReport } from './write.ts';
