export { mapConcurrently } from './concurrently.ts';
export { createMeter } from './meter.ts';
export { type ProviderProbe, probeProviders } from './providers.ts';
export { openSession } from './session.ts';
export type * from './session.types.ts';
