import { Command } from 'commander';
import { VerbatimError } from '../../errors.ts';
import type { Caption, Summary } from '../../reports/index.ts';
import type { ReviewRow } from '../../stages/index.ts';
import { integerOption, refuseFlags } from '../config/flags.ts';
import { foundLine } from '../found.ts';
import type { CommandContext } from './command.ts';

interface ReviewFlags {
  readonly accept?: boolean;
  readonly reject?: boolean;
  readonly reason?: string;
  readonly sample?: number;
  readonly json?: boolean;
}

const help = `
Without a key it lists the findings: state, verdict, distance, sample, key and caption, the nearest first.
With a key it adds a row to the run's tables/reviews and writes the report anew. A rejected finding is counted neither
as found nor by --fail-above, and stands in a part of its own in the report, with the reason. The newest review of a
picture counts; older ones stay in the table. Samples are numbered from 0, as in the report.

Examples:
  verbatim review runs/demo
  verbatim review runs/demo duplicate-0079-c0 --accept --reason "the same curtain, stripe by stripe"
  verbatim review runs/demo unique-000412 --sample 1 --reject --reason "both are plain sky"`;

export function define(_context: CommandContext): Command {
  return new Command('review')
    .description(
      "Lists a run's findings, or writes down that somebody looked at one and accepts or rejects it.",
    )
    .argument('<run>', 'a run folder, as in runs/demo')
    .argument('[key]', 'the key of a finding, as it is listed')
    .option('--accept', 'it is what the rule says')
    .option('--reject', 'it is not, and must not count')
    .option('--reason <text>', 'why; goes with --accept and --reject')
    .addOption(integerOption('--sample <n>', 'this sample only (default: all of the caption)', 0))
    .option('--json', 'print JSON on stdout')
    .addHelpText('after', help)
    .action(async (run: string, key: string | undefined, flags: ReviewFlags) => {
      if (key === undefined) {
        const reason = 'goes with the key of a finding';
        refuseFlags(flags, { accept: reason, reject: reason, reason, sample: reason });
        return list(run, flags);
      }
      return review(run, key, flags);
    });
}

const wrong = (message: string) => new VerbatimError(message, { exitCode: 2 });

/** The captions of a labelled run, and those that match by its deciding rule, rejected or not. */
async function readFindings(run: string): Promise<{ captions: Caption[]; findings: Caption[] }> {
  const { isFound, isRejected, joinCaptions, readReportData } = await import('../../reports/index.ts');
  const data = await readReportData(run);
  if (!data.labelled)
    throw wrong(`${run} has no labels, so there is nothing to review; run first: verbatim label ${run}`);
  const captions = joinCaptions(data);
  return { captions, findings: captions.filter((caption) => isFound(caption) || isRejected(caption)) };
}

async function list(run: string, { json = false }: ReviewFlags): Promise<void> {
  const { findings } = await readFindings(run);
  const rows = findings
    .map(({ key, caption, shown }) => {
      const { sample, verdict, picture } = shown!;
      const { review } = sample;
      return {
        key,
        sample: sample.sample,
        verdict,
        distance: picture?.distance ?? null,
        review: review?.decision ?? null,
        reason: review?.reason ?? null,
        caption,
        image: sample.image,
      };
    })
    .sort((a, b) => (a.distance ?? 0) - (b.distance ?? 0));
  if (json) {
    process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
    return;
  }
  if (rows.length === 0) process.stdout.write('nothing was found, so there is nothing to review\n');
  const states = { accept: 'accepted', reject: 'rejected', open: 'open' };
  for (const { review, verdict, distance, sample, key, caption } of rows)
    process.stdout.write(
      `${states[review ?? 'open'].padEnd(8)}  ${verdict}  ${(distance ?? 0).toPrecision(4).padStart(8)}  ${sample}  ${JSON.stringify(key)}  ${JSON.stringify(caption)}\n`,
    );
}

async function review(run: string, key: string, flags: ReviewFlags): Promise<void> {
  const { accept = false, reject = false, json = false } = flags;
  if (accept === reject) throw wrong('say one of --accept and --reject');
  const reason = (flags.reason ?? '').replace(/\s+/g, ' ').trim();
  if (reason === '')
    throw wrong('a review needs a reason, for those who read it later: --reason "what was seen"');
  const { captions, findings } = await readFindings(run);
  const row: ReviewRow = {
    key,
    sample: flags.sample ?? null,
    decision: accept ? 'accept' : 'reject',
    reason,
    image: lookedAt(run, key, flags.sample, captions, findings),
    error: null,
  };
  const { addReview, runFolder } = await import('../../stages/index.ts');
  const file = await addReview(runFolder(run), row);
  const { page, summary } = await reportAlone(run);
  if (json) process.stdout.write(`${JSON.stringify({ ...row, file }, undefined, 2)}\n`);
  else
    process.stdout.write(
      `${accept ? 'accepted' : 'rejected'} ${JSON.stringify(key)}, ${flags.sample === undefined ? 'all samples' : `sample ${flags.sample}`}\n${foundLine(summary)}\nreport   ${page}\n`,
    );
}

/** The digests of the pictures that a review is about. @throws VerbatimError (exit code 2) where there is none. */
function lookedAt(
  run: string,
  key: string,
  number: number | undefined,
  captions: readonly Caption[],
  findings: readonly Caption[],
): string {
  const listed = `the findings are listed by: verbatim review ${run}`;
  const named = JSON.stringify(key);
  if (!captions.some((caption) => caption.key === key))
    throw wrong(`${run} has no caption ${named}; ${listed}`);
  const caption = findings.find((one) => one.key === key);
  if (caption === undefined) throw wrong(`${named} is not among the findings of ${run}; ${listed}`);
  const { samples, rule } = caption;
  const matching = samples.filter(({ labels }) => ![undefined, null, 'none'].includes(labels[rule]?.verdict));
  const those = matching.map(({ sample }) => sample).join(', ');
  if (number !== undefined && !samples.some(({ sample }) => sample === number))
    throw wrong(`${named} has no sample ${number}; those that match are: ${those}`);
  // To reject what does not match would change nothing, and look as if it had.
  if (number !== undefined && !matching.some(({ sample }) => sample === number))
    throw wrong(`sample ${number} of ${named} does not match; those that do are: ${those}`);
  const images = samples.flatMap(({ sample, image }) =>
    image === null || (number !== undefined && sample !== number) ? [] : image,
  );
  return images.join(',');
}

/** Of two calls at once each writes the report when its own review is in the table, one after the other: the last has both. */
async function reportAlone(run: string): Promise<{ page: string; summary: Summary }> {
  const { writeReport } = await import('../../reports/index.ts');
  const { runFolder, waitForFolder } = await import('../../stages/index.ts');
  const release = await waitForFolder(runFolder(run).report);
  try {
    return await writeReport(run);
  } finally {
    await release();
  }
}
