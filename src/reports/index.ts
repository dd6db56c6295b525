export { type AttackFigures, attackFigures, isPositive, positiveCopies } from './attacks.ts';
export { type Caption, joinCaptions } from './captions.ts';
export type { CarliniCost, Failure, StageFigures } from './costs.ts';
export { type ReportData, readReportData } from './data.ts';
export {
  countFound,
  countNeverSeen,
  countVerdicts,
  type Found,
  isFound,
  type NeverSeen,
  type Recall,
  recallByCopies,
  type VerdictCounts,
} from './findings.ts';
export type { GalleryLimits } from './gallery.ts';
export { type RuleFigures, type Summary, summarize } from './summary.ts';
export { type WrittenReport, writeReport } from './write.ts';
