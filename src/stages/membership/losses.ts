import { type LossQueries, lossesPerPicture, queryLosses } from '../../attacks/index.ts';
import { type Pipeline, seededNoise } from '../../diffusion/index.ts';
import { VerbatimError } from '../../errors.ts';
import { mirror, type Picture } from '../../images/index.ts';
import { concatBatch, type Tensor } from '../../math/index.ts';
import type { Meter } from '../../runtime/index.ts';
import { readTable } from '../../tables/index.ts';
import { type RunFolder, runTable } from '../run-folder.ts';
import { cutShards, errorText, rethrowFatal, runStage, type StageProgress } from '../stage.ts';
import { type LossRow, lossColumns, type PictureRow } from './columns.ts';
import type { OneModel } from './models.ts';

export interface LossesInput {
  readonly folder: RunFolder;
  readonly queries: LossQueries;
  /** The target first. */
  readonly models: readonly { readonly name: string; readonly folder: string; readonly shadow: boolean }[];
  readonly open: OneModel;
  readonly rows: readonly PictureRow[];
  /** A picture at the model's size. */
  readonly picture: (row: PictureRow, pipeline: Pipeline) => Promise<Picture>;
  readonly meter: Pick<Meter, 'evaluations'>;
  readonly batch: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: StageProgress) => void) | undefined;
}

/** Losses in one shard at least, which is what a kill can cost; of large runs so many more that there are about 1,000 shards. */
const fewestPerShard = 512;
const mostPerShard = 16_384;
const wantedShards = 1000;

interface LossShard {
  readonly model: LossesInput['models'][number];
  readonly rows: readonly PictureRow[];
}

/** Stage `losses`: every model over every picture that it is asked about, one model after the other. */
export async function runLosses(input: LossesInput): Promise<void> {
  const { folder, queries, models, open, meter, batch, signal, onProgress } = input;
  const each = lossesPerPicture(queries);
  const usable = input.rows.filter(({ error }) => error === null);
  const noise = seededNoise();
  const wanted = Math.ceil((models.length * usable.length * each) / wantedShards);
  const perShard = Math.min(mostPerShard, Math.max(fewestPerShard, wanted));
  const shards = models.flatMap((model): LossShard[] =>
    cutShards(
      model.shadow ? usable.filter(({ pool }) => pool !== null) : usable,
      Math.max(1, Math.floor(perShard / each)),
    ).map((rows) => ({ model, rows })),
  );
  await runStage({
    folder,
    name: 'losses',
    columns: lossColumns,
    shards,
    items: ({ rows }) => rows.length * each,
    meter,
    signal,
    onProgress,
    process: async ({ model, rows }, { advance }) => {
      if (rows.length === 0) return [];
      const pipeline = await open.use(model.folder);
      const of = async (some: readonly PictureRow[]) => {
        let told = 0;
        const onBatch = (losses: number) => {
          told += losses;
          advance(losses);
        };
        try {
          const pictures: Picture[] = [];
          for (const row of some) pictures.push(await input.picture(row, pipeline));
          const found = await queryLosses(
            pipeline.denoiser,
            await encodeInBatches(pipeline, pictures, batch),
            queries.flips ? await encodeInBatches(pipeline, pictures.map(mirror), batch) : undefined,
            await pipeline.encodeText(some.map((row) => captionFor(pipeline, row))),
            { queries, noise, batch, signal, onBatch },
          );
          return some.flatMap((row, i) =>
            lossRows(model.name, row, queries, found.subarray(i * each, (i + 1) * each)),
          );
        } catch (error) {
          // What is computed once more is not told twice.
          advance(-told);
          throw error;
        }
      };
      try {
        return await of(rows);
      } catch (error) {
        rethrowFatal(error, signal);
        // One by one, so that a bad caption or picture costs its own rows only.
        const parts: LossRow[][] = [];
        for (const row of rows)
          parts.push(
            await of([row]).catch((reason: unknown) => {
              rethrowFatal(reason, signal);
              return lossRows(model.name, row, queries, errorText(reason));
            }),
          );
        if (parts.flat().every((row) => row.error !== null)) throw error;
        return parts.flat();
      }
    },
  });
}

/** Unconditional models take no caption, whatever the dataset says. */
export function captionFor({ conditions }: Pick<Pipeline, 'conditions'>, row: PictureRow): string {
  return conditions === 'none' ? '' : row.caption;
}

/** Latents in stretches: an encoder's memory grows with what it is given at once. */
export async function encodeInBatches(
  pipeline: Pipeline,
  pictures: readonly Picture[],
  batch: number,
): Promise<Tensor<'float32'>> {
  const parts: Tensor<'float32'>[] = [];
  for (let from = 0; from < pictures.length; from += batch)
    parts.push(await pipeline.encode(pictures.slice(from, from + batch)));
  return concatBatch(parts);
}

export const notANumber = 'the loss is not a number; the model has overflowed or its weights are damaged';

/** The rows of one picture, in the order of `queryLosses`; a text says why there are none. */
function lossRows(
  model: string,
  { picture }: PictureRow,
  { timesteps, draws, flips }: LossQueries,
  found: Float64Array | string,
): LossRow[] {
  return timesteps.flatMap((timestep, t) =>
    (flips ? [false, true] : [false]).flatMap((flip, side) =>
      Array.from({ length: draws }, (_, draw): LossRow => {
        const at = (t * (flips ? 2 : 1) + side) * draws + draw;
        const loss = typeof found === 'string' ? Number.NaN : found[at]!;
        const error = typeof found === 'string' ? found : Number.isFinite(loss) ? null : notANumber;
        // A loss that is no number was asked for all the same.
        const evaluations = typeof found === 'string' ? 0 : 1;
        return {
          model,
          picture,
          timestep,
          flip,
          draw,
          loss: error === null ? loss : null,
          evaluations,
          error,
        };
      }),
    ),
  );
}

/**
 * The table of losses, dense: model → [pictures × lossesPerPicture], NaN where there is none, and the evaluations of the whole table.
 * Shard after shard.
 *
 * @param targets those of the models that are attacked
 * @throws VerbatimError where no loss of one of them is a number
 */
export async function readLosses(
  folder: RunFolder,
  models: readonly string[],
  pictures: number,
  queries: LossQueries,
  targets: readonly string[],
): Promise<{ losses: ReadonlyMap<string, Float64Array>; evaluations: number }> {
  const each = lossesPerPicture(queries);
  const { timesteps, draws, flips } = queries;
  const place = new Map(timesteps.map((timestep, t) => [timestep, t]));
  const dense = new Map(models.map((name) => [name, new Float64Array(pictures * each).fill(Number.NaN)]));
  let evaluations = 0;
  for (const path of await runTable(folder, 'losses'))
    for (const row of await readTable(path, lossColumns)) {
      const { model, picture, timestep, flip, draw, loss } = row;
      evaluations += row.evaluations;
      const at = (place.get(timestep)! * (flips ? 2 : 1) + (flip ? 1 : 0)) * draws + draw;
      if (loss !== null) dense.get(model)![picture * each + at] = loss;
    }
  const mute = targets.find((target) => dense.get(target)!.every(Number.isNaN));
  if (mute !== undefined)
    throw new VerbatimError(
      `${mute}: no loss is a number; the model has overflowed or its weights are damaged`,
    );
  return { losses: dense, evaluations };
}
