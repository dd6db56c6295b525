import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { detectFormat } from '../../datasets/index.ts';
import { VerbatimError } from '../../errors.ts';
import { type GeneratorConfig, generatorPathKeys } from '../../generators/index.ts';
import {
  type AuditConfig,
  type AuditDatasetConfig,
  auditConfigSchema,
  auditDatasetSchema,
} from '../../stages/index.ts';
import { defaultCascade } from './default-cascade.ts';
import { type Override, parseConfig } from './parse.ts';
import { fromWorkingFolder } from './paths.ts';
import { readText } from './read.ts';

/** Keys of an audit's config whose text is a path; a dataset may be a path alone. */
const pathKeys = [
  'model',
  'tokenizer',
  'dataset',
  'dataset.path',
  'dataset.images',
  'candidates.from',
  'significance.neverTrained',
  'significance.neverTrained.path',
  'significance.neverTrained.images',
  'candidates.outliers',
  'labels.heldOut',
  'labels.heldOut.path',
  'labels.heldOut.images',
  'labels.descriptor.index',
  'labels.descriptor.network',
  ...generatorPathKeys.map((key) => `generator.${key}`),
];

/**
 * Reads an audit's config: from a YAML file, or from a run folder, whose run.json holds the config that it
 * was made with.
 *
 * Paths to the model and to data are taken from the config file's own folder, so that a config can lie beside
 * its model; those of overrides and `output` are taken from the working folder. They come back absolute, and a
 * dataset that is a path comes back with its format.
 *
 * @throws VerbatimError (exit code 2) when there is no such file, or it is not right.
 */
export async function loadAuditConfig(
  target: string,
  overrides: readonly Override[] = [],
): Promise<AuditConfig> {
  const { config, folder } = await readConfig(target, fromWorkingFolder(overrides, pathKeys));
  const { labels, significance } = config;
  const neverTrained = significance?.neverTrained && (await located(significance.neverTrained, folder));
  const heldOut = labels.heldOut === undefined ? undefined : await located(labels.heldOut, folder);
  return {
    ...config,
    ...(config.model !== undefined && { model: resolve(folder, config.model) }),
    ...(config.tokenizer !== undefined && { tokenizer: resolve(folder, config.tokenizer) }),
    ...(config.generator !== undefined && { generator: locatedGenerator(config.generator, folder) }),
    alsoModels: config.alsoModels.map((path) => resolve(folder, path)),
    dataset: await located(config.dataset, folder),
    candidates: locatedCandidates(config.candidates, folder),
    ...(significance !== undefined && {
      significance: { ...significance, ...(neverTrained !== undefined && { neverTrained }) },
    }),
    labels: {
      ...labels,
      ...(heldOut !== undefined && { heldOut }),
      ...(labels.descriptor !== undefined && { descriptor: locatedDescriptor(labels.descriptor, folder) }),
    },
  };
}

function locatedGenerator(config: GeneratorConfig, folder: string): GeneratorConfig {
  const paths = Object.entries(config).filter(([key]) => generatorPathKeys.includes(key));
  return {
    ...config,
    ...Object.fromEntries(paths.map(([key, path]) => [key, resolve(folder, String(path))])),
  };
}

function locatedCandidates(
  { from, outliers, ...rest }: AuditConfig['candidates'],
  folder: string,
): AuditConfig['candidates'] {
  return {
    ...(from !== undefined && { from: resolve(folder, from) }),
    ...(outliers !== undefined && { outliers: resolve(folder, outliers) }),
    ...rest,
  };
}

type DescriptorConfig = NonNullable<AuditConfig['labels']['descriptor']>;

function locatedDescriptor({ index, network, ...rest }: DescriptorConfig, folder: string): DescriptorConfig {
  return {
    ...rest,
    index: resolve(folder, index),
    ...(network !== undefined && { network: resolve(folder, network) }),
  };
}

/** Keys that say how a model of this machine is run: labels of a generator's pictures do not read them. */
const modelKeys: readonly string[] = ['provider', 'precision', 'tokenizer'];

/**
 * Refuses what was given on the command line for a model where a generator makes the pictures: it would be ignored.
 *
 * @throws VerbatimError (exit code 2)
 */
function refuseModelKeys({ generator }: AuditConfig, overrides: readonly Override[]): void {
  const unfit = overrides.find(({ path }) => modelKeys.includes(path.join('.')));
  if (generator !== undefined && unfit !== undefined)
    throw new VerbatimError(
      `${unfit.origin} goes with model; the config's pictures come from its generator (${generator.kind}), which runs no model here`,
      { exitCode: 2 },
    );
}

/** The config as it stands there, and the folder from which its paths are taken. */
async function readConfig(
  target: string,
  overrides: readonly Override[],
): Promise<{ config: AuditConfig; folder: string }> {
  const found = await stat(target).catch(() => undefined);
  if (found === undefined)
    throw new VerbatimError(`${target}: no such file; give a config (YAML) or a run folder`, { exitCode: 2 });
  if (!found.isDirectory()) {
    const text = await readText(target, 'config');
    const folder = dirname(resolve(target));
    const config = parseConfig(auditConfigSchema, text, target, overrides);
    refuseModelKeys(config, overrides);
    if (config.generator === undefined) return { config, folder };
    const cascade = await defaultCascade(locatedGenerator(config.generator, folder), text, overrides);
    return { config: parseConfig(auditConfigSchema, text, target, [...cascade, ...overrides]), folder };
  }
  // JSON is YAML, so a run's config takes overrides and gives errors in the same way.
  const { readRun } = await import('../../stages/index.ts');
  const { config } = await readRun(target);
  if ('attacks' in config || 'select' in config)
    throw new VerbatimError(
      `${target} was made by an older version, with attacks and select instead of a cascade; audit its config anew in another folder`,
      { exitCode: 2 },
    );
  const text = JSON.stringify({ ...config, output: target }, undefined, 2);
  const where = join(target, 'run.json');
  const parsed = parseConfig(auditConfigSchema, text, where, overrides);
  refuseModelKeys(parsed, overrides);
  return { config: parsed, folder: process.cwd() };
}

/** With an absolute path; a path alone gets the format that is found by looking, and that format's defaults. */
async function located(data: AuditDatasetConfig, folder: string): Promise<AuditDatasetConfig> {
  if (typeof data === 'string') {
    const path = resolve(folder, data);
    if (/\.ya?ml$/i.test(path) && (await stat(path).catch(() => undefined))?.isFile())
      throw new VerbatimError(
        `${path}: a config, not pictures; for the set of a lab give {format: lab, path: ${data}, twin: A}, or twin: B`,
        { exitCode: 2 },
      );
    return auditDatasetSchema.parse({ format: await detectFormat(path), path });
  }
  const paths = Object.entries(data).filter(
    ([key, value]) => (key === 'path' || key === 'images') && typeof value === 'string',
  );
  return {
    ...data,
    ...Object.fromEntries(paths.map(([key, value]) => [key, resolve(folder, String(value))])),
  };
}
