import { readFile } from 'node:fs/promises';
import type { Command, Option } from 'commander';
import { VerbatimError } from '../errors.ts';
import type { Precision } from '../graph/index.ts';
import type { Provider } from '../runtime/index.ts';
import { addConfigFlags, type ConfigFlags, refuseFlags } from './config/flags.ts';

/** What the commands that take a config, or captions from the command line, have in common. */
export interface CaptionFlags extends ConfigFlags {
  readonly provider?: Provider | 'auto';
  readonly precision?: Precision;
  readonly caption?: readonly string[];
  readonly captions?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Adds the flags of a config, `--caption` and `--captions`. */
export function addCaptionFlags(command: Command, seed?: Option): Command {
  return addConfigFlags(command, seed)
    .option(
      '--caption <text>',
      'with --model: a caption; repeatable',
      (text: string, before: readonly string[] = []) => [...before, text],
    )
    .option(
      '--captions <file>',
      'with --model: a text file with one caption per line (score: or a Parquet table)',
    )
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print JSON on stdout');
}

/** Refuses captions beside a config, which has its own. @throws VerbatimError (exit code 2) */
export function refuseCaptions(flags: CaptionFlags): void {
  const reason = "goes with --model; a config's captions are those of its dataset";
  refuseFlags(flags, { caption: reason, captions: reason });
}

const onlyConfig = 'goes with a config or a run folder, not with --model and captions';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EISDIR: 'is a folder; expected a text file',
};

/** Captions from the command line, and what runs the model on them. */
export interface CaptionTask {
  readonly model: string;
  readonly tokenizer: string | undefined;
  readonly captions: readonly string[];
  readonly provider: Provider | 'auto';
  readonly precision: Precision | undefined;
  readonly batch: number;
  readonly threads: number | undefined;
}

/**
 * The captions that the flags name, in order: first those of `--caption`, then the file's lines (empty lines
 * are left out). For a model that takes none, without flags, the empty caption.
 *
 * @throws VerbatimError (exit code 2) when the model or all captions are missing, or a flag needs a config.
 */
export async function readCaptions(flags: CaptionFlags): Promise<CaptionTask> {
  const { model, tokenizer, provider = 'cpu', precision, batch = 16, threads } = flags;
  if (model === undefined)
    throw new VerbatimError('give a config, a run folder, or --model with --caption', { exitCode: 2 });
  refuseFlags(flags, { limit: onlyConfig, maxEvaluations: onlyConfig, set: onlyConfig });
  const captions = [...(flags.caption ?? [])];
  if (flags.captions !== undefined) {
    const text = await readFile(flags.captions, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new VerbatimError(`--captions ${flags.captions}: ${reasons[error.code ?? ''] ?? error.message}`, {
        exitCode: 2,
      });
    });
    captions.push(...text.split(/\r?\n/).filter((line) => line !== ''));
  }
  if (captions.length === 0) {
    const { classesInWords, conditionsOf } = await import('../diffusion/index.ts');
    const conditions = await conditionsOf(model);
    if (conditions === 'none') captions.push('');
    if (conditions === 'classes')
      throw new VerbatimError(
        `there are no captions; those of ${model} are its classes, ${await classesInWords(model)}; give --caption CLASS or --captions FILE`,
        { exitCode: 2 },
      );
  }
  if (captions.length === 0)
    throw new VerbatimError('there are no captions; give --caption TEXT or --captions FILE', { exitCode: 2 });
  return { model, tokenizer, captions, provider, precision, batch, threads };
}
