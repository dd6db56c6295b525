export {
  type CliqueSearch,
  type CliquesDecision,
  type CliquesOptions,
  type CliquesResult,
  cliquesOptionsSchema,
  createCliqueSearch,
  expectedSamples,
  type PreparedCliques,
  prepareCliques,
} from './cliques.ts';
export {
  captionsTogether,
  type SampleSupply,
  type SampleTask,
  type SearchCliquesOptions,
  searchCliques,
} from './cliques-run.ts';
export { type AttackDefinition, defineAttack } from './define.ts';
export { edgeConsistency } from './ecs.ts';
export * from './membership/index.ts';
export { guidanceOption, seedsOption, sigmaOption } from './options.ts';
export { attackNamed, attackNames, attacks } from './registry.ts';
export { requireAccess, type ScoredCaptions, type ScoreOptions, scoreAll } from './score.ts';
export {
  createImageSubject,
  createSubject,
  type ImageSubjectOptions,
  type SubjectOptions,
} from './subject.ts';
export type * from './types.ts';
