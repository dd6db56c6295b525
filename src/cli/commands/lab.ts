import { dirname, join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { z } from 'zod';
import type { LabConfig } from '../../lab/index.ts';
import type { Provider } from '../../runtime/index.ts';
import { integerOption, refuseFlags, setOption } from '../config/flags.ts';
import { type Override, parseConfig } from '../config/parse.ts';
import { fromWorkingFolder } from '../config/paths.ts';
import { count, createProgress, type Progress } from '../progress.ts';
import type { CommandContext } from './command.ts';

interface TrainFlags {
  readonly output?: string;
  readonly threads?: number;
  readonly provider?: Provider;
  readonly only?: string;
  readonly set?: readonly Override[];
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const help = `
A lab plants duplicates and template families into a picture set and trains two models on it, the twins A and
B: alike in all, but each has seen one half of the planted items. What A repeats and B does not, A has
memorized; B's half are A's true negatives. docs/lab.md says what every key of the config means.

A config with kind: ddpm trains models without captions instead: target, on planted duplicates among others,
deduplicated, without them, and shadow models on halves of the pictures, for verbatim extract and verbatim
membership (docs/lab-ddpm.md).

Checkpoints lie in OUTPUT/work: the same command goes on where it was interrupted, and ends with the same
weights.

Example:
  verbatim lab train models/lab.yaml --output runs/lab
  verbatim lab train examples/cifar10-ddpm/lab.yaml --set source.path=train.parquet`;

export function define(context: CommandContext): Command {
  const lab = new Command('lab').description(
    'Trains models whose truth is known, to measure attacks on them.',
  );
  lab
    .command('train')
    .description(
      'Draws the planted set, trains the twins, measures them and writes them as diffusers folders.',
    )
    .argument('<config>', 'a lab config (YAML)')
    .option('-o, --output <folder>', 'where models, truth and log go (default: runs/lab-NAME)')
    .addOption(integerOption('--threads <n>', 'threads (default: the number of cores)', 1))
    .addOption(
      new Option('--provider <name>', 'what runs the training')
        .choices(['cpu', 'webgpu', 'cuda'])
        .default('cpu'),
    )
    .addOption(setOption('any key of the config; repeatable: --set training.steps=2000'))
    .option(
      '--only <names>',
      'of a lab of kind ddpm: train these models alone, e.g. target,shadow-00; shadows: all of those',
    )
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print lab.json on stdout')
    .addHelpText('after', help)
    .action(async (target: string, flags: TrainFlags) => train(target, flags, context));
  lab
    .command('export')
    .description(
      "Writes a twin's training set as files, repeats written out: an img2dataset folder, as a curator would have it.",
    )
    .argument('<config>', 'a lab config (YAML)')
    .addOption(new Option('--twin <name>', 'whose training set').choices(['A', 'B']).default('A'))
    .option('-o, --output <folder>', 'where it goes', 'runs/training-set')
    .option('-q, --quiet', 'no progress')
    .addHelpText('after', exportHelp)
    .action(async (target: string, flags: ExportFlags) => exportSet(target, flags, context));
  return lab;
}

interface ExportFlags {
  readonly twin: 'A' | 'B';
  readonly output: string;
  readonly quiet?: boolean;
}

const exportHelp = `
Example: find the planted duplicates, and audit the twin with them:
  verbatim lab export models/lab.yaml --twin A --output runs/set-a
  verbatim dedup runs/set-a --output runs/dedup-a --top 200`;

async function exportSet(target: string, flags: ExportFlags, { signal }: CommandContext): Promise<void> {
  const { openLabConfig } = await import('../open.ts');
  const { trainingEntries, writeImg2dataset } = await import('../../datasets/index.ts');
  const set = await openLabConfig(target);
  const { pictureIndices, captionIndices, captions } = trainingEntries(set, flags.twin);
  const progress = createProgress({ stream: process.stderr, quiet: flags.quiet ?? false });
  const rows = Array.from(pictureIndices, (picture, i) => ({
    caption: captions[captionIndices[i]!]!,
    picture: () => set.picture(picture),
  }));
  try {
    await writeImg2dataset(flags.output, `${set.digest} ${flags.twin}`, rows, {
      signal,
      onProgress: (done, total) =>
        progress.update({ stage: 'export', done, total, resumed: 0, failed: 0, evaluations: 0 }),
    });
  } finally {
    progress.end();
  }
  process.stdout.write(`${flags.output}: ${count(rows.length)} pictures as an img2dataset folder\n`);
}

async function train(target: string, flags: TrainFlags, context: CommandContext): Promise<void> {
  const { ddpmLabConfigSchema, ddpmPaths, labConfigSchema, labPaths, trainDdpmLab, trainLab } = await import(
    '../../lab/index.ts'
  );
  const { writeFileAtomic } = await import('../../tables/index.ts');
  const { stringify } = await import('yaml');
  const { readText } = await import('../config/read.ts');
  const overrides = fromWorkingFolder(flags.set ?? [], ['source.path']);
  const text = await readText(target, 'lab config');
  const parse = <S extends z.ZodType>(schema: S) => parseConfig(schema, text, target, overrides);
  const { kind } = parse(z.looseObject({ kind: z.enum(['twins', 'ddpm']).default('twins') }));
  const progress = createProgress({ stream: process.stderr, quiet: flags.quiet ?? false });
  const folderOf = (name: string) => flags.output ?? join('runs', `lab-${name}`);
  const options = (name: string) => ({
    folder: folderOf(name),
    signal: context.signal,
    ...(flags.threads !== undefined && { threads: flags.threads }),
    ...(flags.provider !== undefined && { provider: flags.provider }),
    onProgress: trainingProgress(progress),
    onNote: (line: string) => progress.note(line),
  });
  const base = dirname(resolve(target));
  // The config with every default written out: an audit of these models names that file as its data.
  const finish = async (path: string, config: unknown, log: unknown, made: string) => {
    progress.end();
    await writeFileAtomic(path, stringify(config));
    process.stdout.write(flags.json ? `${JSON.stringify(log, null, 2)}\n` : `${made}\n`);
  };
  if (kind === 'ddpm') {
    const config = withAbsolutePath(parse(ddpmLabConfigSchema), base);
    const folder = folderOf(config.name);
    const only = flags.only?.split(',').filter((name) => name !== '');
    const log = await trainDdpmLab(config, { ...options(config.name), ...(only && { only }) });
    const count = Object.keys(log.networks).length;
    await finish(
      ddpmPaths(folder).config,
      config,
      log,
      `${folder}: ${count} models, training, held-out, members.parquet, lab.json`,
    );
    return;
  }
  refuseFlags(flags, { only: 'goes with a lab of kind ddpm' });
  const config = withAbsolutePath(parse(labConfigSchema), base);
  const folder = folderOf(config.name);
  const log = await trainLab(config, options(config.name));
  await finish(labPaths(folder).config, config, log, `${folder}: twins, truth.parquet, lab.json`);
}

/** Photographs lie where the config says, seen from the config's own folder. */
function withAbsolutePath<C extends Pick<LabConfig, 'source'>>(config: C, base: string): C {
  const { source } = config;
  if (source.format === 'scenes') return config;
  return { ...config, source: { ...source, path: resolve(base, source.path) } };
}

/** Models train side by side: one line speaks of all of a kind. */
function trainingProgress(progress: Progress) {
  const family = (work: string) => {
    if (/^twin-[ab]$/.test(work)) return 'twins';
    return ['vae', 'classifier'].includes(work) ? work : 'models';
  };
  const running = new Map<string, { step: number; steps: number; loss: number; first: number }>();
  return (work: string, { step, steps, loss }: { step: number; steps: number; loss: number }): void => {
    const stage = family(work);
    for (const name of running.keys()) if (family(name) !== stage) running.delete(name);
    running.set(work, { step, steps, loss, first: running.get(work)?.first ?? step - 1 });
    const works = [...running.values()];
    const sum = (key: 'step' | 'steps' | 'first') => works.reduce((total, one) => total + one[key], 0);
    progress.update({
      stage,
      done: sum('step'),
      total: sum('steps'),
      resumed: sum('first'),
      failed: 0,
      evaluations: 0,
      detail: `loss ${works.map((one) => one.loss.toFixed(4)).join(', ')}`,
    });
  };
}
