export { mapConcurrently } from './concurrently.ts';
export { scriptUrl } from './launch.ts';
export { createMeter } from './meter.ts';
export { type ProviderProbe, probeProviders } from './providers.ts';
export { serveTasks } from './serve.ts';
export { openSession } from './session.ts';
export type * from './session.types.ts';
export { openThreads, type Threads } from './threads.ts';
