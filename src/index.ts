/**
 * The package's entry: an audit and its parts. What lies below them (graphs, networks, samplers, tables, the
 * lab, …) is reached room by room: `import { conv2d } from 'verbatim-audit/graph'`.
 *
 * @example
 * import { createSubject, openPipeline, attackNamed } from 'verbatim-audit';
 *
 * const pipeline = await openPipeline('models/twin-a');
 * const scores = await attackNamed('seed-variance').score(createSubject(pipeline), ['a red bus']);
 * await pipeline.close();
 */
export {
  type Attack,
  type AttackScore,
  attackNamed,
  attacks,
  createImageSubject,
  createSubject,
  defineAttack,
  type Subject,
  scoreAll,
} from './attacks/index.ts';
export { type Dataset, type DatasetRow, openDataset } from './datasets/index.ts';
export {
  type Generated,
  type GenerateOptions,
  generate,
  oneStep,
  openPipeline,
  type Pipeline,
  type PipelineOptions,
} from './diffusion/index.ts';
export { VerbatimError } from './errors.ts';
export { type Generator, localGenerator, openGenerator } from './generators/index.ts';
export { decodePicture, encodePng, type Picture } from './images/index.ts';
export {
  type Calibration,
  calibrateOnPictures,
  type GeneratedPicture,
  type Label,
  labelPictures,
  type PictureCollection,
} from './labels/index.ts';
export { type ReportData, readReportData, type Summary, writeReport } from './reports/index.ts';
export { createMeter, type Meter, probeProviders } from './runtime/index.ts';
export {
  type AuditConfig,
  type AuditData,
  type AuditOptions,
  auditConfigSchema,
  type DedupConfig,
  type DedupSummary,
  dataOfDataset,
  dedupConfigSchema,
  findDuplicates,
  type MembershipOutcome,
  type RunFolder,
  runAudit,
  runMembership,
} from './stages/index.ts';
