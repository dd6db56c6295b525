import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { z } from 'zod';
import type { SamplerName } from '../../diffusion/index.ts';
import { VerbatimError } from '../../errors.ts';
import type { Precision } from '../../graph/index.ts';
import type { Provider } from '../../runtime/index.ts';
import { type Override, parseOverride } from './parse.ts';

/** The flags that stand for a key of an audit's config. */
export interface ConfigFlags {
  readonly model?: string;
  readonly tokenizer?: string;
  readonly output?: string;
  readonly seed?: number;
  readonly limit?: number;
  readonly batch?: number;
  readonly threads?: number;
  readonly provider?: string;
  readonly precision?: string;
  readonly maxEvaluations?: number;
  readonly budget?: number;
  readonly format?: string;
  readonly set?: readonly Override[];
}

/** Which key of the config each flag stands for. */
export const configKeys: Readonly<Record<string, string>> = {
  output: 'output',
  model: 'model',
  tokenizer: 'tokenizer',
  seed: 'seed',
  limit: 'candidates.limit',
  batch: 'batch',
  threads: 'threads',
  provider: 'provider',
  precision: 'precision',
  maxEvaluations: 'maxEvaluations',
  budget: 'budget',
  format: 'dataset.format',
};

const configSeed = () =>
  integerOption('--seed <n>', 'draws the candidates where a limit cuts them (config: seed)', 0);

/** Adds `--model`, `--output`, … and `--set` to a command; `seed` where it stands for another key. */
export function addConfigFlags(command: Command, seed: Option = configSeed()): Command {
  return command
    .option('-o, --output <folder>', 'the run folder (config: output)')
    .option(
      '--model <path>',
      'a diffusers folder, its ONNX export, or a .safetensors checkpoint (config: model)',
    )
    .option('--tokenizer <folder>', "CLIP's vocabulary, for a single-file checkpoint (config: tokenizer)")
    .addOption(seed)
    .addOption(integerOption('--limit <n>', 'at most so many captions (config: candidates.limit)', 1))
    .addOption(integerOption('--batch <n>', 'captions computed together (config: batch)', 1))
    .addOption(integerOption('--threads <n>', 'default: the number of cores (config: threads)', 1))
    .addOption(providerOption('what runs the model (config: provider)'))
    .addOption(precisionOption('float16 halves memory on webgpu and cuda (config: precision)'))
    .addOption(integerOption('--max-evaluations <n>', 'refuse a plan that may cost more', 1))
    .addOption(setOption('any other key of the config; repeatable: --set synthesis.samples=8'));
}

/** `--provider NAME`. */
export function providerOption(description: string): Option {
  const choices = ['auto', 'cpu', 'webgpu', 'cuda'] satisfies (Provider | 'auto')[];
  return new Option('--provider <name>', description).choices(choices);
}

/** `--precision NAME`. */
export function precisionOption(description = 'float16 halves memory on webgpu and cuda'): Option {
  const choices = ['float32', 'float16'] satisfies Precision[];
  return new Option('--precision <name>', description).choices(choices);
}

/** `--sampler NAME`. The names stand here too, so that help needs no diffusion. */
export function samplerOption(description: string): Option {
  const choices = ['heun', 'euler', 'euler-ancestral', 'dpmpp-2m', 'ddim'] satisfies SamplerName[];
  return new Option('--sampler <name>', description).choices(choices);
}

/** `--set key=value`, repeatable: overrides any key of a config. */
export function setOption(description: string): Option {
  return new Option('--set <key=value>', description).argParser(
    (text: string, before: readonly Override[] = []) => [...before, parseOverride(text)],
  );
}

/**
 * The flags as overrides of the config, `--set` last. Paths are taken from the working folder.
 *
 * @param keys the config's key for each flag, by the flag's name in `flags`.
 */
export function configOverrides(flags: ConfigFlags, keys = configKeys): Override[] {
  const values = new Map<string, unknown>(Object.entries(flags));
  const given = Object.entries(keys).filter(([name]) => values.get(name) !== undefined);
  return [
    ...given.map(([name, key]) => {
      const value = values.get(name);
      return {
        path: key.split('.'),
        value: name === 'model' || name === 'tokenizer' ? resolve(String(value)) : value,
        origin: `${spelled(name)} ${value}`,
        ...(name === 'format' && { under: 'path' }),
      };
    }),
    ...(flags.set ?? []),
  ];
}

/** 'maxEvaluations' as it is typed: '--max-evaluations'. */
function spelled(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * Refuses flags that mean nothing in the way in which a command was called: none is ignored in silence.
 *
 * @param unfit what to say of each, by its name in `flags`: 'goes with a config'.
 * @throws VerbatimError (exit code 2) for the first of them that was given.
 */
export function refuseFlags(flags: object, unfit: Readonly<Record<string, string>>): void {
  const given = new Map<string, unknown>(Object.entries(flags));
  for (const [name, reason] of Object.entries(unfit))
    if (given.get(name) !== undefined) throw new VerbatimError(`${spelled(name)} ${reason}`, { exitCode: 2 });
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

/** A dataset as a command is told of it: a path, the name of its format, options of the format. */
export function datasetSpec(
  path: string,
  { format, set = [] }: { readonly format?: string; readonly set?: readonly Override[] },
): Record<string, unknown> {
  const options = Object.fromEntries(set.map(({ path, value }) => [path.join('.'), value]));
  return { path, ...(format !== undefined && { format }), ...options };
}

/** An option that takes one of some words. */
export function choicesOption(flags: string, description: string, choices: readonly string[]): Option {
  return new Option(flags, description).choices(choices);
}

/**
 * Values of flags as a config whose keys they are.
 *
 * @param spelling what a key is called on the command line, where it is not its own name: { levels: '--level' }
 * @throws VerbatimError (exit code 2) naming the flag
 */
export function parseFlags<Schema extends z.ZodType>(
  schema: Schema,
  values: Readonly<Record<string, unknown>>,
  spelling: Readonly<Record<string, string>> = {},
): z.output<Schema> {
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const key = String(issue.path[0]);
  const choices = issue.code === 'invalid_value' ? `; give one of ${issue.values.join(', ')}` : '';
  throw new VerbatimError(`${spelling[key] ?? spelled(key)}: ${issue.message}${choices}`, { exitCode: 2 });
}
