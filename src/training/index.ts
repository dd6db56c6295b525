export { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.ts';
export { type FlatEntry, type FlatLayout, flatLayout, flatWeights, packFlat, unpackFlat } from './flat.ts';
export { initialFlat } from './initial.ts';
export { type TrainingOptions, type TrainingProgress, type TrainingResult, train } from './loop.ts';
export {
  type AdamOptions,
  adamW,
  addDecayedWeights,
  chain,
  clipByGlobalNorm,
  scaleByAdam,
  scaleByLearningRate,
  type Transformation,
} from './optimizers.ts';
export { averageDecay, warmupCosine } from './schedule.ts';
export { buildTrainingStep, type LossBuilder, type TrainingStep } from './step.ts';
