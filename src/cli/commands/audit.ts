import { Command } from 'commander';
import { addConfigFlags, type ConfigFlags, configOverrides, integerOption } from '../config/flags.ts';
import type { CommandContext } from './command.ts';

export interface AuditFlags extends ConfigFlags {
  readonly failAbove?: number;
  readonly dryRun?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const help = `
The flow: every caption is scored by the first step of the cascade; the best go on to the next; what the last one keeps
is synthesized in full; each picture is compared with the training set; a report is written. A killed run
goes on where it was when the same command is given again, and ends with the same bytes.

A config:
  model: models/twin-a                 # a diffusers folder; paths are taken from the config's folder
  dataset:
    format: lab                        # or image-folder, parquet, …: docs/cli.md lists every key
    path: models/lab.yaml
    twin: A
  cascade:                             # the cheapest first
    - { attack: dcs, keep: 500 }
    - { attack: ecs, keep: 100 }
  alsoScore: [seed-variance]           # for comparison
  synthesis: { steps: 16, samples: 4 }
  output: runs/audit

Examples:
  verbatim audit audit.yaml
  verbatim audit audit.yaml --dry-run                   what would it cost?
  verbatim audit audit.yaml --limit 1000 -o runs/quick  a part of it, elsewhere
  verbatim audit audit.yaml --budget 20000              what can be found for so many evaluations?
  verbatim audit audit.yaml --set cascade.0.keep=200 --set synthesis.samples=8
  verbatim audit audit.yaml --fail-above 0 --json       for CI: exit code 100 when anything is found
  verbatim audit runs/audit                             go on with a run

Exit codes: 0 fine, 1 failed, 2 wrong usage or config, 100 more found than --fail-above, 130 interrupted.
Every key: verbatim schema audit > audit.schema.json; an editor then completes a config that begins with
  # yaml-language-server: $schema=audit.schema.json`;

export function define(context: CommandContext): Command {
  const command = new Command('audit')
    .description('Finds the training images that a model repeats, and writes a report with the evidence.')
    .argument('<config>', 'a config file (YAML), or the run folder of an audit to go on with');
  return addAuditFlags(command)
    .option(
      '--format <name>',
      'the format of the dataset, where looking finds another (config: dataset.format)',
    )
    .addHelpText('after', help)
    .action(async (target: string, flags: AuditFlags) => {
      context.exit(await audit(target, flags, context.signal));
    });
}

/** The flags of `audit`, which `demo` shares. */
export function addAuditFlags(command: Command): Command {
  return addConfigFlags(command)
    .addOption(
      integerOption('--budget <evaluations>', 'spend so many where they find most (config: budget)', 1),
    )
    .addOption(integerOption('--fail-above <n>', 'exit code 100 when more than n images are found', 0))
    .option('--dry-run', 'print what it may cost, and stop')
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print summary.json on stdout');
}

/** Runs an audit from its config file or run folder; returns the exit code. */
export async function audit(target: string, flags: AuditFlags, signal: AbortSignal): Promise<number> {
  const { loadAuditConfig } = await import('../config/load.ts');
  const config = await loadAuditConfig(target, configOverrides(flags));
  if (config.alsoModels.length > 0) {
    const { auditModels } = await import('../audit-models.ts');
    return auditModels(config, { ...flags, signal });
  }
  const { auditCommand } = await import('../audit-run.ts');
  return auditCommand(config, { ...flags, signal });
}
