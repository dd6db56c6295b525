import { Command, CommanderError } from 'commander';
import { VerbatimError } from '../errors.ts';
import { commands } from './commands/index.ts';
import { exitCodes } from './exit-codes.ts';
import { interruptible } from './interrupt.ts';
import { packageVersion } from './package.ts';

/**
 * Runs one command line and returns the exit code (see exit-codes.ts). Only the named command's file is
 * loaded, and what is heavy (ONNX Runtime, DuckDB) only when the command acts: `verbatim --help` is quick.
 *
 * @param args what stands after the program's name.
 */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const interruption = interruptible();
  let exitCode: number = exitCodes.fine;
  let afterInterruption = 'the same command goes on from here';
  const program = new Command('verbatim')
    .description('Find the training images that an image generator repeats, and prove it.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpCommand(true)
    .addHelpText('after', '\nBegin with: verbatim demo\nEach command explains itself: verbatim audit --help');
  try {
    const named = args.find((arg) => !arg.startsWith('-'));
    for (const { name, summary, load } of commands) {
      const wanted = name === named || (named === 'help' && args.includes(name));
      if (!wanted) {
        program.command(name).summary(summary).description(summary);
        continue;
      }
      const { define } = await load();
      const command = define({
        signal: interruption.signal,
        exit: (code) => {
          exitCode = code;
        },
        startsAnew: (after) => {
          afterInterruption = after;
        },
      });
      program.addCommand(command.summary(summary));
    }
    prepare(program);
    if (args.length === 0) {
      program.outputHelp();
      return exitCodes.fine;
    }
    await program.parseAsync(args as string[], { from: 'user' });
    return exitCode;
  } catch (error) {
    const interrupted = interruption.signal.aborted ? afterInterruption : undefined;
    return report(error, interrupted, innerCommands(program, args));
  } finally {
    interruption.dispose();
  }
}

/** Every command throws instead of ending the process, and says how it is used below a usage error. */
function prepare(command: Command): void {
  command.exitOverride().configureOutput({
    outputError: (text, write) => {
      write(`verbatim: ${text.replace(/^error: /, '')}${usageOf(command)}`);
    },
  });
  for (const inner of command.commands) prepare(inner);
}

function usageOf(command: Command): string {
  const names: string[] = [];
  for (let node: Command | null = command; node !== null; node = node.parent) names.unshift(node.name());
  const name = names.join(' ');
  return `usage: ${name} ${command.usage()}\n       ${name} --help says more\n`;
}

/** The commands inside of the one that is called: `verbatim lab` has `train`. */
function innerCommands(program: Command, args: readonly string[]): string[] {
  const called = program.commands.find((command) => args.includes(command.name()));
  return (called?.commands ?? []).map((command) => command.name());
}

/**
 * @param interrupted what is said after an interruption; undefined where there was none.
 * @param inner the commands inside of the one that was called.
 */
function report(error: unknown, interrupted: string | undefined, inner: readonly string[]): number {
  // Help, the version and usage errors are printed by commander itself.
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return exitCodes.fine;
    // Of a missing or misspelt subcommand it only prints the help.
    if (error.code === 'commander.help')
      process.stderr.write(`verbatim: name a command: ${inner.join(', ')}\n`);
    return exitCodes.usage;
  }
  // Whatever a library makes of it when its work is stopped: the user asked for the end.
  if (interrupted !== undefined) {
    process.stderr.write(`verbatim: interrupted; ${interrupted}\n`);
    return exitCodes.interrupted;
  }
  if (error instanceof VerbatimError) {
    process.stderr.write(`verbatim: ${error.message}\n`);
    return error.exitCode;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(
    `${text}\nverbatim: this is a defect in verbatim ${packageVersion()}, please report it with the lines above\n`,
  );
  return exitCodes.failed;
}
