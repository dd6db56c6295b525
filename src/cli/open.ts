import { dirname, resolve } from 'node:path';
import type { PlantedSet } from '../datasets/index.ts';
import type { Pipeline } from '../diffusion/index.ts';
import { VerbatimError } from '../errors.ts';
import type { Generator } from '../generators/index.ts';
import type { Precision } from '../graph/index.ts';
import type { Meter, Provider } from '../runtime/index.ts';
import type { AuditConfig, AuditData, AuditDatasetConfig } from '../stages/index.ts';
import { parseConfig } from './config/parse.ts';
import { readText } from './config/read.ts';

/** Opens a model with a meter that counts what its denoiser computes; `shared` counts several models together. */
export async function openAuditModel(
  config: {
    readonly model: string;
    readonly tokenizer?: string | undefined;
    readonly provider: Provider | 'auto';
    readonly precision?: Precision | undefined;
    readonly batch: number;
    readonly threads?: number | undefined;
  },
  signal: AbortSignal,
  shared?: Meter,
): Promise<{ pipeline: Pipeline; meter: Meter }> {
  const { openPipeline } = await import('../diffusion/index.ts');
  const { createMeter } = await import('../runtime/index.ts');
  const meter = shared ?? createMeter();
  const { model, tokenizer, provider, precision, batch, threads } = config;
  const options = {
    provider,
    batch,
    meter,
    signal,
    ...(threads !== undefined && { threads }),
    ...(tokenizer !== undefined && { tokenizer }),
    ...(precision !== undefined && { precision }),
  };
  return { pipeline: await openPipeline(model, options), meter };
}

/**
 * Opens what an audit takes its pictures from: the model, or the generator with the journal of the run folder. The
 * folder must not be written to by another process. `note` tells the user what is no error.
 *
 * @throws VerbatimError (exit code 2) for what either refuses
 */
export async function openAuditSource(
  config: AuditConfig,
  signal: AbortSignal,
  note: (line: string) => void,
): Promise<Generator> {
  const { localGenerator, openGenerator, openJournal } = await import('../generators/index.ts');
  const { runFolder } = await import('../stages/index.ts');
  if (config.generator !== undefined)
    return openGenerator(config.generator, {
      journal: () => openJournal(runFolder(config.output).answers),
      note,
    });
  const { pipeline, meter } = await openAuditModel({ ...config, model: config.model! }, signal);
  return localGenerator(pipeline, { meter, batch: config.batch });
}

/**
 * Opens the training set of an audit, and the held-out pictures when the config names some.
 *
 * @throws VerbatimError (exit code 2) for what the datasets refuse, and when the calibrated rule would have
 *   no held-out pictures that can be read.
 */
export async function openAuditData(
  config: Pick<AuditConfig, 'dataset' | 'labels' | 'candidates' | 'significance'> & {
    readonly threads?: number | undefined;
  },
  signal?: AbortSignal,
): Promise<AuditData & { close(): Promise<void> }> {
  const { dataOfDataset, dataOfPlanted, readChosen, readOutliers, requireReadableHeldOut } = await import(
    '../stages/index.ts'
  );
  const { openDataset } = await import('../datasets/index.ts');
  const heldOutConfig = config.labels.heldOut;
  const heldOut = heldOutConfig === undefined ? undefined : await openPlain(heldOutConfig);
  const neverTrained = await openNeverTrained(config);
  const lab = labSet(config.dataset);
  const { from, outliers, neighbours } = config.candidates;
  if (lab !== undefined) {
    for (const [key, path] of Object.entries({ from, outliers }))
      if (path !== undefined)
        throw new VerbatimError(`candidates.${key}: a lab set brings its own captions; leave this key out`, {
          exitCode: 2,
        });
    const data = dataOfPlanted(await openLabConfig(lab.path), lab.twin, neverTrained);
    await requireReadableHeldOut(config, heldOut ?? data.heldOut, signal);
    return {
      ...data,
      heldOut: heldOut ?? data.heldOut,
      close: async () => {
        await Promise.all([heldOut?.close(), neverTrained?.close()]);
      },
    };
  }
  // Before the training set is opened: its digest reads all of its bytes.
  await requireReadableHeldOut(config, heldOut, signal);
  const dataset = await openDataset(config.dataset);
  const chosen =
    from !== undefined
      ? await readChosen(from, dataset)
      : outliers !== undefined
        ? await readOutliers(outliers, dataset, {
            ...(neighbours !== undefined && { neighbours }),
            ...(config.threads !== undefined && { threads: config.threads }),
            ...(signal && { signal }),
          })
        : undefined;
  return {
    ...dataOfDataset(dataset, heldOut, chosen, neverTrained),
    close: async () => {
      await Promise.all([dataset.close(), heldOut?.close(), neverTrained?.close()]);
    },
  };
}

/** The captions never trained on, which need no pictures; undefined where a lab set makes its own, or none are asked for. */
async function openNeverTrained({ dataset, significance }: Pick<AuditConfig, 'dataset' | 'significance'>) {
  const { openDataset } = await import('../datasets/index.ts');
  if (significance === undefined) return undefined;
  const { neverTrained } = significance;
  if (neverTrained === undefined) {
    if (labSet(dataset) !== undefined) return undefined;
    throw new VerbatimError(
      'significance.neverTrained: name a dataset of captions that the model was never trained on, of the same kind as the audited ones; only a lab set makes its own',
      { exitCode: 2 },
    );
  }
  if (labSet(neverTrained) !== undefined)
    throw new VerbatimError(
      'significance.neverTrained: a lab set makes its own captions that were never trained on; leave this key out',
      { exitCode: 2 },
    );
  return openDataset(neverTrained);
}

async function openPlain(config: AuditDatasetConfig) {
  const { openDataset } = await import('../datasets/index.ts');
  const { requirePictures } = await import('../stages/index.ts');
  if (labSet(config) !== undefined)
    throw new VerbatimError(
      'labels.heldOut: a lab set brings its own held-out pictures; leave this key out',
      {
        exitCode: 2,
      },
    );
  const dataset = await openDataset(config);
  requirePictures(dataset, 'the calibrated rule');
  return dataset;
}

function labSet(config: AuditDatasetConfig): { path: string; twin: 'A' | 'B' } | undefined {
  return typeof config === 'object' && config.format === 'lab' && 'twin' in config
    ? (config as { path: string; twin: 'A' | 'B' })
    : undefined;
}

/** The planted set of a lab config file. */
export async function openLabConfig(path: string): Promise<PlantedSet> {
  const { labConfigSchema, openLabSet } = await import('../lab/index.ts');
  const config = parseConfig(labConfigSchema, await readText(path, 'lab config'), path);
  return openLabSet(config, dirname(resolve(path)));
}
