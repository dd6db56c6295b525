import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { VerbatimError } from '../errors.ts';
import type { Provider } from '../runtime/index.ts';
import { integerOption, providerOption } from './config/flags.ts';

/** What the commands that take captions from the command line have in common. */
export interface CaptionFlags {
  readonly model?: string;
  readonly caption?: readonly string[];
  readonly captions?: string;
  readonly provider: Provider | 'auto';
  readonly threads?: number;
  readonly batch: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Adds `--model`, `--caption`, `--captions` and what runs them. */
export function addCaptionFlags(command: Command): Command {
  return command
    .option('--model <folder>', 'the model: a diffusers folder')
    .option('--caption <text>', 'a caption; repeatable', (text: string, before: readonly string[] = []) => [
      ...before,
      text,
    ])
    .option('--captions <file>', 'a text file with one caption per line')
    .addOption(providerOption('what runs the model').default('cpu'))
    .addOption(integerOption('--threads <n>', 'default: the number of cores', 1))
    .addOption(integerOption('--batch <n>', 'captions computed together', 1).default(16))
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print JSON on stdout');
}

/**
 * The captions that the flags name, in order: first those of `--caption`, then the file's lines (empty lines
 * are left out).
 *
 * @throws VerbatimError (exit code 2) when the model or all captions are missing.
 */
export async function readCaptions(flags: CaptionFlags): Promise<{ model: string; captions: string[] }> {
  const { model } = flags;
  if (model === undefined)
    throw new VerbatimError('give a config, a run folder, or --model with --caption', { exitCode: 2 });
  const captions = [...(flags.caption ?? [])];
  if (flags.captions !== undefined) {
    const text = await readFile(flags.captions, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new VerbatimError(
        `--captions ${flags.captions}: ${error.code === 'ENOENT' ? 'no such file' : error.message}`,
        {
          exitCode: 2,
        },
      );
    });
    captions.push(...text.split(/\r?\n/).filter((line) => line !== ''));
  }
  if (captions.length === 0)
    throw new VerbatimError('there are no captions; give --caption TEXT or --captions FILE', { exitCode: 2 });
  return { model, captions };
}
