import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { integerOption } from '../config/flags.ts';
import { parseConfig } from '../config/parse.ts';
import { createProgress } from '../progress.ts';
import type { CommandContext } from './index.ts';

interface TrainFlags {
  readonly output?: string;
  readonly threads?: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const help = `
A lab plants duplicates and template families into a picture set and trains two models on it, the twins A and
B: alike in all, but each has seen one half of the planted items. What A repeats and B does not, A has
memorized; B's half are A's true negatives. docs/lab.md says what every key of the config means.

Checkpoints lie in OUTPUT/work: the same command goes on where it was interrupted, and ends with the same
weights.

Example:
  verbatim lab train models/lab.yaml --output runs/lab`;

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
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print lab.json on stdout')
    .addHelpText('after', help)
    .action(async (target: string, flags: TrainFlags) => train(target, flags, context));
  return lab;
}

async function train(target: string, flags: TrainFlags, context: CommandContext): Promise<void> {
  const { labConfigSchema, trainLab } = await import('../../lab/index.ts');
  const { readText } = await import('../open.ts');
  const text = await readText(target, 'lab config');
  const config = parseConfig(labConfigSchema, text, target);
  const folder = flags.output ?? join('runs', `lab-${config.name}`);
  const progress = createProgress({ stream: process.stderr, quiet: flags.quiet ?? false });
  // Twins train side by side: one line speaks of both.
  const running = new Map<string, { step: number; steps: number; loss: number; first: number }>();
  const log = await trainLab(config, {
    folder,
    base: dirname(resolve(target)),
    signal: context.signal,
    ...(flags.threads !== undefined && { threads: flags.threads }),
    onProgress(work, { step, steps, loss }) {
      const stage = work.replace(/-[ab]$/, 's');
      for (const name of running.keys()) if (name.replace(/-[ab]$/, 's') !== stage) running.delete(name);
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
        detail: [...running]
          .map(([name, one]) => `loss ${one.loss.toFixed(4)}${works.length > 1 ? ` (${name})` : ''}`)
          .join(', '),
      });
    },
    onNote: (line) => progress.note(line),
  });
  progress.end();
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'lab.yaml'), await readFile(target));
  process.stdout.write(
    flags.json ? `${JSON.stringify(log, null, 2)}\n` : `${folder}: twins, truth.parquet, lab.json\n`,
  );
}
