import { Command } from 'commander';
import type { Outlier } from '../../stages/index.ts';
import { integerOption } from '../config/flags.ts';
import { count, createProgress } from '../progress.ts';
import type { CommandContext } from './command.ts';

interface OutliersFlags {
  readonly top: number;
  readonly neighbours: number;
  readonly mean?: boolean;
  readonly threads?: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const help = `
Prints CSV: rank, outlierness, position in the dataset, position of the nearest other picture, key and caption. Outlierness is
1 − similarity to the k-th nearest neighbour, by the descriptor of the index: 0 for a copy of another picture.

Examples:
  verbatim outliers runs/index --top 500 > outliers.csv
  verbatim audit audit.yaml --set candidates.outliers=runs/index --limit 500    audit the captions of those`;

export function define(context: CommandContext): Command {
  return new Command('outliers')
    .description('Lists the pictures of an index that lie farthest from all others.')
    .argument('<index>', 'what "verbatim index" made')
    .addOption(integerOption('--top <n>', 'how many', 1).default(100))
    .addOption(
      integerOption('-k, --neighbours <n>', 'to which neighbour the distance is taken', 1).default(1),
    )
    .option('--mean', 'the mean distance to the k nearest instead')
    .addOption(integerOption('--threads <n>', 'default: the number of cores', 1))
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print JSON on stdout')
    .addHelpText('after', help)
    .action((path: string, flags: OutliersFlags) => {
      context.startsAnew('nothing was printed; the same command begins anew');
      return listOutliers(path, flags, context.signal);
    });
}

async function listOutliers(path: string, flags: OutliersFlags, signal: AbortSignal): Promise<void> {
  const { openIndex, rankOutliers } = await import('../../stages/index.ts');
  const progress = createProgress({ stream: process.stderr, quiet: flags.quiet ?? false });
  try {
    const index = await openIndex(path);
    const total = index.vectors.count;
    const { rows, plain } = await rankOutliers(index, {
      neighbours: flags.neighbours,
      mean: flags.mean ?? false,
      ...(flags.threads !== undefined && { threads: flags.threads }),
      signal,
      onProgress: (share) =>
        progress.update({
          stage: 'outliers',
          done: Math.round(share * total),
          total,
          resumed: 0,
          failed: 0,
          evaluations: 0,
        }),
    });
    progress.end();
    if (index.failed > 0)
      progress.note(
        `${count(index.failed)} pictures of the dataset could not be read and are not in the index`,
      );
    if (plain > 0) progress.note(`${count(plain)} pictures are plain to the descriptor, and are left out`);
    const top = rows.slice(0, flags.top).map((row, i) => ({ rank: i + 1, ...row }));
    process.stdout.write(flags.json === true ? `${JSON.stringify(top, undefined, 2)}\n` : await csvOf(top));
  } finally {
    progress.end();
  }
}

const columns = ['dataset_index', 'nearest_index', 'key', 'caption'] as const;

async function csvOf(rows: readonly (Outlier & { readonly rank: number })[]): Promise<string> {
  const { csvText } = await import('../../reports/index.ts');
  return csvText(
    ['rank', 'outlierness', ...columns],
    rows.map((row) => [row.rank, row.outlierness, ...columns.map((name) => row[name])]),
  );
}
