import { Command } from 'commander';
import { addConfigFlags, type ConfigFlags, configOverrides } from '../config/flags.ts';
import type { CommandContext } from './command.ts';

export function define(context: CommandContext): Command {
  const command = new Command('label')
    .description(
      "Compares a run's generated pictures with the training set: tables/labels, one row per picture and " +
        'rule. The stages before it are run when they are missing, and the report is written.',
    )
    .argument('<target>', 'a run folder, or an audit config (YAML)');
  return addConfigFlags(command)
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print summary.json on stdout')
    .addHelpText('after', '\nExample:\n  verbatim label runs/audit')
    .action(async (target: string, flags: ConfigFlags & { quiet?: boolean; json?: boolean }) => {
      const { loadAuditConfig } = await import('../config/load.ts');
      const config = await loadAuditConfig(target, configOverrides(flags));
      const { auditCommand } = await import('../audit-run.ts');
      context.exit(await auditCommand(config, { ...flags, until: 'labels', signal: context.signal }));
    });
}
