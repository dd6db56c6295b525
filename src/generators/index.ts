export { auditNoise, type LocalOptions, localGenerator, noiseName, samplePictures } from './local.ts';
export { requireCapabilities } from './needs.ts';
export { type Journal, memoryJournal, openJournal } from './remote/journal.ts';
export type { SourceContext } from './source.ts';
export {
  freeGeneratorKeys,
  type GeneratorConfig,
  generatorPathKeys,
  generatorSchema,
  openGenerator,
} from './sources.ts';
export * from './types.ts';
