import type { Generator } from '../generators/index.ts';
import { encodePng, isPicture } from '../images/index.ts';
import { putFile } from '../tables/index.ts';
import { type CandidateRow, type GenerationRow, generationColumns } from './columns.ts';
import type { AuditConfig } from './config.ts';
import type { ModelInput } from './flow.ts';
import { type Made, makePictures, makingOf, seedOf } from './make-pictures.ts';
import { cutShards, errorText, mayEndRun, runStage, type ShardContext } from './stage.ts';

/** One picture to make. Sample -1 is the one-step picture. */
interface Task {
  readonly candidate: CandidateRow;
  readonly sample: number;
}

/**
 * Synthesizes the selected captions: tables/generations, one row per picture. Each caption has one one-step
 * picture (from the first sample's seed, where the generator can take one step) and `synthesis.samples` full ones; all
 * captions share the seeds. Returns the number of the next shard.
 *
 * @param options.samples other ones than those
 * @param options.firstShard where others of the stage stand before
 */
export async function runGenerations(
  input: ModelInput,
  selected: readonly CandidateRow[],
  options: { readonly samples?: readonly number[]; readonly firstShard?: number } = {},
): Promise<number> {
  const { config, folder, generator, signal, onProgress } = input;
  const { samples = samplesOf(generator, config), firstShard = 0 } = options;
  const { shards } = await runStage({
    folder,
    name: 'generations',
    columns: generationColumns,
    shards: cutShards(selected, captionsPerShard(config, samples.filter((sample) => sample >= 0).length)),
    firstShard,
    items: (captions) => captions.length * samples.length,
    meter: generator.meter,
    signal,
    onProgress,
    process: (captions, context) => generateShard(input, captions, samples, context),
  });
  return firstShard + shards;
}

/** Shards are counted in pictures here, in whole captions: what a kill costs stays small. */
export function captionsPerShard(
  { batch, synthesis, shardSize }: AuditConfig,
  samples = synthesis.samples,
): number {
  // A few batches of full syntheses: long enough to fill batches, short enough to be worth repeating.
  return Math.min(shardSize, Math.max(1, Math.ceil((2 * batch) / Math.max(1, samples))));
}

/**
 * One shard. Samples of one seed are made together, because they share their first unconditional call.
 * When all of the shard's calls throw, the model is at fault and the error ends the run.
 */
async function generateShard(
  input: ModelInput,
  captions: readonly CandidateRow[],
  samples: readonly number[],
  context: ShardContext,
): Promise<GenerationRow[]> {
  const { config, generator } = input;
  const tasks = samples.flatMap((sample) => captions.map((candidate) => ({ candidate, sample })));
  const rows = new Map<Task, GenerationRow>();
  const failures: unknown[] = [];
  for (const part of batches(tasks, generator.together ?? tasks.length)) {
    context.signal?.throwIfAborted();
    const made = await makePictures(
      input,
      part.map(({ candidate, sample }) => ({
        caption: candidate.caption,
        seed: seedOf(config.synthesis, sample),
      })),
      part[0]!.sample < 0 ? 1 : config.synthesis.steps,
    );
    for (const [i, task] of part.entries()) {
      const result = made[i]!;
      if ('thrown' in result) failures.push(result.thrown);
      // A service that begins without any picture is at fault as well. A model has computed what is not a number.
      else if (generator.pipeline === undefined && !isPicture(result.picture)) failures.push(result.picture);
      rows.set(task, await store(input, task, result));
    }
    context.advance(part.length);
  }
  if (tasks.length > 0 && failures.length === tasks.length && mayEndRun(generator, context))
    throw failures[0];
  // Written caption by caption: one-step first, then the samples.
  return captions.flatMap((candidate) =>
    tasks.filter((task) => task.candidate === candidate).map((task) => rows.get(task)!),
  );
}

/** Sample -1, where the generator can take one step, then the full ones. */
function samplesOf({ capabilities }: Generator, { synthesis }: AuditConfig): number[] {
  const full = Array.from({ length: synthesis.samples }, (_, sample) => sample);
  return capabilities.oneStep ? [-1, ...full] : full;
}

/** Runs of tasks with the same number of steps, at most `size` long. */
function* batches(tasks: readonly Task[], size: number): Iterable<Task[]> {
  const quick = tasks.filter(({ sample }) => sample < 0);
  const full = tasks.filter(({ sample }) => sample >= 0);
  for (const kind of [quick, full])
    for (let from = 0; from < kind.length; from += size) yield kind.slice(from, from + size);
}

/** A disk that cannot be written to is no item's fault: it ends the run. */
async function store(input: ModelInput, task: Task, made: Made): Promise<GenerationRow> {
  const row = { key: task.candidate.key, sample: task.sample, ...makingOf(input, task.sample) };
  if ('thrown' in made) return { ...row, image: null, evaluations: 0, error: errorText(made.thrown) };
  const { picture, evaluations } = made;
  if (!isPicture(picture)) return { ...row, image: null, evaluations, error: errorText(picture) };
  const image = await putFile(input.folder.images, await encodePng(picture), 'png');
  return { ...row, image, evaluations, error: null };
}
