import {
  type Completion,
  inpaintingScore,
  lossesPerPicture,
  membershipStatistic,
  queryLosses,
} from '../../attacks/index.ts';
import {
  guided,
  inpaint,
  type Pipeline,
  plainSigmas,
  samplerNamed,
  seededNoise,
} from '../../diffusion/index.ts';
import { encodePng, isPicture, type Mask, maskedRms, type Picture } from '../../images/index.ts';
import { gatherBatch, type Tensor } from '../../math/index.ts';
import { putFile, readTable } from '../../tables/index.ts';
import { type RunFolder, runTable } from '../run-folder.ts';
import { cutShards, errorText, rethrowFatal, runStage } from '../stage.ts';
import { type CompletionRow, completionColumns, type PictureRow } from './columns.ts';
import { captionFor, type LossesInput, notANumber } from './losses.ts';
import { filled, maskTensor } from './mask.ts';
import type { InpaintingSettings } from './types.ts';

export interface CompletionsInput extends Omit<LossesInput, 'models' | 'open'> {
  readonly pipeline: Pipeline;
  readonly settings: InpaintingSettings;
}

/** Completions in one shard: what a kill can cost. */
const completionsPerShard = 64;

/**
 * Stage `completions`: the masked region of every picture is completed so many times, from the same seeds for all pictures. Every
 * completion has its distance to the picture and the model's own loss of it. Their seeds begin behind those of the loss: a picture
 * judged by the very noise that it was made from is no fair draw.
 */
export async function runCompletions(input: CompletionsInput): Promise<void> {
  const { folder, settings, meter, signal, onProgress } = input;
  const usable = input.rows.filter(({ error }) => error === null);
  await runStage({
    folder,
    name: 'completions',
    columns: completionColumns,
    shards: cutShards(usable, Math.max(1, Math.floor(completionsPerShard / settings.completions))),
    items: (rows) => rows.length * settings.completions,
    meter,
    signal,
    onProgress,
    process: async (rows, { advance }) => {
      const all: CompletionRow[] = [];
      let failure: unknown;
      for (const row of rows) {
        const before = meter.evaluations;
        try {
          all.push(...(await completePicture(input, row, advance)));
        } catch (error) {
          rethrowFatal(error, signal);
          failure ??= error;
          all.push(...failedRows(row, settings.completions, errorText(error), meter.evaluations - before));
        }
      }
      if (all.length > 0 && all.every(({ error }) => error !== null) && failure !== undefined) throw failure;
      return all;
    },
  });
}

/** What was spent until it failed is spread over the rows in whole evaluations. */
function failedRows({ picture }: PictureRow, count: number, error: string, spent: number): CompletionRow[] {
  const rest = { loss: null, distance: null, fill: null, image: null, error };
  const share = (completion: number) => Math.floor((spent * completion) / count);
  return Array.from({ length: count }, (_, completion) => ({
    ...{ picture, completion, ...rest },
    evaluations: share(completion + 1) - share(completion),
  }));
}

/** The seed of a completion's noise: the loss draws from seeds 0 to draws − 1. */
export function completionSeed({ draws }: Pick<LossesInput['queries'], 'draws'>, completion: number): number {
  return draws + completion;
}

/** What a completion came to. */
interface Made {
  readonly made: Picture | undefined;
  readonly row: CompletionRow;
}

async function completePicture(
  input: CompletionsInput,
  row: PictureRow,
  advance: (items: number) => void,
): Promise<CompletionRow[]> {
  const { pipeline, settings, batch, signal } = input;
  const original = await input.picture(row, pipeline);
  // The region is greyed before it is encoded: an autoencoder would carry some of it into the cells around.
  const known = await pipeline.encode([greyed(original, settings.mask)]);
  const condition = await pipeline.encodeText([captionFor(pipeline, row)]);
  const unconditional = settings.guidance === 1 ? condition : await pipeline.encodeText(['']);
  const all: Made[] = [];
  for (let from = 0; from < settings.completions; from += batch) {
    signal?.throwIfAborted();
    const seeds = Array.from({ length: Math.min(batch, settings.completions - from) }, (_, i) => from + i);
    all.push(...(await completeSeeds(input, row, original, { known, condition, unconditional, seeds })));
    advance(seeds.length);
  }
  const judged = all.map(({ row: { loss, distance } }): Completion | undefined =>
    loss === null || distance === null ? undefined : { loss, distance },
  );
  const surest = inpaintingScore(judged, settings.keep, 0)?.order[0];
  if (surest === undefined) return all.map((one) => one.row);
  const image = await putFile(input.folder.images, await encodePng(all[surest]!.made!), 'png');
  return all.map((one, i) => (i === surest ? { ...one.row, image } : one.row));
}

async function completeSeeds(
  { pipeline, settings, queries, meter, batch, signal }: CompletionsInput,
  { picture }: PictureRow,
  original: Picture,
  given: {
    readonly known: Tensor<'float32'>;
    readonly condition: Tensor<'float32'>;
    readonly unconditional: Tensor<'float32'>;
    readonly seeds: readonly number[];
  },
): Promise<Made[]> {
  const { denoiser } = pipeline;
  const { known, condition, unconditional, seeds } = given;
  const fill = maskedRms(filled(original, settings.mask), original, settings.mask);
  const before = meter.evaluations;
  const noise = seededNoise();
  const noiseSeeds = seeds.map((completion) => completionSeed(queries, completion));
  let draw = 0;
  const { sample } = samplerNamed(settings.sampler);
  const each = gatherBatch(
    condition,
    seeds.map(() => 0),
  );
  const made = await inpaint(
    sample,
    guided(denoiser, each, unconditional, settings.guidance),
    known,
    maskTensor(settings.mask, denoiser.sampleShape),
    plainSigmas(denoiser.sigmas, settings.steps),
    {
      noise: () => noise(noiseSeeds, denoiser.sampleShape, draw++),
      resample: settings.resample,
      ...(signal && { signal }),
    },
  );
  const pictures = await pipeline.decode(made);
  const losses = await queryLosses(denoiser, made, undefined, condition, {
    queries,
    noise: seededNoise(),
    batch,
    signal,
  });
  const perPicture = lossesPerPicture(queries);
  const evaluations = Math.round((meter.evaluations - before) / seeds.length);
  return seeds.map((completion, i): Made => {
    const one = pictures[i]!;
    const statistic = membershipStatistic(losses.subarray(i * perPicture, (i + 1) * perPicture), queries, {
      draws: queries.draws,
      flips: false,
    });
    const base = { picture, completion, fill, image: null, evaluations };
    const failed = (error: string): Made => ({
      made: undefined,
      row: { ...base, loss: null, distance: null, error },
    });
    if (!isPicture(one)) return failed(errorText(one));
    if (!Number.isFinite(statistic)) return failed(notANumber);
    const distance = maskedRms(one, original, settings.mask);
    return { made: one, row: { ...base, loss: Math.exp(-statistic), distance, error: null } };
  });
}

/** The picture with mid-grey where the mask is set. */
function greyed({ width, height, data }: Picture, mask: Mask): Picture {
  return { width, height, data: data.map((value, i) => (mask.data[Math.floor(i / 3)] === 0 ? value : 128)) };
}

/**
 * What the completions of each picture come to, by its number, and the evaluations of the whole table. Pictures of which too few
 * completions could be judged are absent; what they cost is not.
 */
export async function readCompletions(folder: RunFolder, keep: number) {
  const rows = new Map<number, CompletionRow[]>();
  for (const row of await readTable(await runTable(folder, 'completions'), completionColumns))
    rows.set(row.picture, [...(rows.get(row.picture) ?? []), row]);
  let evaluations = 0;
  for (const list of rows.values()) for (const row of list) evaluations += row.evaluations;
  const found = new Map(
    [...rows].flatMap(([picture, list]) => {
      const score = inpaintingScore(
        list.map(({ loss, distance }) =>
          loss === null || distance === null ? undefined : { loss, distance },
        ),
        keep,
        list.find(({ fill }) => fill !== null)?.fill ?? Number.NaN,
      );
      const image = list.find((row) => row.image !== null)?.image ?? null;
      return score === undefined ? [] : [[picture, { score, image }] as const];
    }),
  );
  return { found, evaluations };
}
