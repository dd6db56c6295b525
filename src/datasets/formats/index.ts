import { closest } from 'fastest-levenshtein';
import { VerbatimError } from '../../errors.ts';
import { lookAt, nothingThere } from '../storage/look.ts';
import type { Dataset } from '../types.ts';
import { captionsFormat } from './captions.ts';
import { embeddingsFormat } from './embeddings.ts';
import type { DatasetFormat } from './format.ts';
import { imageFolderFormat } from './image-folder.ts';
import { img2datasetFormat } from './img2dataset.ts';
import { parquetFormat } from './parquet.ts';
import { plantedFormat } from './planted.ts';
import { scenesFormat } from './scenes.ts';
import { webdatasetFormat } from './webdataset.ts';

/** Every dataset format, in the order in which a path is tried: what is told by more signs first. */
export const datasetFormats: readonly DatasetFormat[] = [
  img2datasetFormat,
  embeddingsFormat,
  webdatasetFormat,
  parquetFormat,
  imageFolderFormat,
  captionsFormat,
  scenesFormat,
  plantedFormat,
] as readonly DatasetFormat[];

const names = datasetFormats.map((format) => format.name);

/**
 * The name of the first format that a file or folder looks like.
 *
 * @throws VerbatimError (exit code 2) when it looks like none, or is not there.
 */
export async function detectFormat(path: string): Promise<string> {
  const look = await lookAt(path);
  if (look === undefined) throw nothingThere(path);
  for (const format of datasetFormats) {
    if (await format.detect?.(look)) return format.name;
  }
  throw new VerbatimError(
    `${path}: not a dataset that can be recognised; expected pictures, tars, Parquet files or tables with captions. Formats: ${names.join(', ')}.`,
    { exitCode: 2 },
  );
}

/**
 * Opens a dataset from `{format, …options}`, from `{path, …options}` (the format is found by looking), or from a path.
 *
 * @throws VerbatimError for an unknown format (with the nearest name), an unknown or wrong option, or what the
 *   format itself finds.
 * @example const dataset = await openDataset({ format: 'parquet', path: 'train.parquet', captionColumn: 'title' });
 */
export async function openDataset(spec: string | Readonly<Record<string, unknown>>): Promise<Dataset> {
  const given: Readonly<Record<string, unknown>> = typeof spec === 'string' ? { path: spec } : spec;
  const wanted = given['format'] ?? 'auto';
  let name = String(wanted);
  if (wanted === 'auto') {
    const path = given['path'];
    if (typeof path !== 'string') {
      throw new VerbatimError(`dataset: give a path or a format; formats: ${names.join(', ')}.`, {
        exitCode: 2,
      });
    }
    name = await detectFormat(path);
  }
  const format = datasetFormats.find((candidate) => candidate.name === name);
  if (format === undefined) {
    throw new VerbatimError(
      `dataset: unknown format "${name}"; did you mean ${closest(name, names)}? Formats: ${names.join(', ')}.`,
      {
        exitCode: 2,
      },
    );
  }
  const parsed = format.schema.safeParse({ ...given, format: name });
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const at = ['dataset', ...issue.path].join('.');
    throw new VerbatimError(`${at} (format ${name}): ${issue.message}.`, { exitCode: 2 });
  }
  return format.open(parsed.data);
}
