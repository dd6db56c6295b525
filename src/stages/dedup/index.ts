export {
  type DedupFamilyRow,
  type DuplicatedRow,
  dedupFamilyColumns,
  duplicatedColumns,
  edgeColumns,
  itemColumns,
  type MemberRow,
  memberColumns,
  type PartRow,
  partColumns,
} from './columns.ts';
export { type DedupConfig, dedupConfigSchema, type ResolvedDedupConfig } from './config.ts';
export { readChosen, readDuplicated } from './duplicated.ts';
export { piecePath } from './items.ts';
export { type Piece, piecesOf } from './pieces.ts';
export { type DedupOptions, type DedupSummary, findDuplicates, isChained, levelsFor } from './run.ts';
export type { DedupDescription, DedupFolder } from './state.ts';
