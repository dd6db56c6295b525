import { VerbatimError } from '../../errors.ts';
import { mirror } from '../../images/index.ts';
import { rmsOf } from '../../labels/index.ts';
import { openRowFiles } from '../../search/index.ts';
import { readTable } from '../../tables/index.ts';
import { runTable } from '../run-folder.ts';
import { errorText, rethrowFatal, runStage } from '../stage.ts';
import { extractGenerationColumns, type NeighbourRow, neighbourColumns } from './columns.ts';
import { generationShards } from './generations.ts';
import { perPass, picturesPath, picturesTogether, pixelsOf, valuesOf } from './pictures.ts';
import type { TrainingSet } from './training.ts';
import type { ExtractInput } from './types.ts';

/** What was compared: a picture's pixels, or why there are none. */
interface Asked {
  readonly item: number;
  readonly data: Uint8Array | string;
}

/**
 * The normalised distance of Carlini et al. (2023, §5.1): ℓ2(x̂, x) / (α · mean over y ∈ S of ℓ2(x̂, y)), with x the training
 * picture nearest to the generated one x̂, and S the n distinct training pictures nearest to x̂, x among them. S belongs to the generated
 * picture, not to x: it says how near any picture would lie that looks like x̂. Between 0 and 1/α; below 1 (α = .5) x̂ is
 * less than half as far from x as from its surroundings.
 */
export function normalisedDistance(distances: readonly number[], alpha: number) {
  const background = distances.reduce((sum, distance) => sum + distance, 0) / distances.length;
  return { distance: distances[0]!, background, normalised: distances[0]! / (alpha * background) };
}

/** Compares generated pictures with the training set: tables/neighbours/generated. */
export async function runNeighbours(input: ExtractInput, training: TrainingSet): Promise<void> {
  const { folder, size, config, signal, onProgress } = input;
  const shards = generationShards(config);
  const together = Math.max(1, Math.floor(picturesTogether(valuesOf(size)) / config.shardSize));
  const files = await runTable(folder, 'generations');
  const groups = Array.from({ length: Math.ceil(shards.length / together) }, (_, i) =>
    shards.slice(i * together, (i + 1) * together).map((shard, j) => ({ ...shard, at: i * together + j })),
  );
  await runStage({
    folder,
    name: 'neighbours/generated',
    columns: neighbourColumns,
    shards: groups,
    items: (group) => group.reduce((sum, { from, to }) => sum + to - from, 0),
    signal,
    onProgress,
    process: async (group, { advance }) => {
      const asked: Asked[] = [];
      for (const { at } of group) asked.push(...(await readGenerations(input, files[at]!, at)));
      return compare(input, training, asked, advance);
    },
  });
}

/** The pictures of a shard of generations. */
async function readGenerations(
  { folder, size }: ExtractInput,
  table: string,
  shard: number,
): Promise<Asked[]> {
  const rows = await readTable(table, extractGenerationColumns);
  const values = valuesOf(size);
  const file = await openRowFiles([picturesPath(folder, 'generated', shard)], ['uint8']);
  try {
    const all = new Uint8Array(file.count * values);
    await file.read(0, all);
    return rows.map(({ generation, row, error }) => ({
      item: generation,
      data: row === null ? (error ?? 'no picture') : all.subarray(row * values, (row + 1) * values),
    }));
  } finally {
    await file.close();
  }
}

/**
 * Compares pictures that the model never saw with its training set, in the same way: tables/neighbours/held-out.
 *
 * @throws VerbatimError (exit code 2) where one of them is a training picture, pixel by pixel: then they are not held out
 */
export async function runHeldOut(input: ExtractInput, training: TrainingSet): Promise<void> {
  const { folder, heldOut, size, signal, onProgress } = input;
  if (heldOut === undefined) return;
  const perShard = Math.min(picturesTogether(valuesOf(size)), 2 * perPass);
  await runStage({
    folder,
    name: 'neighbours/held-out',
    columns: neighbourColumns,
    shards: Array.from({ length: Math.ceil(heldOut.size / perShard) }, (_, i) => ({
      from: i * perShard,
      to: Math.min(heldOut.size, (i + 1) * perShard),
    })),
    items: ({ from, to }) => to - from,
    signal,
    onProgress,
    process: async ({ from, to }, { advance }) => {
      const asked: Asked[] = [];
      for (let item = from; item < to; item++) {
        signal?.throwIfAborted();
        try {
          asked.push({ item, data: pixelsOf(await heldOut.picture(item), size).data });
        } catch (error) {
          rethrowFatal(error, signal);
          asked.push({ item, data: errorText(error) });
        }
      }
      const rows = await compare(input, training, asked, advance);
      const seen = rows.find(({ distance }) => distance === 0);
      if (seen !== undefined)
        throw new VerbatimError(
          `held-out picture ${seen.item} of ${heldOut.name} is training picture ${seen.training_index} of ${input.training.name}, pixel by pixel; name pictures that the model never saw`,
          { exitCode: 2 },
        );
      return rows;
    },
  });
}

async function compare(
  { config, size, signal }: ExtractInput,
  training: TrainingSet,
  asked: readonly Asked[],
  advance: (items: number) => void,
): Promise<NeighbourRow[]> {
  const rows: NeighbourRow[] = [];
  // Where pictures are mirrored too, both go through in one pass.
  const step = config.mirror ? perPass / 2 : perPass;
  for (let from = 0; from < asked.length; from += step) {
    signal?.throwIfAborted();
    const part = asked.slice(from, from + step);
    const pixels = part.flatMap(({ data }) => (typeof data === 'string' ? [] : [data]));
    const all = config.mirror ? [...pixels, ...pixels.map((data) => mirror({ ...size, data }).data)] : pixels;
    const near = await nearestOf(training, all, {
      neighbours: config.neighbours,
      alpha: config.alpha,
      signal,
    });
    let at = 0;
    for (const { item, data } of part) {
      if (typeof data === 'string') rows.push({ item, ...nothing, error: data });
      else {
        const own = near[at]!;
        const flipped = config.mirror ? near[pixels.length + at]! : undefined;
        at++;
        const mirrors = flipped !== undefined && flipped.normalised < own.normalised;
        const best = mirrors ? flipped : own;
        rows.push({ item, ...best, mirrored: config.mirror ? mirrors : null, error: null });
      }
    }
    advance(part.length);
  }
  return rows;
}

const nothing = { training_index: null, distance: null, background: null, normalised: null, mirrored: null };

/** The nearest training picture of each, by the dataset's position, with the distances. */
async function nearestOf(
  { search, rows }: TrainingSet,
  pixels: readonly Uint8Array[],
  options: { readonly neighbours: number; readonly alpha: number; readonly signal: AbortSignal | undefined },
) {
  const { neighbours, alpha, signal } = options;
  const queries = new Uint8Array(pixels.length * search.values);
  pixels.forEach((data, i) => {
    queries.set(data, i * search.values);
  });
  const found = await search.nearest(queries, neighbours, { ...(signal && { signal }) });
  return found.map((own) => ({
    training_index: rows[own[0]!.index]!.dataset_index,
    ...normalisedDistance(
      own.map(({ squared }) => rmsOf(squared, search.values)),
      alpha,
    ),
  }));
}
