import { stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { type AuditConfig, auditConfigSchema } from '../../stages/index.ts';
import { type Override, parseConfig } from './parse.ts';
import { readText } from './read.ts';

/**
 * Reads an audit's config: from a YAML file, or from a run folder, whose run.json holds the config that it
 * was made with.
 *
 * Paths to the model and to data are taken from the config file's own folder, so that a config can lie beside
 * its model; they come back absolute. `output` is taken from the working folder.
 *
 * @throws VerbatimError (exit code 2) when there is no such file, or it is not right.
 */
export async function loadAuditConfig(
  target: string,
  overrides: readonly Override[] = [],
): Promise<AuditConfig> {
  const found = await stat(target).catch(() => undefined);
  if (found === undefined)
    throw new VerbatimError(`${target}: no such file; give a config (YAML) or a run folder`, { exitCode: 2 });
  if (!found.isDirectory()) {
    const text = await readText(target, 'config');
    return absolute(parseConfig(auditConfigSchema, text, target, overrides), dirname(resolve(target)));
  }
  // JSON is YAML, so a run's config takes overrides and gives errors in the same way.
  const { readRun } = await import('../../stages/index.ts');
  const { config } = await readRun(target);
  const text = JSON.stringify({ ...config, output: target }, undefined, 2);
  return absolute(parseConfig(auditConfigSchema, text, join(target, 'run.json'), overrides), process.cwd());
}

function absolute(config: AuditConfig, folder: string): AuditConfig {
  const { labels } = config;
  return {
    ...config,
    model: resolve(folder, config.model),
    dataset: absolutePath(config.dataset, folder),
    labels: {
      ...labels,
      ...(labels.heldOut !== undefined && { heldOut: absolutePath(labels.heldOut, folder) }),
    },
  };
}

function absolutePath<T extends object>(data: T, folder: string): T {
  const path: unknown = 'path' in data ? data.path : undefined;
  return typeof path === 'string' && !isAbsolute(path) ? { ...data, path: resolve(folder, path) } : data;
}
