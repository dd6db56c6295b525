import { Command } from 'commander';
import { addConfigFlags, type ConfigFlags, configOverrides } from '../config/flags.ts';
import type { CommandContext } from './command.ts';

interface LabelFlags extends ConfigFlags {
  readonly again?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const help = `
What was reviewed by hand stays.

Examples:
  verbatim label runs/audit
  verbatim label runs/audit --again --set labels.quantile=1e-4`;

export function define(context: CommandContext): Command {
  const command = new Command('label')
    .description(
      "Compares a run's generated pictures with the training set: tables/labels, one row per picture and " +
        'rule. The stages before it are run when they are missing, and the report is written.',
    )
    .argument('<target>', 'a run folder, or an audit config (YAML)');
  return addConfigFlags(command)
    .option(
      '--again',
      'make the labels anew, with other keys of "labels" if given; nothing is generated anew',
    )
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print summary.json on stdout')
    .addHelpText('after', help)
    .action(async (target: string, flags: LabelFlags) => {
      const { loadAuditConfig } = await import('../config/load.ts');
      const config = await loadAuditConfig(target, configOverrides(flags));
      const { auditCommand } = await import('../audit-run.ts');
      context.exit(await auditCommand(config, { ...flags, until: 'labels', signal: context.signal }));
    });
}
