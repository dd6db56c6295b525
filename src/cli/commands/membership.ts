import { Command, Option } from 'commander';
import type { MembershipOptions, MembershipOutcome, MembershipSource } from '../../stages/index.ts';
import {
  datasetSpec,
  integerOption,
  numberOption,
  precisionOption,
  providerOption,
  samplerOption,
  setOption,
} from '../config/flags.ts';
import { type MembershipFlags, refuseMixed, resampleOption, timestepsOption } from '../membership-flags.ts';
import { openAuditModel } from '../open.ts';
import { requireOutside } from '../outside.ts';
import { decidingVersions, packageVersion } from '../package.ts';
import { count, createProgress } from '../progress.ts';
import type { CommandContext } from './command.ts';

const help = `
Says how well somebody who has the model can tell pictures that it was trained on from others (Carlini et al. 2023).

What it is measured on, one of
  --lab FOLDER                      a lab folder: training/, held-out/, members.parquet, models/. The other shadow-… models are the
                                    shadows of the target, which may be one of them: --target shadow-00
  --model M --members D --non-members D   any model and two datasets; with --shadows LAB the shadows of a lab, where the pictures
                                    are of its pool (found by their pixels)

Attacks
  loss        (default) the denoising loss at --timesteps: a threshold for all pictures, and with shadows the likelihood-ratio
              attack, offline and online; each with one noise draw, averaged over --noise draws, and with --flips mirrored too
  inpainting  a region is masked and completed --completions times; those that the model is surest of are compared with the picture

Examples:
  verbatim membership --lab runs/lab-photographs --flips
  verbatim membership --lab runs/lab-photographs --each-shadow -o runs/membership-shadows
  verbatim membership --model sd-finetuned --members train/ --non-members held-out/ --fit
  verbatim membership --lab runs/lab-photographs --attack inpainting --mask left-half --limit 50 -o runs/inpainting

Exit codes: 0 measured, 1 failed, 2 wrong usage, 130 interrupted; the same command goes on.`;

export function define(context: CommandContext): Command {
  return new Command('membership')
    .description(
      'Measures membership inference: can pictures be told from those that a model was trained on?',
    )
    .option('--lab <folder>', 'a lab folder with a pool, its models and what each was trained on')
    .option('--target <name>', 'of a lab: the model that is attacked (target)')
    .option(
      '--each-shadow',
      'of a lab: every shadow model is the target in turn, with the others as its shadows',
    )
    .option('--loss-only', 'of a lab: no shadow models')
    .option('--model <path>', 'a model of your own')
    .option('--tokenizer <folder>', "CLIP's vocabulary, for a single-file checkpoint")
    .option('--members <dataset>', 'of a model: pictures that it was trained on')
    .option('--non-members <dataset>', 'of a model: pictures that it never saw')
    .option('--format <name>', 'the format of both datasets (default: found by looking)')
    .addOption(setOption('an option of the format of both datasets; repeatable'))
    .option('--no-captions', 'of a model: the empty caption for all pictures')
    .option('--shadows <lab>', 'of a model: a lab folder whose pool holds the pictures')
    .addOption(
      new Option('--attack <name>', 'what is measured').choices(['loss', 'inpainting']).default('loss'),
    )
    .addOption(timestepsOption())
    .addOption(
      integerOption('--noise <draws>', 'noise draws per picture and timestep (8; of inpainting 4)', 1),
    )
    .option('--flips', 'ask about mirrored pictures too: for models that were trained on them')
    .option(
      '--mask <region>',
      'inpainting: left-half, …, x,y,w,h as shares, or a PNG, white is completed (left-half)',
    )
    .addOption(integerOption('--completions <n>', 'inpainting: completions per picture (32)', 2))
    .addOption(
      integerOption('--keep <n>', 'inpainting: those of the lowest loss (10, a third where that is less)', 1),
    )
    .addOption(integerOption('--steps <n>', 'inpainting: steps of a completion (20)', 1))
    .addOption(samplerOption('inpainting (ddim)'))
    .addOption(numberOption('--guidance <scale>', "inpainting (the model's own)"))
    .addOption(resampleOption())
    .option('--fit', "resize and crop pictures that have another size than the model's")
    .addOption(integerOption('--limit <n>', 'at most so many members and as many non-members', 1))
    .addOption(integerOption('--seed <n>', 'draws the pictures where a limit cuts them', 0).default(0))
    .option('-o, --output <folder>', 'where tables and the report go', 'runs/membership')
    .addOption(integerOption('--batch <n>', 'samples computed together', 1).default(16))
    .addOption(integerOption('--threads <n>', 'default: the number of cores', 1))
    .addOption(providerOption('what runs the model').default('cpu'))
    .addOption(precisionOption())
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print summary.json on stdout')
    .addHelpText('after', help)
    .action(async (flags: MembershipFlags) => membership(flags, context.signal));
}

async function membership(flags: MembershipFlags, signal: AbortSignal): Promise<void> {
  refuseMixed(flags);
  for (const read of [flags.members, flags.nonMembers])
    if (read !== undefined) await requireOutside(read, flags.output);
  const { runMembership } = await import('../../stages/index.ts');
  const { createMeter } = await import('../../runtime/index.ts');
  const progress = createProgress({ stream: process.stderr, quiet: flags.quiet ?? false });
  const meter = createMeter();
  const source = await openSource(flags);
  try {
    progress.note(`target   ${targetText(source)}`);
    await warnOfFlips(flags, progress.note);
    const result = await runMembership({
      source,
      queries: {
        timesteps: flags.timesteps,
        draws: flags.noise ?? (flags.attack === 'inpainting' ? 4 : 8),
        flips: flags.flips ?? false,
      },
      ...(flags.attack === 'inpainting' && { inpainting: await inpaintingOf(flags) }),
      open: async (model) => (await openAuditModel({ ...flags, model }, signal, meter)).pipeline,
      meter,
      output: flags.output,
      fit: flags.fit ?? false,
      limit: flags.limit,
      seed: flags.seed,
      batch: flags.batch,
      provider: flags.provider,
      precision: flags.precision ?? 'float32',
      verbatim: packageVersion(),
      versions: decidingVersions(),
      signal,
      onProgress: progress.update,
    });
    progress.end();
    const { verdictText, writeMembershipReport } = await import('../../reports/index.ts');
    const { page } = await writeMembershipReport(result);
    const { outcome, folder } = result;
    if (flags.json === true) process.stdout.write(`${JSON.stringify(outcome, undefined, 2)}\n`);
    else
      process.stdout.write(
        `${outcomeText(outcome)}${verdictText(outcome)}\ntable    ${folder.tables}\nreport   ${page}\n`,
      );
    if (outcome.failed > 0)
      process.stderr.write(
        `verbatim: ${count(outcome.failed)} pictures were left out; the first, ${outcome.firstFailure}\n`,
      );
  } finally {
    progress.end();
    await source.close();
  }
}

async function openSource(flags: MembershipFlags): Promise<MembershipSource> {
  const { datasetSource, labSource, openMembershipLab, shadowsSource } = await import(
    '../../stages/index.ts'
  );
  if (flags.lab !== undefined)
    return flags.eachShadow
      ? shadowsSource(flags.lab)
      : labSource(flags.lab, flags.target ?? 'target', {
          lossOnly: flags.lossOnly === true || flags.attack === 'inpainting',
        });
  const { openDataset } = await import('../../datasets/index.ts');
  const members = await openDataset(datasetSpec(flags.members!, flags));
  const opened: { close(): Promise<void> }[] = [members];
  try {
    const nonMembers = await openDataset(datasetSpec(flags.nonMembers!, flags));
    opened.push(nonMembers);
    const lab = flags.shadows === undefined ? undefined : await openMembershipLab(flags.shadows);
    if (lab !== undefined) opened.push(lab.pool);
    return await datasetSource({
      model: flags.model!,
      members,
      nonMembers,
      captions: flags.captions,
      ...(lab !== undefined && { lab }),
    });
  } catch (error) {
    await Promise.all(opened.map((one) => one.close()));
    throw error;
  }
}

async function inpaintingOf(flags: MembershipFlags): Promise<NonNullable<MembershipOptions['inpainting']>> {
  const { readMask } = await import('../../stages/index.ts');
  const { refuseGuidance } = await import('../../diffusion/index.ts');
  const { mask = 'left-half', completions = 32 } = flags;
  return async ({ name, conditions, pictureSize, guidance }) => {
    refuseGuidance(name, conditions, flags.guidance, '--guidance');
    return {
      ...(await readMask(mask, pictureSize)),
      completions,
      keep: flags.keep ?? Math.min(10, Math.max(1, Math.floor(completions / 3))),
      steps: flags.steps ?? 20,
      sampler: flags.sampler ?? 'ddim',
      guidance: flags.guidance ?? guidance,
      resample: flags.resample ?? { jump: 1, times: 1 },
    };
  };
}

function targetText({ target, shadows, inTurn }: MembershipSource): string {
  if (inTurn) return `each of ${count(inTurn.length)} shadow models in turn`;
  return `${target.name}${shadows.length > 0 ? ` and ${count(shadows.length)} shadows` : ', no shadows: the loss attack alone'}`;
}

/** A lab's own config says whether its models were trained on mirrored pictures; any other folder says nothing. */
async function warnOfFlips({ lab, flips }: MembershipFlags, note: (line: string) => void): Promise<void> {
  if (lab === undefined || flips !== true) return;
  const { readDdpmLab } = await import('../../lab/index.ts');
  const config = await readDdpmLab(lab);
  if (config?.training.flips === false)
    note(
      'warning  the models of this lab were not trained on mirrored pictures (training.flips): --flips hides members there',
    );
}

function outcomeText({ attacks, members, nonMembers, targets }: MembershipOutcome): string {
  const rate = (tpr: number | null | undefined) =>
    (tpr == null ? '-' : `${(100 * tpr).toFixed(1)}%`).padStart(7);
  const lines = attacks.map(
    ({ name, auc, rates, evaluations }) =>
      `${name.padEnd(28)} ${auc === null ? '    -' : auc.toFixed(3)}  ${rates.map(({ tpr }) => rate(tpr)).join(' ')}  ${count(evaluations).padStart(10)}`,
  );
  const all = targets === 1 ? '' : ` over ${count(targets)} models`;
  return `pictures ${count(members)} members, ${count(nonMembers)} non-members${all}\n${'attack'.padEnd(28)}   AUC  TPR .1%      1%     10%  evaluations\n${lines.join('\n')}\n`;
}
