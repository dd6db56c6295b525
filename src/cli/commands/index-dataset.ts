import { Command, Option } from 'commander';
import { integerOption } from '../config/flags.ts';
import { decidingVersions, packageVersion } from '../package.ts';
import { count, createProgress, problemLines } from '../progress.ts';
import type { CommandContext } from './command.ts';

interface IndexFlags {
  readonly output: string;
  readonly descriptor: string;
  readonly network?: string;
  readonly dtype: 'float32' | 'float16';
  readonly int8?: boolean;
  readonly approximate?: boolean;
  readonly shardSize: number;
  readonly threads?: number;
  readonly quiet?: boolean;
  readonly format?: string;
}

const help = `
Descriptors: pixels, phash and dhash need nothing; sscd, clip-vit-b-32, dino-vit-b-16, dinov2 and swin need
the exported network (--network FILE.onnx); any other network is described by a JSON file (docs/search.md).
A killed run goes on from its shards when the same command is given again.

Examples:
  verbatim index photographs/ --output runs/index
  verbatim index train.parquet --descriptor sscd --network sscd.onnx --dtype float16 --approximate`;

export function define(context: CommandContext): Command {
  return new Command('index')
    .description(
      'Describes every picture of a dataset, so that "verbatim search" finds the most similar ones.',
    )
    .argument('<dataset>', 'a folder or file of pictures, tars or tables; its format is found by looking')
    .option('-o, --output <folder>', 'the index folder', 'runs/index')
    .option('--format <name>', 'the format of the dataset, where looking finds another (docs/datasets.md)')
    .option('--descriptor <name>', 'what describes a picture', 'pixels')
    .option('--network <file>', 'the exported network (ONNX) of the descriptor')
    .addOption(
      new Option('--dtype <name>', 'how vectors are kept').choices(['float32', 'float16']).default('float32'),
    )
    .option('--int8', 'also keep them in 8 bits: exact search reads a quarter and finds the same')
    .option('--approximate', 'also build an approximate index (usearch), and measure what it misses')
    .addOption(integerOption('--shard-size <n>', 'pictures per shard', 1).default(4096))
    .addOption(integerOption('--threads <n>', 'default: the number of cores', 1))
    .option('-q, --quiet', 'no progress')
    .addHelpText('after', help)
    .action((dataset: string, flags: IndexFlags) => indexDataset(dataset, flags, context.signal));
}

async function indexDataset(path: string, flags: IndexFlags, signal: AbortSignal): Promise<void> {
  const { makeIndex, openIndex, makeApproximate } = await import('../../stages/index.ts');
  const { openDescriptor } = await import('../../descriptors/index.ts');
  const { openDataset } = await import('../../datasets/index.ts');
  const progress = createProgress({ stream: process.stderr, quiet: flags.quiet ?? false });
  const threads = flags.threads === undefined ? {} : { threads: flags.threads };
  const descriptor = await openDescriptor(flags.descriptor, flags.network, { ...threads, signal });
  try {
    const dataset = await openDataset({ path, ...(flags.format && { format: flags.format }) });
    try {
      progress.note(`data     ${dataset.name} (${dataset.format}), ${count(dataset.size)} pictures`);
      for (const line of problemLines(dataset.problems)) progress.note(line);
      progress.note(`by       ${descriptor.id}, ${count(descriptor.dimension)} values`);
      const { rows, failed } = await makeIndex({
        dataset,
        descriptor,
        descriptorName: flags.descriptor,
        output: flags.output,
        dtype: flags.dtype,
        int8: flags.int8 ?? false,
        shardSize: flags.shardSize,
        verbatim: packageVersion(),
        versions: decidingVersions(),
        signal,
        onProgress: progress.update,
      });
      progress.end();
      process.stdout.write(
        `indexed  ${count(rows - failed)} pictures${failed > 0 ? `, ${count(failed)} could not be read (tables/index, column error)` : ''}\n`,
      );
    } finally {
      await dataset.close();
    }
    if (flags.approximate === true) {
      const index = await openIndex(flags.output);
      const { recall, queries } = await makeApproximate(flags.output, index, {
        ...threads,
        signal,
        onProgress: progress.update,
      });
      progress.end();
      process.stdout.write(
        `approximate search finds ${(100 * recall).toFixed(1)}% of the 10 nearest of ${count(queries)} indexed pictures\n`,
      );
    }
    process.stdout.write(`index    ${flags.output}\n`);
  } finally {
    progress.end();
    await descriptor.close();
  }
}
