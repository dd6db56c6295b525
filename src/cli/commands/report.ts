import { Command } from 'commander';
import type { CommandContext } from './command.ts';

interface ReportFlags {
  readonly json?: boolean;
  readonly beside?: readonly string[];
}

export function define(_context: CommandContext): Command {
  return new Command('report')
    .description(
      "Writes a run's report (report/index.html, which opens from disk) and report/summary.json, from the " +
        'tables that are there. An unfinished run gets a report of what it has.',
    )
    .argument('<run>', 'a run folder, as in runs/demo')
    .option('--json', 'print summary.json on stdout instead of the path of the page')
    .option(
      '--beside <run>',
      'draw what another run found for its evaluations too; repeatable',
      (path: string, before: readonly string[] = []) => [...before, path],
    )
    .addHelpText(
      'after',
      '\nExamples:\n  verbatim report runs/demo\n  verbatim report runs/budget --beside runs/demo',
    )
    .action(async (run: string, { json = false, beside = [] }: ReportFlags) => {
      const { writeReport } = await import('../../reports/index.ts');
      const { page, summary } = await writeReport(run, undefined, { beside });
      process.stdout.write(json ? `${JSON.stringify(summary, undefined, 2)}\n` : `${page}\n`);
    });
}
