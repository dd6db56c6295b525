import { join } from 'node:path';
import type { Dataset } from '../../datasets/index.ts';
import { VerbatimError } from '../../errors.ts';
import { readTable } from '../../tables/index.ts';
import type { ChosenCaption } from '../data.ts';
import { readRun } from '../run-folder.ts';
import { type DuplicatedRow, duplicatedColumns } from './columns.ts';

/**
 * The most duplicated captions that `verbatim dedup` found in this dataset, the first first.
 *
 * @throws VerbatimError (exit code 2) when the folder is none, is of another dataset or state of it, or is not finished
 */
export async function readDuplicated(path: string, dataset: Dataset): Promise<DuplicatedRow[]> {
  const { command, dataset: of } = await readRun(path);
  const refuse = (what: string) => {
    throw new VerbatimError(`candidates.from: ${path} ${what}`, { exitCode: 2 });
  };
  if (command !== 'dedup') refuse(`is the folder of "verbatim ${command}"; give that of "verbatim dedup"`);
  if (of.digest !== dataset.digest)
    refuse(
      `was made of ${of.name} with ${of.size} rows, and the training set is ${dataset.name} with ${dataset.size}, or has changed since; run "verbatim dedup" on it again`,
    );
  const rows = await readTable(join(path, 'candidates.parquet'), duplicatedColumns).catch(
    (cause: unknown) => {
      throw new VerbatimError(
        `candidates.from: ${path} is not finished; run "verbatim dedup" again, it goes on`,
        {
          exitCode: 2,
          cause,
        },
      );
    },
  );
  if (rows.length === 0)
    refuse('found no duplicated captions; leave candidates.from out to audit all captions');
  return rows;
}

/** The same as an audit takes them. */
export async function readChosen(path: string, dataset: Dataset): Promise<ChosenCaption[]> {
  return (await readDuplicated(path, dataset)).map(({ key, caption, dataset_index, copies, rows }) => ({
    key,
    caption,
    dataset_index,
    copies,
    rows: JSON.parse(rows) as number[],
  }));
}
