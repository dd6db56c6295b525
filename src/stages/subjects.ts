import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodePicture, encodePng } from '../images/index.ts';
import type { GeneratedPicture, OwnPicture } from '../labels/index.ts';
import { contentPath, putFile, readTable } from '../tables/index.ts';
import { type CandidateRow, candidateColumns, type GenerationRow, generationColumns } from './columns.ts';
import type { StageInput } from './flow.ts';
import { runTable } from './run-folder.ts';
import { errorText } from './stage.ts';

/** The full syntheses of some shards of the generations, without the one-step pictures. */
export async function readSyntheses(files: readonly string[]): Promise<GenerationRow[]> {
  return (await readTable(files, generationColumns)).filter(({ sample }) => sample >= 0);
}

/** The candidates that were synthesized, by key. */
export async function synthesizedCandidates(
  { folder }: StageInput,
  generations: readonly string[],
): Promise<Map<string, CandidateRow>> {
  const keys = new Set<string>();
  for (const file of generations)
    for (const { key } of await readTable(file, generationColumns)) keys.add(key);
  const found = new Map<string, CandidateRow>();
  for (const file of await runTable(folder, 'candidates'))
    for (const row of await readTable(file, candidateColumns)) if (keys.has(row.key)) found.set(row.key, row);
  return found;
}

/** Generated pictures with what their captions were written for; or why there is none. */
export async function readSubjects(
  input: StageInput,
  rows: readonly GenerationRow[],
  candidates: ReadonlyMap<string, CandidateRow>,
): Promise<GeneratedPicture[]> {
  const owns = new Map<string, Promise<OwnPicture[] | string>>();
  return Promise.all(
    rows.map(async (row): Promise<GeneratedPicture> => {
      const { key, sample, image } = row;
      const candidate = candidates.get(key);
      if (candidate !== undefined && !owns.has(key)) owns.set(key, readOwn(input, candidate));
      const own = (await owns.get(key)) ?? 'the caption is not among the candidates';
      const base = { key, sample, image };
      // Without its own picture a caption cannot be judged: the row says why.
      if (typeof own === 'string') return { ...base, picture: null, error: own, own: [] };
      if (image === null) return { ...base, picture: null, error: row.error ?? 'not generated', own };
      try {
        const path = join(input.folder.images, contentPath(image, 'png'));
        const picture = await decodePicture(await readFile(path), {
          where: `images/${contentPath(image, 'png')}`,
        });
        return { ...base, picture, own };
      } catch (error) {
        const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
        const reason = missing ? `images/${contentPath(image, 'png')} is missing` : errorText(error);
        return { ...base, picture: null, error: reason, own };
      }
    }),
  );
}

/** The pictures that a caption was written for, stored; or why they cannot be had. */
async function readOwn(
  { data, folder }: StageInput,
  candidate: CandidateRow,
): Promise<OwnPicture[] | string> {
  const pictures: OwnPicture[] = [];
  for (const { index, picture: read } of data.own(candidate)) {
    let picture: OwnPicture['picture'];
    try {
      picture = await read();
    } catch (error) {
      return errorText(error);
    }
    pictures.push({ index, image: await putFile(folder.images, await encodePng(picture), 'png'), picture });
  }
  return pictures;
}
