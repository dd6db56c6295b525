import { extname } from 'node:path';
import { Command } from 'commander';
import type { Dataset } from '../../datasets/index.ts';
import type { Level } from '../../dedup/index.ts';
import { VerbatimError } from '../../errors.ts';
import type { DedupConfig, DedupSummary } from '../../stages/index.ts';
import {
  choicesOption,
  datasetSpec,
  integerOption,
  numberOption,
  refuseFlags,
  setOption,
} from '../config/flags.ts';
import type { Override } from '../config/parse.ts';
import { requireOutside } from '../outside.ts';
import { decidingVersions, packageVersion } from '../package.ts';
import { count, createProgress, problemLines } from '../progress.ts';
import type { CommandContext } from './command.ts';

interface DedupFlags {
  readonly output: string;
  readonly format?: string;
  readonly set?: readonly Override[];
  readonly level?: string;
  readonly radius?: number;
  readonly threshold?: number;
  readonly tileRadius?: number;
  readonly tileThreshold?: number;
  readonly captionThreshold?: number;
  readonly descriptor?: string;
  readonly network?: string;
  readonly linkage?: string;
  readonly keep?: string;
  readonly families?: boolean;
  readonly top?: number;
  readonly cells?: number;
  readonly probes?: number;
  readonly shardSize?: number;
  readonly write?: string;
  readonly threads?: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const help = `
Levels, from strict to loose; several with commas:
  file        the same bytes (SHA-256; MD5 is listed too)
  perceptual  phash differs in at most --radius of 64 bits
  descriptor  cosine of at least --threshold: of a descriptor (see "verbatim index --help"), or of the dataset's own vectors
  tiles       one picture lies within a part of another: framed copies, collages
  caption     by the captions alone; used by itself
Default: file,perceptual; what the dataset has, where it holds no pictures.

Writes groups.parquet, keep.txt (keys), candidates.parquet (--top), summary.json and report/index.html into the output folder. Given
again after the dataset has grown, it describes and compares only what is new. A killed run goes on from its shards.

Examples:
  verbatim dedup laion-subset/ --output runs/dedup
  verbatim dedup train.parquet --level file,descriptor --descriptor sscd --network sscd.onnx --threshold .9
  verbatim dedup shards/ --level file,perceptual,tiles --families --top 500
  verbatim dedup captions.csv --level caption --caption-threshold .6
  verbatim dedup shards/ --keep largest --write deduplicated/     a copy of what is kept, in the same format
  verbatim audit audit.yaml --set candidates.from=runs/dedup      audit the most duplicated captions`;

export function define(context: CommandContext): Command {
  return new Command('dedup')
    .description(
      'Finds duplicates in a dataset: groups, rates, what to keep, and the captions to audit first.',
    )
    .argument('<dataset>', 'a file or folder; its format is found by looking')
    .option('-o, --output <folder>', 'where the results go', 'runs/dedup')
    .option('--format <name>', 'the format of the dataset, where looking does not find it')
    .addOption(
      setOption('an option of that format; repeatable: --set captionColumn=title (docs/datasets.md)'),
    )
    .option('--level <names>', 'how items are compared: see below')
    .addOption(integerOption('--radius <bits>', 'perceptual: bits of 64 that may differ (4)', 0))
    .addOption(numberOption('--threshold <cosine>', 'descriptor: the least cosine (.95)'))
    .addOption(
      integerOption('--tile-radius <bits>', 'tiles: bits that a part may differ in to be looked at (10)', 0),
    )
    .addOption(numberOption('--tile-threshold <r>', 'tiles: the least correlation of the pixels (.97)'))
    .addOption(
      numberOption('--caption-threshold <share>', 'caption: the least share of common words (1: the same)'),
    )
    .option('--descriptor <name>', 'what describes a picture (pixels)')
    .option('--network <file>', 'the exported network (ONNX) of the descriptor')
    .addOption(
      choicesOption(
        '--linkage <name>',
        'single: chains of pairs make a group; complete: every pair of a group is alike (single)',
        ['single', 'complete'],
      ),
    )
    .addOption(
      choicesOption('--keep <rule>', 'what stays of a group (largest)', [
        'first',
        'largest',
        'centroid',
        'semdedup',
      ]),
    )
    .option('--families', 'also look for template-like families: the same but for a region')
    .addOption(integerOption('--top <n>', 'how many of the most duplicated captions are listed (1000)', 0))
    .addOption(integerOption('--cells <n>', 'descriptor: k-means cells (by the number of vectors)', 1))
    .addOption(integerOption('--probes <n>', 'descriptor: cells looked into for each vector at most (31)', 1))
    .addOption(integerOption('--shard-size <n>', 'items per shard (4096)', 1))
    .option('--write <path>', 'also write a copy of what is kept, in the format of the dataset')
    .addOption(integerOption('--threads <n>', 'default: the number of cores', 1))
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print summary.json on stdout')
    .addHelpText('after', help)
    .action((dataset: string, flags: DedupFlags) => dedup(dataset, flags, context.signal));
}

async function dedup(path: string, flags: DedupFlags, signal: AbortSignal): Promise<void> {
  const { findDuplicates, levelsFor } = await import('../../stages/index.ts');
  const { openDescriptor } = await import('../../descriptors/index.ts');
  const { openDataset } = await import('../../datasets/index.ts');
  const { writeDedupReport } = await import('../../reports/index.ts');
  const config = await configOf(flags);
  const write = await placeOfCopy(path, flags.write);
  await requireOutside(path, flags.output);
  const progress = createProgress({ stream: process.stderr, quiet: flags.quiet ?? false });
  const dataset = await openDataset(datasetSpec(path, flags));
  const threads = flags.threads === undefined ? {} : { threads: flags.threads };
  try {
    progress.note(
      `data     ${dataset.name}: ${dataset.format}, ${count(dataset.size)} rows in ${count(dataset.shards.length)} shards`,
    );
    for (const line of problemLines(dataset.problems)) progress.note(line);
    const levels = levelsFor(dataset, config);
    refuseUnused(flags, levels, dataset);
    const wanted = levels.includes('descriptor') && dataset.embeddings === undefined;
    const descriptor = wanted
      ? await openDescriptor(config.descriptor, flags.network, { ...threads, signal })
      : undefined;
    try {
      const summary = await findDuplicates({
        dataset,
        config,
        descriptor,
        output: flags.output,
        ...(write !== undefined && { write }),
        verbatim: packageVersion(),
        versions: decidingVersions(),
        ...threads,
        signal,
        onOpen: ({ resumed, joined, left }) => {
          progress.note(`folder   ${flags.output}${resumed ? ', going on with it' : ''}`);
          if (resumed && joined > 0) progress.note(`new      ${count(joined)} shards`);
          if (left > 0)
            progress.note(
              `gone     ${count(left)} shards changed or are no longer there; their items count no more`,
            );
        },
        onProgress: progress.update,
      });
      progress.end();
      const { page } = await writeDedupReport(flags.output, dataset, { signal });
      if (write !== undefined) progress.note(`written  ${count(summary.kept)} rows to ${write}`);
      process.stdout.write(
        flags.json === true
          ? `${JSON.stringify(summary, undefined, 2)}\n`
          : `${sentences(summary)}report   ${page}\n`,
      );
    } finally {
      await descriptor?.close();
    }
  } finally {
    progress.end();
    await dataset.close();
  }
}

async function configOf(flags: DedupFlags): Promise<DedupConfig> {
  const { parseFlags } = await import('../config/flags.ts');
  const { dedupConfigSchema } = await import('../../stages/index.ts');
  const { level, output, format, set, network, write, threads, quiet, json, ...rest } = flags;
  const levels = level?.split(',').map((name) => name.trim());
  const known = dedupConfigSchema.shape.levels.unwrap().element.options;
  for (const name of levels ?? [])
    if (!(known as readonly string[]).includes(name))
      throw new VerbatimError(`--level: there is no level "${name}"; the levels are ${known.join(', ')}`, {
        exitCode: 2,
      });
  return parseFlags(dedupConfigSchema, { ...rest, ...(levels && { levels }) }, { levels: '--level' });
}

/** A copy of a file has its ending, by which it is recognised. */
async function placeOfCopy(dataset: string, write: string | undefined): Promise<string | undefined> {
  if (write === undefined || extname(write) !== '') return write;
  const { isFile } = await import('../../tables/index.ts');
  return (await isFile(dataset)) ? `${write}${extname(dataset)}` : write;
}

/** Flags of levels that are not compared. @throws VerbatimError (exit code 2) */
function refuseUnused(flags: DedupFlags, used: readonly Level[], { embeddings, hasPictures }: Dataset): void {
  const of: readonly (readonly [Level, readonly (keyof DedupFlags)[]])[] = [
    ['perceptual', ['radius']],
    ['descriptor', ['threshold', 'descriptor', 'network', 'cells', 'probes']],
    ['tiles', ['tileRadius', 'tileThreshold']],
    ['caption', ['captionThreshold']],
  ];
  for (const [level, names] of of)
    if (!used.includes(level)) {
      const reason = `goes with level ${level}, and ${used.join(', ')} ${used.length === 1 ? 'is' : 'are'} compared; add it to --level`;
      refuseFlags(flags, Object.fromEntries(names.map((name) => [name, reason])));
    }
  if (embeddings !== undefined) {
    const reason = 'describes pictures, and this dataset brings vectors of its own';
    refuseFlags(flags, { descriptor: reason, network: reason });
  }
  if (!hasPictures && flags.families === true)
    refuseFlags(flags, { families: 'looks at pictures, and this dataset has none' });
}

/** What was found, for people. */
function sentences(summary: DedupSummary): string {
  const { items, failed, skipped, groups, grouped, kept, removed, modalities, candidates, families, parts } =
    summary;
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
  const lost = skipped.reduce((sum, { rows }) => sum + (rows ?? 0), 0);
  const lines = [
    `groups   ${count(groups)}, holding ${count(grouped)} of ${count(items)} items (${percent(items === 0 ? 0 : grouped / items)})`,
    `captions ${count(modalities['image-and-text'].groups)} groups with one caption, ${count(modalities.mixed.groups)} mixed, ${count(modalities['image-only'].groups)} with a caption for each item`,
    `keep     ${count(kept)} items, ${count(removed)} go`,
  ];
  if (parts > 0) lines.push(`parts    ${count(parts)} times a picture lies within another`);
  if (families !== null) lines.push(`families ${count(families)} template-like`);
  lines.push(`top      ${count(candidates)} duplicated captions`);
  if (failed > 0) lines.push(`failed   ${count(failed)} rows could not be read (tables/items, column error)`);
  if (skipped.length > 0)
    lines.push(
      `skipped  ${count(skipped.length)} parts of the dataset${lost > 0 ? `, ${count(lost)} rows` : ''} (summary.json)`,
    );
  return `${lines.join('\n')}\n`;
}
