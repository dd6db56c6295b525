import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import type { SamplerName } from '../../diffusion/index.ts';
import { VerbatimError } from '../../errors.ts';
import { addCaptionFlags, type CaptionFlags, readCaptions, refuseCaptions } from '../captions.ts';
import { configKeys, configOverrides, integerOption, numberOption, samplerOption } from '../config/flags.ts';
import { createProgress } from '../progress.ts';
import type { CommandContext } from './command.ts';

interface GenerateFlags extends CaptionFlags {
  readonly samples?: number;
  readonly steps?: number;
  readonly sampler?: SamplerName;
  readonly guidance?: number;
}

/** What the flags stand for with a config. `--seed` is that of the first sample, with a config or without. */
const keys = {
  ...configKeys,
  seed: 'synthesis.seed',
  samples: 'synthesis.samples',
  steps: 'synthesis.steps',
  sampler: 'synthesis.sampler',
  guidance: 'synthesis.guidance',
};

/** Written here once more, so that `--help` need not load what samples. */

const help = `
With a config or a run folder, it runs the audit up to the generated pictures, tables/generations and images/, and
prints where the tables are.
With --model and captions, it writes OUTPUT/<caption>-<sample>.png, both counted from 0, and prints their paths.
OUTPUT is "pictures"; without other flags, one picture per caption, seed 0, 16 heun steps, the model's own guidance.
With --steps 1 it is one step to the clean estimate.
The captions of a class-conditional model are its classes, by number or name; an unconditional model, or a GAN as
an ONNX file, takes none.
A picture that the model cannot make leaves the others as they are, and the exit code is 1.
The same caption and seed give the same picture as in an audit, and the same noise as torch on a CPU.

Examples:
  verbatim generate runs/audit
  verbatim generate --model models/twin-a --caption "a red bus" --samples 4 -o pictures
  verbatim generate --model ddpm-cifar10-32 --samples 64 --steps 50 --sampler ddim`;

export function define(context: CommandContext): Command {
  const command = new Command('generate')
    .description('Generates pictures.')
    .argument('[target]', 'an audit config (YAML) or a run folder')
    .addOption(integerOption('--samples <n>', 'pictures per caption (config: synthesis.samples)', 1))
    .addOption(integerOption('--steps <n>', 'sampling steps (config: synthesis.steps)', 1))
    .addOption(samplerOption('how to sample (config: synthesis.sampler)'))
    .addOption(numberOption('--guidance <scale>', '1 is unguided (config: synthesis.guidance)'));
  const seed = integerOption(
    '--seed <n>',
    'of the first sample; the next count up (config: synthesis.seed)',
    0,
  );
  return addCaptionFlags(command, seed)
    .addHelpText('after', help)
    .action(async (target: string | undefined, flags: GenerateFlags) => {
      if (target === undefined) {
        context.startsAnew(
          'the pictures that are written are whole; the same command makes all of them anew',
        );
        return generateCaptions(flags, context.signal);
      }
      refuseCaptions(flags);
      const { loadAuditConfig } = await import('../config/load.ts');
      const config = await loadAuditConfig(target, configOverrides(flags, keys));
      const { auditCommand } = await import('../audit-run.ts');
      context.exit(await auditCommand(config, { ...flags, until: 'generations', signal: context.signal }));
    });
}

async function generateCaptions(flags: GenerateFlags, signal: AbortSignal): Promise<void> {
  const task = await readCaptions(flags);
  const { captions, batch } = task;
  const { encodePng, isPicture } = await import('../../images/index.ts');
  const { explainWriteError, writeFileAtomic } = await import('../../tables/index.ts');
  const { openMaker } = await import('../maker.ts');
  const { output = 'pictures', samples = 1, seed = 0 } = flags;
  await mkdir(output, { recursive: true }).catch((error: unknown) => {
    throw explainWriteError(error, output);
  });
  const tasks = captions.flatMap((caption, c) =>
    Array.from({ length: samples }, (_, sample) => ({
      caption,
      seed: seed + sample,
      file: join(output, `${String(c).padStart(5, '0')}-${sample}.png`),
    })),
  );
  // What came of each task: where there is an error, there is no file.
  const rows: { caption: string; seed: number; file: string | null; error: string | null }[] = [];
  const progress = createProgress({ stream: process.stderr, quiet: flags.quiet ?? false });
  const maker = await openMaker(task, flags, signal);
  try {
    for (let from = 0; from < tasks.length; from += batch) {
      signal.throwIfAborted();
      const part = tasks.slice(from, from + batch);
      const made = await maker.make(part);
      for (const [i, task] of part.entries()) {
        const { picture } = made[i]!;
        const whole = isPicture(picture);
        if (whole) await writeFileAtomic(task.file, await encodePng(picture));
        rows.push(whole ? { ...task, error: null } : { ...task, file: null, error: picture.message });
      }
      progress.update({
        stage: 'generations',
        done: from + part.length,
        total: tasks.length,
        resumed: 0,
        failed: rows.filter(({ error }) => error !== null).length,
        evaluations: maker.evaluations(),
      });
    }
    progress.end();
    if (flags.json === true) process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
    else for (const { file } of rows) if (file !== null) process.stdout.write(`${file}\n`);
    const failed = rows.filter(({ error }) => error !== null);
    const [first] = failed;
    if (first !== undefined)
      throw new VerbatimError(
        `${failed.length} of ${rows.length} pictures could not be made; the first, ${JSON.stringify(first.caption.slice(0, 60))} with seed ${first.seed}: ${first.error}`,
      );
  } finally {
    progress.end();
    await maker.close();
  }
}
