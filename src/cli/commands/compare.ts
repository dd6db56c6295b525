import { Command } from 'commander';
import { VerbatimError } from '../../errors.ts';
import { transferText } from '../audit-models.ts';
import type { CommandContext } from './command.ts';

const help = `
The runs must be audits of the same candidates over the same dataset, of different models. What counts is each run's
deciding rule; rejected findings are left out. With --output, transfer.json and transfer.parquet are written there: a row per
caption that any model repeats, and model.

Example:
  verbatim compare runs/sd-1.4 runs/sd-2.1 runs/fine-tune -o runs/transfer`;

export function define(_context: CommandContext): Command {
  return new Command('compare')
    .description('Says what several models repeat of one list of candidates, and what they share.')
    .argument('<runs...>', 'the run folders of two audits or more')
    .option('-o, --output <folder>', 'also write the tables there')
    .option('--json', 'print JSON on stdout')
    .addHelpText('after', help)
    .action(
      async (runs: readonly string[], { output, json = false }: { output?: string; json?: boolean }) => {
        if (runs.length < 2) throw new VerbatimError('name two runs or more', { exitCode: 2 });
        const { compareRuns, writeTransfer } = await import('../../reports/index.ts');
        const transfer = await compareRuns(runs);
        if (output !== undefined) await writeTransfer(output, transfer);
        process.stdout.write(json ? `${JSON.stringify(transfer, undefined, 2)}\n` : transferText(transfer));
      },
    );
}
