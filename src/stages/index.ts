export * from './columns.ts';
export type { LogEntry, StageCost } from './log.ts';
export { readLog, stageCosts } from './log.ts';
export type { RunDescription, RunFolder } from './run-folder.ts';
export { openRun, readRun, runFolder, runTable } from './run-folder.ts';
export type { ShardContext, StageOptions, StageProgress, StageResult } from './stage.ts';
export { cutShards, errorText, runStage, shardName } from './stage.ts';
