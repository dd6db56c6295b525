import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { Command } from 'commander';
import { exitCodes } from '../exit-codes.ts';
import { decidingLibraries, libraryVersion, packageVersion } from '../package.ts';
import { remedy } from '../remedies.ts';
import type { CommandContext } from './command.ts';

export function define(context: CommandContext): Command {
  return new Command('doctor')
    .description(
      'Says what runs on this machine: which providers can compute, how many threads, how much memory, ' +
        'and the versions of everything that decides results.\n\n' +
        'Each provider is tried on a small matrix product in a process of its own. Exit code 1 when not even ' +
        'the CPU works.',
    )
    .option('--json', 'print it as JSON')
    .action(async ({ json = false }: { json?: boolean }) => {
      const found = await examine();
      process.stdout.write(json ? `${JSON.stringify(found, undefined, 2)}\n` : describe(found));
      if (!found.providers.some(({ provider, works }) => provider === 'cpu' && works))
        context.exit(exitCodes.failed);
    });
}

async function examine() {
  const { probeProviders } = await import('../../runtime/index.ts');
  return {
    verbatim: packageVersion(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    threads: availableParallelism(),
    memoryBytes: { total: totalmem(), free: freemem() },
    libraries: Object.fromEntries(
      decidingLibraries.map((name) => [name, libraryVersion(name) ?? 'not installed']),
    ),
    providers: (await probeProviders()).map((probe) => ({ ...probe, remedy: remedy(probe) })),
  };
}

function describe(found: Awaited<ReturnType<typeof examine>>): string {
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const lines: (readonly [string, string])[] = [
    ['verbatim', found.verbatim],
    ['node', found.node],
    ['platform', found.platform],
    ['processor', found.processor],
    ['threads', String(found.threads)],
    ['memory', `${gib(found.memoryBytes.total)}, ${gib(found.memoryBytes.free)} free`],
    ...Object.entries(found.libraries),
    ...found.providers.flatMap(({ provider, works, detail, remedy }): (readonly [string, string])[] => [
      [`provider ${provider}`, `${works ? 'works' : 'no'}: ${detail}`],
      ...(remedy === undefined ? [] : [['', remedy] as const]),
    ]),
  ];
  return `${lines.map(([name, value]) => `${name.padEnd(18)} ${value}`).join('\n')}\n`;
}
