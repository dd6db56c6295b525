import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { VerbatimError } from '../../errors.ts';
import { integerOption } from '../config/flags.ts';
import { count, createProgress } from '../progress.ts';
import type { CommandContext } from './command.ts';

interface SearchFlags {
  readonly index: string;
  readonly neighbours: number;
  readonly descriptor?: string;
  readonly network?: string;
  readonly approximate?: boolean;
  readonly threads?: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const help = `
Prints similarity, position in the dataset, key and caption of each neighbour, the most similar first. 1 means equal for
the descriptor; of a hash of d bits, 1 − 2h/d for h differing bits. A picture that cannot be read is said on stderr
and the exit code is 1.

Examples:
  verbatim search sample.png --index runs/index
  verbatim search samples/*.png --index runs/index -k 3 --json`;

export function define(context: CommandContext): Command {
  return new Command('search')
    .description('Finds the pictures of an index that are most similar to the given ones.')
    .argument('<image...>', 'picture files')
    .requiredOption('--index <folder>', 'what "verbatim index" made')
    .addOption(integerOption('-k, --neighbours <n>', 'how many for each picture', 1).default(10))
    .option('--descriptor <name>', "the index's descriptor, where its description (JSON) has moved")
    .option('--network <file>', "the exported network (ONNX) of the index's descriptor")
    .option('--approximate', 'ask the approximate index: faster on large collections, misses some')
    .addOption(integerOption('--threads <n>', 'default: the number of cores', 1))
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print JSON on stdout')
    .addHelpText('after', help)
    .action(async (images: string[], flags: SearchFlags) => {
      context.startsAnew('nothing was printed; the same command begins anew');
      if ((await searchImages(images, flags, context.signal)) > 0) context.exit(1);
    });
}

/** Returns how many pictures could not be read. */
async function searchImages(
  images: readonly string[],
  flags: SearchFlags,
  signal: AbortSignal,
): Promise<number> {
  const { openIndex, requireDescriptor } = await import('../../stages/index.ts');
  const { openDescriptor, vectorsOf } = await import('../../descriptors/index.ts');
  const { openApproximateSearch, openExactSearch } = await import('../../search/index.ts');
  const { decodePicture } = await import('../../images/index.ts');
  const progress = createProgress({ stream: process.stderr, quiet: flags.quiet ?? false });
  const threads = flags.threads === undefined ? {} : { threads: flags.threads };
  const index = await openIndex(flags.index);
  const { pictures, vectors, failed, description } = index;
  const descriptor = await openDescriptor(flags.descriptor ?? description.model.name, flags.network, {
    ...threads,
    signal,
  });
  try {
    requireDescriptor(flags.index, index, descriptor);
    if (failed > 0)
      progress.note(`${count(failed)} pictures of the dataset could not be read and are not in the index`);
    const read: { image: string; vector: Float32Array }[] = [];
    for (const image of images) {
      signal.throwIfAborted();
      try {
        const picture = await decodePicture(await readFile(image), { where: image });
        read.push({ image, vector: await vectorsOf(descriptor, [picture]) });
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === undefined && !(error instanceof VerbatimError)) throw error;
        progress.end();
        const reason = code === 'ENOENT' ? `${image}: no such file` : (error as Error).message;
        process.stderr.write(`verbatim: ${reason}\n`);
      }
    }
    const queries = new Float32Array(read.length * descriptor.dimension);
    read.forEach(({ vector }, i) => {
      queries.set(vector, i * descriptor.dimension);
    });
    const search =
      flags.approximate === true
        ? await openApproximateSearch(join(flags.index, 'approximate.usearch'), vectors)
        : await openExactSearch(vectors, { ...threads, signal });
    const found = await search.search(queries, flags.neighbours, {
      signal,
      onProgress: (share) =>
        progress.update({
          stage: 'search',
          done: Math.round(share * vectors.count),
          total: vectors.count,
          resumed: 0,
          failed: 0,
          evaluations: 0,
        }),
    });
    progress.end();
    await search.close();
    const rows = read.map(({ image }, i) => ({
      image,
      neighbours: found[i]!.map(({ index: at, similarity }) => {
        const { dataset_index, key, caption } = pictures[at]!;
        return { similarity, dataset_index, key, caption };
      }),
    }));
    if (flags.json === true) process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
    else
      for (const { image, neighbours } of rows) {
        process.stdout.write(`${image}\n`);
        for (const { similarity, dataset_index, key, caption } of neighbours)
          process.stdout.write(
            `  ${similarity.toFixed(4).padStart(7)}  ${String(dataset_index).padStart(8)}  ${JSON.stringify(key)}  ${JSON.stringify(caption)}\n`,
          );
      }
    return images.length - read.length;
  } finally {
    progress.end();
    await descriptor.close();
  }
}
