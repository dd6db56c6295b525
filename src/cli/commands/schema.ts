import { Argument, Command } from 'commander';
import type { CommandContext } from './command.ts';

export function define(_context: CommandContext): Command {
  return new Command('schema')
    .description(
      'Prints the JSON Schema of a config. Editors use it to complete and check: begin the file with the line\n' +
        '# yaml-language-server: $schema=audit.schema.json',
    )
    .addArgument(new Argument('<config>', 'of which config').choices(['audit', 'lab']))
    .addHelpText('after', '\nExample:\n  verbatim schema audit > audit.schema.json')
    .action(async (name: 'audit' | 'lab') => {
      process.stdout.write(await schemaText(name));
    });
}

/** The text of schema/<name>.schema.json. */
export async function schemaText(name: 'audit' | 'lab'): Promise<string> {
  const { configJsonSchema } = await import('../config/schema.ts');
  const schema =
    name === 'audit'
      ? (await import('../../stages/index.ts')).auditConfigSchema
      : (await import('../../lab/index.ts')).anyLabConfigSchema;
  return `${JSON.stringify(configJsonSchema(schema, `verbatim ${name} config`), undefined, 2)}\n`;
}
