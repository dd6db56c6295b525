import type { Generator } from '../generators/index.ts';
import type { AuditConfig } from './config.ts';
import type { AuditData } from './data.ts';
import type { RunFolder } from './run-folder.ts';
import type { StageProgress } from './stage.ts';

/** What every stage of an audit works with. */
export interface StageInput {
  readonly config: AuditConfig;
  readonly folder: RunFolder;
  readonly data: AuditData;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: StageProgress) => void) | undefined;
}

/** What the stages that ask the model work with. */
export interface ModelInput extends StageInput {
  /** Where pictures come from: a pipeline on this machine, a service, a folder. */
  readonly generator: Generator;
}
