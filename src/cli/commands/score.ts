import { Command } from 'commander';
import { VerbatimError } from '../../errors.ts';
import type { NoiseSource } from '../../noise/index.ts';
import type { AttackConfig } from '../../stages/index.ts';
import { addCaptionFlags, type CaptionFlags, readCaptions, refuseCaptions } from '../captions.ts';
import { choicesOption, configOverrides, refuseFlags } from '../config/flags.ts';
import { parseConfig } from '../config/parse.ts';
import { exitCodes } from '../exit-codes.ts';
import { decidingVersions, packageVersion } from '../package.ts';
import { createProgress } from '../progress.ts';
import type { CommandContext } from './command.ts';

interface ScoreFlags extends CaptionFlags {
  readonly attack?: readonly string[];
  readonly compare?: string;
  readonly noise?: NoiseSource;
}

const help = `
With a config or a run folder, it runs the audit up to the scores, and prints where the tables are:
tables/candidates, scores and selections. It stops before a step of cliques, which generates pictures.
With --model and captions, it prints their scores. Higher means more likely memorized; scores of different
attacks, models or noise levels cannot be compared. Where the model's outputs are not finite there is no score, and
the exit code is 1.
With --model and a Parquet file of captions (column caption, as published tables have it), it writes a copy of the table
to the folder of --output (runs/scores), with all its columns and the scores; --compare COLUMN also prints how alike it
ranks the captions as a column that is there already (Spearman). A killed run goes on.

Examples:
  verbatim score audit.yaml
  verbatim score --model models/twin-a --attack dcs --attack seed-variance --caption "a red bus"
  verbatim score --model models/twin-a --attack "{attack: seed-variance, options: {sigma: 5}}" --captions captions.txt --json
  verbatim score --model stable-diffusion-v1-5 --captions membership_attack_top30k.parquet --noise torch-cuda`;

export function define(context: CommandContext): Command {
  const command = new Command('score')
    .description('Scores captions with attacks, without generating pictures.')
    .argument('[target]', 'an audit config (YAML) or a run folder')
    .option('--attack <name>', 'with --model: an attack as in a config; repeatable (default: dcs)', collect)
    .option('--compare <column>', 'with a Parquet file of captions: a column of scores to compare with')
    .addOption(
      choicesOption('--noise <name>', 'with a Parquet file of captions: whose noise (torch-cpu)', [
        'torch-cpu',
        'torch-cuda',
      ] satisfies NoiseSource[]),
    );
  return addCaptionFlags(command)
    .addHelpText('after', help)
    .action(async (target: string | undefined, flags: ScoreFlags) => {
      const table = target === undefined && flags.captions !== undefined && isParquet(flags.captions);
      if (table) return context.exit(await scoreParquet(flags, flags.captions!, context.signal));
      const reason = 'goes with --model and a Parquet file of captions';
      refuseFlags(flags, { compare: reason, noise: reason });
      if (target === undefined) {
        context.startsAnew('no scores were printed; the same command begins anew');
        return context.exit(await scoreCaptions(flags, context.signal));
      }
      refuseFlags(flags, {
        attack: 'goes with --model and captions; for a config use --set alsoScore=[NAME]',
      });
      refuseCaptions(flags);
      const { loadAuditConfig } = await import('../config/load.ts');
      const config = await loadAuditConfig(target, configOverrides(flags));
      const { auditCommand } = await import('../audit-run.ts');
      context.exit(await auditCommand(config, { ...flags, until: 'scores', signal: context.signal }));
    });
}

function isParquet(path: string): boolean {
  return path.toLowerCase().endsWith('.parquet');
}

function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** An attack as it is typed: a name, or {attack, as, options} in YAML. @throws VerbatimError (exit code 2) */
async function parseAttack(text: string): Promise<AttackConfig> {
  const { attackSchema } = await import('../../stages/index.ts');
  const { parse } = await import('yaml');
  const { z } = await import('zod');
  const origin = `--attack ${text}`;
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    throw new VerbatimError(`${origin}: bad YAML; give a name or {attack, as, options}`, {
      exitCode: 2,
      cause,
    });
  }
  const schema = z.strictObject({ attack: attackSchema });
  return parseConfig(schema, '', origin, [{ path: ['attack'], value, origin }]).attack;
}

async function scoreCaptions(flags: ScoreFlags, signal: AbortSignal): Promise<number> {
  const reason = 'goes with a config or a run folder; scores are printed, and draw nothing';
  refuseFlags(flags, { output: reason, seed: reason });
  const task = await readCaptions(flags);
  const { captions } = task;
  const { farNoiseWarning, nameAttacks, notFinite } = await import('../../stages/index.ts');
  const { auditNoise } = await import('../../generators/index.ts');
  const { createSubject, scoreAll } = await import('../../attacks/index.ts');
  const all = nameAttacks(await Promise.all((flags.attack ?? ['dcs']).map(parseAttack)));
  const progress = createProgress({ stream: process.stderr, quiet: flags.quiet ?? false });
  const { openAuditModel } = await import('../open.ts');
  const { pipeline, meter } = await openAuditModel(task, signal);
  try {
    const warning = farNoiseWarning(pipeline.denoiser.sigmaMax, all);
    if (warning !== undefined) progress.note(`warning  ${warning}`);
    const { scores } = await scoreAll(
      createSubject(pipeline, { noise: auditNoise }),
      captions,
      all.map(({ attack }) => attack),
      {
        batch: task.batch,
        signal,
        onBatch: (done) =>
          progress.update({
            stage: 'scores',
            done,
            total: captions.length,
            resumed: 0,
            failed: 0,
            evaluations: meter.evaluations,
          }),
      },
    );
    progress.end();
    const rows = captions.flatMap((caption, c) =>
      all.map(({ label }, a) => {
        const { score, evaluations } = scores[a]![c]!;
        const error = Number.isFinite(score) ? null : notFinite;
        return { caption, attack: label, score: error === null ? score : null, evaluations, error };
      }),
    );
    if (flags.json === true) process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
    else
      for (const { caption, attack, score, evaluations } of rows)
        if (score !== null)
          process.stdout.write(
            `${score.toPrecision(6).padStart(12)}  ${attack.padEnd(18)} ${evaluations}  ${JSON.stringify(caption)}\n`,
          );
    const failed = rows.filter(({ error }) => error !== null);
    const [worst] = failed;
    if (worst === undefined) return exitCodes.fine;
    process.stderr.write(
      `verbatim: ${failed.length} of ${rows.length} scores could not be had; the first, ${worst.attack} of ${JSON.stringify(worst.caption.slice(0, 60))}: ${worst.error}\n`,
    );
    return exitCodes.failed;
  } finally {
    progress.end();
    await pipeline.close();
  }
}

async function scoreParquet(flags: ScoreFlags, file: string, signal: AbortSignal): Promise<number> {
  const {
    model,
    tokenizer,
    provider = 'cpu',
    precision,
    batch = 16,
    threads,
    output = 'runs/scores',
  } = flags;
  if (model === undefined) throw new VerbatimError('give the model with --model', { exitCode: 2 });
  const reason = 'does not go with a Parquet file of captions';
  refuseFlags(flags, { caption: reason, limit: reason, maxEvaluations: reason, set: reason, seed: reason });
  const { farNoiseWarning, nameAttacks, scoreTable } = await import('../../stages/index.ts');
  const all = nameAttacks(await Promise.all((flags.attack ?? ['dcs']).map(parseAttack)));
  const progress = createProgress({ stream: process.stderr, quiet: flags.quiet ?? false });
  const { openAuditModel } = await import('../open.ts');
  const { pipeline, meter } = await openAuditModel(
    { model, tokenizer, provider, precision, batch, threads },
    signal,
  );
  try {
    const warning = farNoiseWarning(pipeline.denoiser.sigmaMax, all);
    if (warning !== undefined) progress.note(`warning  ${warning}`);
    const scored = await scoreTable({
      file,
      attacks: all,
      noise: flags.noise ?? 'torch-cpu',
      pipeline,
      meter,
      output,
      compare: flags.compare,
      batch,
      shardSize: Math.max(batch, 256),
      verbatim: packageVersion(),
      versions: decidingVersions(),
      signal,
      onProgress: progress.update,
    });
    progress.end();
    if (flags.json === true) process.stdout.write(`${JSON.stringify(scored, undefined, 2)}\n`);
    else {
      for (const { column, spearman, compared } of scored.added)
        if (flags.compare !== undefined) {
          const value = spearman?.toFixed(4) ?? 'none: a column is constant, or has no numbers';
          const over = compared < scored.rows ? `  n=${compared}` : '';
          process.stdout.write(`spearman ${value}${over}  ${column} and ${flags.compare}\n`);
        }
      process.stdout.write(`${scored.path}\n`);
    }
    if (scored.failed === 0) return exitCodes.fine;
    process.stderr.write(`verbatim: ${scored.failed} scores could not be had; tables/scores says why\n`);
    return exitCodes.failed;
  } finally {
    progress.end();
    await pipeline.close();
  }
}
