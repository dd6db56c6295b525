import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { SamplerName } from '../../diffusion/index.ts';
import { VerbatimError } from '../../errors.ts';
import type { Precision } from '../../graph/index.ts';
import type { NoiseSource } from '../../noise/index.ts';
import type { Provider } from '../../runtime/index.ts';
import type { RecordedFindings, VerificationOutcome } from '../../stages/index.ts';
import {
  integerOption,
  numberOption,
  precisionOption,
  providerOption,
  refuseFlags,
  samplerOption,
} from '../config/flags.ts';
import { exitCodes } from '../exit-codes.ts';
import { openAuditModel } from '../open.ts';
import { decidingVersions, packageVersion } from '../package.ts';
import { count, createProgress } from '../progress.ts';
import type { CommandContext } from './command.ts';

interface VerifyFlags {
  readonly model?: string;
  readonly tokenizer?: string;
  readonly output: string;
  readonly images?: string;
  readonly steps?: readonly number[];
  readonly samples?: number;
  readonly sampler?: SamplerName;
  readonly guidance?: number;
  readonly noise?: NoiseSource;
  readonly limit?: number;
  readonly batch: number;
  readonly threads?: number;
  readonly provider: Provider | 'auto';
  readonly precision?: Precision;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const noises = ['torch-cpu', 'torch-cuda'] satisfies NoiseSource[];

const help = `
FILE is a run folder or any file in one (report/summary.json, report/index.html), or a ground-truth table as
Webster 2023 publishes it (Parquet: caption, url, overfit_type, gen_seeds, retrieved_urls).

Of a run, each finding is made again from its recorded seed, steps, guidance, sampler and noise; it reproduces when the
new picture is within the rule's threshold of the training picture. Nothing but the run folder and the model is needed.
Of a table, --images names the folder of its pictures (nothing is downloaded); without it pictures are only made. What a
table does not record is as in the reference unless flags say otherwise: 16 heun steps, guidance 7.5, noise torch-cuda, and
where a row names no seeds the first two.

With --steps 1,2,4 each finding is made with these numbers of steps instead, and the first is told at which it is
verbatim.

Examples:
  verbatim verify runs/demo
  verbatim verify runs/demo --steps 1,2,4,8,16,32 -o runs/sweep
  verbatim verify sdv1_bb_edge_groundtruth.parquet --model stable-diffusion-v1-5 --images pictures/ --samples 4

Exit codes: 0 every finding reproduces, 1 some do not or could not be judged, 2 wrong usage, 130 interrupted. With
--steps, and for a table without --images, 0 when every picture could be made.`;

export function define(context: CommandContext): Command {
  return new Command('verify')
    .description('Makes the pictures of findings again, and says whether they are still verbatim.')
    .argument('<file>', 'a run folder, a file in one, or a ground-truth table (Parquet)')
    .option('--model <path>', "the model (default for a run: the run's own)")
    .option('--tokenizer <folder>', "CLIP's vocabulary, for a single-file checkpoint")
    .option('-o, --output <folder>', 'where pictures and tables go', 'runs/verify')
    .option('--images <folder>', 'of a table: its pictures, named by hash or row or listed (docs/verify.md)')
    .addOption(stepsOption())
    .addOption(integerOption('--samples <n>', 'of a table: seeds where a row names none (2)', 1))
    .addOption(samplerOption('of a table (heun)'))
    .addOption(numberOption('--guidance <scale>', 'of a table (7.5)'))
    .addOption(new Option('--noise <name>', 'of a table (torch-cuda)').choices(noises))
    .addOption(integerOption('--limit <n>', 'only the first n findings', 1))
    .addOption(integerOption('--batch <n>', 'pictures made together', 1).default(16))
    .addOption(integerOption('--threads <n>', 'default: the number of cores', 1))
    .addOption(providerOption('what runs the model').default('cpu'))
    .addOption(precisionOption())
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print JSON on stdout')
    .addHelpText('after', help)
    .action(async (file: string, flags: VerifyFlags) => {
      context.exit(await verify(file, flags, context.signal));
    });
}

/** `--steps 1,2,4`: distinct, ascending. */
function stepsOption(): Option {
  return new Option('--steps <list>', 'numbers of steps to try: 1,2,4,8').argParser((text) => {
    const steps = text.split(',').map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : Number.NaN));
    if (!steps.every((step) => step >= 1 && step <= 1000))
      throw new InvalidArgumentError('Expected whole numbers from 1 to 1000, as in 1,2,4,8.');
    return [...new Set(steps)].sort((a, b) => a - b);
  });
}

async function verify(file: string, flags: VerifyFlags, signal: AbortSignal): Promise<number> {
  const { verificationOutcome, verifyFindings } = await import('../../stages/index.ts');
  const run = await runOf(file);
  const { findings, model, digest, elsewhere } =
    run === undefined ? await ofTable(file, flags) : await ofRun(run, flags);
  // Of a table one number of steps stands for what it does not record.
  const swept = (flags.steps?.length ?? 0) > (run === undefined ? 1 : 0);
  const progress = createProgress({ stream: process.stderr, quiet: flags.quiet ?? false });
  const { pipeline, meter } = await openAuditModel({ ...flags, model }, signal);
  try {
    progress.note(`model    ${pipeline.name} ${pipeline.digest.slice(0, 12)}`);
    if (elsewhere !== undefined)
      progress.note(`warning  the pictures came from ${elsewhere}; this model need not reproduce them`);
    else if (digest !== undefined && digest !== pipeline.digest)
      progress.note(`warning  the findings are of another model, ${digest.slice(0, 12)}`);
    const { folder, rows } = await verifyFindings({
      findings,
      pipeline,
      meter,
      output: flags.output,
      ...(swept && { steps: flags.steps! }),
      batch: flags.batch,
      verbatim: packageVersion(),
      versions: decidingVersions(),
      signal,
      onProgress: progress.update,
    });
    progress.end();
    const outcome = verificationOutcome(rows);
    const { writeJsonAtomic } = await import('../../tables/index.ts');
    await writeJsonAtomic(join(folder.path, 'summary.json'), outcome);
    const { writeVerifyReport } = await import('../../reports/index.ts');
    const { page } = await writeVerifyReport(folder, outcome, rows);
    if (flags.json === true) process.stdout.write(`${JSON.stringify(outcome, undefined, 2)}\n`);
    else process.stdout.write(`${outcomeText(outcome, swept, folder.tables)}report   ${page}\n`);
    const failures = rows.flatMap(({ finding, error }) => (error === null ? [] : [`${finding}: ${error}`]));
    if (failures.length > 0)
      process.stderr.write(
        `verbatim: ${failures.length} of ${rows.length} pictures could not be made or judged; the first, ${failures[0]}\n`,
      );
    const made = failures.length === 0;
    const compared = run !== undefined || flags.images !== undefined;
    if (swept || !compared) return made ? exitCodes.fine : exitCodes.failed;
    return outcome.failed + outcome.unjudged === 0 ? exitCodes.fine : exitCodes.failed;
  } finally {
    progress.end();
    await pipeline.close();
  }
}

function outcomeText(outcome: VerificationOutcome, swept: boolean, tables: string): string {
  const lines: string[] = [];
  const { findings, reproduced, failed, unjudged, pictures, equal, largestRms } = outcome;
  if (swept) {
    for (const { finding, caption, firstSteps } of findings)
      lines.push(
        `${firstSteps === null ? 'never' : `${firstSteps} steps`.padEnd(5)}  ${JSON.stringify(finding)}  ${JSON.stringify(caption)}`,
      );
    for (const { steps, verbatim, judged } of outcome.bySteps)
      lines.push(`steps    ${String(steps).padStart(4)}  ${count(verbatim)} of ${count(judged)} verbatim`);
  } else {
    for (const one of findings)
      lines.push(
        `${one.reproduces === null ? 'unjudged' : one.reproduces ? 'yes' : 'no'}  ${one.verdict}  ${(one.distance === null ? '-' : one.distance.toPrecision(4)).padStart(8)}  ${JSON.stringify(one.finding)}  ${JSON.stringify(one.caption)}`,
      );
    lines.push(
      `verified ${count(reproduced)} of ${count(findings.length)} findings reproduce, ${count(failed)} do not, ${count(unjudged)} could not be judged`,
    );
    if (largestRms !== null)
      lines.push(
        `pictures ${count(equal)} of ${count(pictures)} equal the recorded ones; largest RMS ${largestRms.toPrecision(3)}`,
      );
  }
  lines.push(`table    ${tables}`);
  return `${lines.join('\n')}\n`;
}

interface Source {
  readonly findings: RecordedFindings;
  readonly model: string;
  /** Of the model that the findings are of, where it is known. */
  readonly digest?: string;
  /** Where the pictures came from, in words, where it was no model of this machine. */
  readonly elsewhere?: string;
}

/** The run folder that a path is or lies in; undefined for a table elsewhere. */
async function runOf(file: string): Promise<string | undefined> {
  const exists = (path: string) =>
    stat(path).then(
      () => true,
      () => false,
    );
  if (!(await exists(file)))
    throw new VerbatimError(`${file}: no such file; give a run folder or a ground-truth table`, {
      exitCode: 2,
    });
  // Deepest: tables/scores/1/00000.parquet.
  let folder = file;
  for (let up = 0; up <= 4; up += 1) {
    if (await exists(join(folder, 'run.json'))) return folder;
    if (resolve(folder) === dirname(resolve(folder))) break;
    folder = up === 0 ? dirname(resolve(folder)) : dirname(folder);
  }
  if ((await stat(file)).isDirectory())
    throw new VerbatimError(`${file} is not a run folder: it has no run.json`, { exitCode: 2 });
  return undefined;
}

async function ofRun(run: string, flags: VerifyFlags): Promise<Source> {
  const reason = "goes with a ground-truth table; a run's findings record their own";
  refuseFlags(flags, { images: reason, samples: reason, sampler: reason, guidance: reason, noise: reason });
  const { recordedFindings } = await import('../../reports/index.ts');
  const { readRun } = await import('../../stages/index.ts');
  const { config, model } = await readRun(run);
  const path = flags.model ?? config['model'];
  const elsewhere = sourceOf(config['generator']);
  if (path === undefined && elsewhere !== undefined)
    throw new VerbatimError(
      `${run}: the pictures came from ${elsewhere}, so there is no model to make them again; a local copy of the checkpoint may be tried with --model, but need not reproduce them`,
      { exitCode: 2 },
    );
  if (typeof path !== 'string')
    throw new VerbatimError(`${run} names no model; give it with --model`, { exitCode: 2 });
  const findings = await recordedFindings(run);
  const pictures = findings.pictures.slice(0, flags.limit);
  if (pictures.length === 0)
    throw new VerbatimError(`${run} has no findings; there is nothing to verify`, { exitCode: 2 });
  return {
    findings: { ...findings, pictures },
    model: path,
    digest: model.digest,
    ...(elsewhere !== undefined && { elsewhere }),
  };
}

/** A config's generator in words; undefined where there is none. */
function sourceOf(generator: unknown): string | undefined {
  if (typeof generator !== 'object' || generator === null) return undefined;
  const { kind } = generator as { readonly kind?: unknown };
  return kind === 'folder' ? 'a folder of pictures' : `a service (generator.kind ${String(kind)})`;
}

async function ofTable(file: string, flags: VerifyFlags): Promise<Source> {
  if (flags.model === undefined)
    throw new VerbatimError('a ground-truth table names no model; give it with --model', { exitCode: 2 });
  const { groundTruthFindings, openSourcePictures } = await import('../../stages/index.ts');
  const { samples = 2, sampler = 'heun', guidance = 7.5, noise = 'torch-cuda', images, limit } = flags;
  const [only, ...others] = flags.steps ?? [];
  const findings = await groundTruthFindings(file, {
    // One number is what the table does not record; several are a sweep.
    steps: others.length === 0 ? (only ?? 16) : 16,
    samples,
    sampler,
    guidance,
    noise,
    ...(limit !== undefined && { limit }),
    ...(images !== undefined && { pictures: await openSourcePictures(images) }),
  });
  return { findings, model: flags.model };
}
