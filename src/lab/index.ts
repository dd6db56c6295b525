export { type Classifier, trainClassifier } from './classifier.ts';
export { type LabConfig, labConfigSchema } from './config.ts';
export type { LabContext, Optimisation } from './network.ts';
export { textConfig, unetConfig, vaeConfig } from './networks.ts';
export { type LabLog, type LabRunOptions, trainLab } from './run.ts';
export { labPaths, openLabSet } from './train.ts';
export { type TwinData, trainTwin, twinLoss } from './twin.ts';
export { trainVae, vaeLoss } from './vae.ts';
