export type { ReportedDataset } from './data.ts';
export { writeDedupReport } from './write.ts';
