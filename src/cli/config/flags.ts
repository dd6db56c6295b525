import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Provider } from '../../runtime/index.ts';
import { type Override, parseOverride } from './parse.ts';

/** The flags that stand for a key of an audit's config. */
export interface ConfigFlags {
  readonly model?: string;
  readonly output?: string;
  readonly seed?: number;
  readonly limit?: number;
  readonly batch?: number;
  readonly threads?: number;
  readonly provider?: string;
  readonly maxEvaluations?: number;
  readonly set?: readonly Override[];
}

/** Adds `--model`, `--output`, … and `--set` to a command. */
export function addConfigFlags(command: Command): Command {
  return command
    .option('-o, --output <folder>', 'the run folder (config: output)')
    .option('--model <folder>', 'the model (config: model)')
    .addOption(integerOption('--seed <n>', 'draws candidates and bootstrap (config: seed)', 0))
    .addOption(integerOption('--limit <n>', 'at most so many captions (config: candidates.limit)', 1))
    .addOption(integerOption('--batch <n>', 'captions computed together (config: batch)', 1))
    .addOption(integerOption('--threads <n>', 'default: the number of cores (config: threads)', 1))
    .addOption(providerOption('what runs the model (config: provider)'))
    .addOption(integerOption('--max-evaluations <n>', 'refuse a plan that may cost more', 1))
    .addOption(setOption('any other key of the config; repeatable: --set select.first=200'));
}

/** `--provider NAME`. */
export function providerOption(description: string): Option {
  const choices = ['auto', 'cpu', 'webgpu', 'cuda'] satisfies (Provider | 'auto')[];
  return new Option('--provider <name>', description).choices(choices);
}

/** `--set key=value`, repeatable: overrides any key of a config. */
export function setOption(description: string): Option {
  return new Option('--set <key=value>', description).argParser(
    (text: string, before: readonly Override[] = []) => [...before, parseOverride(text)],
  );
}

/** The flags as overrides of the config, `--set` last. Paths are taken from the working folder. */
export function configOverrides(flags: ConfigFlags): Override[] {
  const plain: readonly (readonly [string, string, unknown])[] = [
    ['--output', 'output', flags.output],
    ['--model', 'model', flags.model === undefined ? undefined : resolve(flags.model)],
    ['--seed', 'seed', flags.seed],
    ['--limit', 'candidates.limit', flags.limit],
    ['--batch', 'batch', flags.batch],
    ['--threads', 'threads', flags.threads],
    ['--provider', 'provider', flags.provider],
    ['--max-evaluations', 'maxEvaluations', flags.maxEvaluations],
  ];
  return [
    ...plain
      .filter(([, , value]) => value !== undefined)
      .map(([flag, key, value]) => ({ path: key.split('.'), value, origin: `${flag} ${value}` })),
    ...(flags.set ?? []),
  ];
}

/** An option that takes a whole number of at least `minimum`. */
export function integerOption(flags: string, description: string, minimum: number): Option {
  return new Option(flags, description).argParser((text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < minimum)
      throw new InvalidArgumentError(`Expected a whole number of at least ${minimum}.`);
    return value;
  });
}

/** An option that takes a number of at least 0. */
export function numberOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < 0)
      throw new InvalidArgumentError('Expected a number of at least 0.');
    return value;
  });
}
