import type { DatasetRow } from '../../datasets/index.ts';
import { VerbatimError } from '../../errors.ts';
import { type ByteSearch, openByteSearch } from '../../search/index.ts';
import { readTable } from '../../tables/index.ts';
import { runTable } from '../run-folder.ts';
import { errorText, rethrowFatal, runStage } from '../stage.ts';
import { type TrainingRow, trainingColumns } from './columns.ts';
import { picturesPath, picturesTogether, pixelsOf, valuesOf, writePictures } from './pictures.ts';
import type { ExtractInput } from './types.ts';

/** The training set, ready to be compared with. */
export interface TrainingSet {
  readonly search: ByteSearch;
  /** Of each distinct picture the first row of the dataset that has it. */
  readonly rows: readonly TrainingRow[];
  /** Of each how often it stands in the training set: by the dataset's own column, else the rows with the same pixels. */
  readonly copies: readonly number[];
  readonly unreadable: number;
  close(): Promise<void>;
}

/**
 * Decodes every training picture once: tables/training, and beside it the distinct pictures as they are compared. Those
 * with the same pixels count once: many copies of one picture would be each other's neighbours, and as a background hide
 * that the model repeats it.
 *
 * @throws VerbatimError when none can be read, or no more than n different ones
 */
export async function openTrainingSet(input: ExtractInput): Promise<TrainingSet> {
  const { training, folder, size, config, threads, signal } = input;
  await storeTraining(input);
  const files = await runTable(folder, 'training');
  const all = await readTable(files, trainingColumns);
  const rows: TrainingRow[] = [];
  const told: number[] = [];
  const counted: number[] = [];
  for (const one of all) {
    if (one.row === null) continue;
    if (one.row === rows.length) rows.push(one);
    counted[one.row] = (counted[one.row] ?? 0) + 1;
    told[one.row] = (told[one.row] ?? 0) + (one.copies ?? 0);
  }
  const failed = all.filter(({ error }) => error !== null);
  if (rows.length === 0)
    throw new VerbatimError(
      `none of the ${all.length} pictures of ${training.name} can be read${failed.length > 0 ? ` (the first: ${failed[0]!.error})` : ''}`,
    );
  if (rows.length <= config.neighbours)
    throw new VerbatimError(
      `--neighbours ${config.neighbours} needs more than ${config.neighbours} different training pictures, and ${training.name} has ${rows.length} that can be read; ${rows.length > 2 ? `give ${Math.min(rows.length - 1, 50)} or fewer` : 'an extraction needs a larger training set'}`,
      { exitCode: 2 },
    );
  const search = await openByteSearch(
    files.map((_, shard) => picturesPath(folder, 'training', shard)),
    { ...(threads !== undefined && { threads }), ...(signal && { signal }) },
  );
  if (search.count !== rows.length || search.values !== valuesOf(size)) {
    await search.close();
    throw new VerbatimError(
      `${folder.path}: pictures/training was changed; delete the folder and begin anew`,
    );
  }
  return {
    search,
    rows,
    copies: counted.map((count, row) => told[row]! || count),
    unreadable: failed.length,
    close: () => search.close(),
  };
}

async function storeTraining({ training, folder, size, signal, onProgress }: ExtractInput): Promise<void> {
  const values = valuesOf(size);
  const perShard = picturesTogether(values);
  // What names each picture of the shards before, so that a resumed run goes on as the first would have.
  const known = new Map<string, number>();
  let shardsKnown = 0;
  const learn = async (shards: number) => {
    const files = await runTable(folder, 'training');
    for (; shardsKnown < shards; shardsKnown++)
      for (const { pixels, row } of await readTable(files[shardsKnown]!, trainingColumns))
        if (pixels !== null && row !== null && !known.has(pixels)) known.set(pixels, row);
  };
  await runStage({
    folder,
    name: 'training',
    columns: trainingColumns,
    shards: Array.from({ length: Math.max(1, Math.ceil(training.size / perShard)) }, (_, i) => ({
      from: i * perShard,
      to: Math.min(training.size, (i + 1) * perShard),
    })),
    items: ({ from, to }) => to - from,
    signal,
    onProgress,
    process: async ({ from, to }, { index, advance }) => {
      await learn(index);
      const rows: TrainingRow[] = [];
      const pictures: Uint8Array[] = [];
      for await (const row of training.rows(from, to)) {
        signal?.throwIfAborted();
        rows.push(await trainingRow(row));
        advance(1);
      }
      // Before the table: a shard whose table stands has its pictures.
      await writePictures(picturesPath(folder, 'training', index), pictures, values);
      shardsKnown = index + 1;
      return rows;

      async function trainingRow({ index, key, caption, error, copies }: DatasetRow): Promise<TrainingRow> {
        const row = { dataset_index: index, key, caption, row: null, pixels: null, copies: copies ?? null };
        if (error !== undefined) return { ...row, error };
        try {
          const { data, pixels } = pixelsOf(await training.picture(index), size);
          const before = known.get(pixels);
          if (before !== undefined) return { ...row, row: before, pixels, error: null };
          known.set(pixels, known.size);
          pictures.push(data);
          return { ...row, row: known.size - 1, pixels, error: null };
        } catch (caught) {
          rethrowFatal(caught, signal);
          return { ...row, error: errorText(caught) };
        }
      }
    },
  });
}
