import {
  type Alignment,
  type Alignments,
  type Copied,
  type CopyFindings,
  type CopyQuery,
  compareCopies,
  findCopies,
  type GeneratedPicture,
  nearestPictures,
  pictureView,
  workingPicture,
} from '../labels/index.ts';
import { readTable } from '../tables/index.ts';
import { type CandidateRow, type CopyRow, copyColumns } from './columns.ts';
import type { Compared } from './compared.ts';
import type { ModelInput } from './flow.ts';
import { runTable } from './run-folder.ts';
import { runStage } from './stage.ts';
import { readSubjects, readSyntheses } from './subjects.ts';

/** What the table keeps of a picture's copies, as JSON. */
type Found = Omit<CopyFindings, 'template'>;

/**
 * Lays training pictures over every full synthesis: tables/copies, a row for each. No threshold is in it, so labels can
 * be made anew without it.
 *
 * @param groups shards of the generations that make one shard here
 */
export async function runCopies(
  input: ModelInput,
  groups: readonly { readonly files: readonly string[]; readonly size: number }[],
  candidates: ReadonlyMap<string, CandidateRow>,
  compared: Compared,
): Promise<void> {
  await runStage({
    folder: input.folder,
    name: 'copies',
    columns: copyColumns,
    shards: groups,
    items: ({ size }) => size,
    signal: input.signal,
    onProgress: input.onProgress,
    process: async ({ files }, context) => {
      const subjects = await readSubjects(input, await readSyntheses(files), candidates);
      return copiesOf(input, subjects, compared, context.advance);
    },
  });
}

async function copiesOf(
  { config, generator, signal }: ModelInput,
  subjects: readonly GeneratedPicture[],
  compared: Compared,
  advance: (items: number) => void,
): Promise<CopyRow[]> {
  const options = {
    ...(config.threads !== undefined && { threads: config.threads }),
    ...(signal && { signal }),
  };
  const [height, width] = generator.pictureSize;
  const { background } = await compared.unrelated();
  const sound = subjects.filter(({ picture }) => picture !== null);
  const pictures = sound.map(({ picture }) => pictureView(picture!, { width, height }));
  const { neighbours } = await nearestPictures(pictures, compared.training, options);
  const queries = pictures.map((picture, i): CopyQuery => {
    const working = workingPicture(picture);
    const near = neighbours[i];
    return {
      picture: working,
      background: background.of(working),
      also: near == null ? [] : [near.index],
    };
  });
  let told = 0;
  const found = await findCopies(queries, compared.copies, {
    ...options,
    onProgress: (share) => {
      const done = Math.floor(share * sound.length);
      advance(done - told);
      told = done;
    },
  });
  const rows = new Map(
    sound.map((subject, i) => {
      const { whole, part } = found[i]!;
      const own = ownCopies(subject, queries[i]!, found[i]!, { width, height });
      return [
        subject,
        {
          whole: whole === undefined ? null : copiedOf(whole, whole.index),
          part: part === undefined ? null : copiedOf(part, part.index),
          own,
        },
      ];
    }),
  );
  return subjects.map((subject): CopyRow => {
    const { key, sample, image, error } = subject;
    const row: Found | undefined = rows.get(subject);
    return {
      key,
      sample,
      image,
      training_index: row?.whole?.index ?? null,
      explained: row?.whole?.explained ?? null,
      own_index: row?.own?.whole.index ?? null,
      own_explained: row?.own?.whole.explained ?? null,
      found: row === undefined ? null : JSON.stringify(row),
      error: row === undefined ? (error ?? 'there is no generated picture') : null,
    };
  });
}

/**
 * The best of the caption's own pictures, as a whole and for a part. How the best of all were laid is tried with them
 * too: equal pictures stand in a training set under several captions, and must be found equally good.
 */
function ownCopies(
  { own }: GeneratedPicture,
  query: CopyQuery,
  found: Alignments,
  size: { readonly width: number; readonly height: number },
): Found['own'] {
  let best: { whole: Copied; part: Copied } | null = null;
  let score = 0;
  const guesses = [found.whole, found.part].flatMap((laid) => (laid === undefined ? [] : [laid.transform]));
  for (const { index, picture } of own) {
    const { whole, part } = compareCopies(query, workingPicture(pictureView(picture, size)), guesses);
    if (whole === undefined || part === undefined) continue;
    best = {
      whole: best !== null && best.whole.explained >= whole.explained ? best.whole : copiedOf(whole, index),
      part: best !== null && score >= part.part.score ? best.part : copiedOf(part, index),
    };
    score = Math.max(score, part.part.score);
  }
  return best;
}

function copiedOf({ transform, explained, cells }: Alignment, index: number | null): Copied {
  const rounded = (value: number) => Math.round(value * 1e4) / 1e4;
  return {
    index,
    transform: {
      ...transform,
      scale: rounded(transform.scale),
      x: rounded(transform.x),
      y: rounded(transform.y),
    },
    explained: rounded(explained),
    cells: [...cells].map((value) => (Number.isFinite(value) ? rounded(value) : null)),
  };
}

/** What tables/copies says, by key and sample. */
export async function readCopies(input: ModelInput): Promise<Map<string, Found>> {
  const found = new Map<string, Found>();
  for (const row of await readTable(await runTable(input.folder, 'copies'), copyColumns))
    if (row.found !== null) found.set(copyKey(row), JSON.parse(row.found) as Found);
  return found;
}

/** Names one generated picture. */
export function copyKey({ key, sample }: { readonly key: string; readonly sample: number }): string {
  return JSON.stringify([key, sample]);
}
