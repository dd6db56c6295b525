import { join } from 'node:path';
import { Command } from 'commander';
import { packageRoot } from '../package.ts';
import { type AuditFlags, addAuditFlags, audit } from './audit.ts';
import type { CommandContext } from './command.ts';

export function define(context: CommandContext): Command {
  const command = new Command('demo').description(
    'Audits the miniature that comes with this package over its training set, in runs/demo, and writes a ' +
      'report. The truth is known, so the report says what was missed and what was wrong. Takes a few minutes.',
  );
  return addAuditFlags(command)
    .addHelpText(
      'after',
      '\nExample:\n  verbatim demo      then open runs/demo/report/index.html in a browser',
    )
    .action(async (flags: AuditFlags) => {
      const output = flags.output ?? join('runs', 'demo');
      const config = join(packageRoot, 'models', 'demo.yaml');
      context.exit(await audit(config, { ...flags, output }, context.signal));
    });
}
