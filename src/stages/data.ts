import {
  type Dataset,
  type DatasetProblem,
  isMember,
  type PlantedSet,
  type TruthRow,
  truthDataset,
  twinDataset,
} from '../datasets/index.ts';
import { VerbatimError } from '../errors.ts';
import type { Picture } from '../images/index.ts';
import type { PictureCollection } from '../labels/index.ts';
import { sha256 } from '../tables/index.ts';
import type { CandidateRow, TruthTableRow } from './columns.ts';

/**
 * The same pictures, kept in memory after their first use, up to `bytes` in all: the labels go through the
 * training set several times, and drawing or decoding it is what takes long.
 */
export function remembered(pictures: PictureCollection, bytes = 256 * 2 ** 20): PictureCollection {
  const kept = new Map<number, Picture>();
  let held = 0;
  return {
    size: pictures.size,
    async picture(index) {
      const known = kept.get(index);
      if (known !== undefined) return known;
      const picture = await pictures.picture(index);
      if (!kept.has(index) && held + picture.data.byteLength <= bytes) {
        held += picture.data.byteLength;
        kept.set(index, picture);
      }
      return picture;
    },
  };
}

/** A picture that a caption was written for. */
export interface CaptionPicture {
  /** Position in the training set; null when the model was not trained on it. */
  readonly index: number | null;
  picture(): Promise<Picture>;
}

/** Pictures that the model never saw, with the SHA-256 over what they are. */
export interface HeldOut extends PictureCollection {
  readonly digest: string;
}

/** A caption that the model was never trained on, and its make. */
export interface NeverTrainedCaption {
  readonly key: string;
  readonly caption: string;
  readonly kind: string;
}

/** Captions that the model was never trained on. */
export interface NeverTrainedSource {
  readonly name: string;
  /** Whether they are made as they are asked for: what was trained on after all is then passed over, not refused. */
  readonly isMade: boolean;
  /** In a fixed order; of made ones enough of each kind to choose `wanted` from, where there are so many. */
  captions(wanted: number): AsyncIterable<NeverTrainedCaption>;
  /** Of which kind those are that a candidate is like: its score is held against theirs. */
  kindOf(candidate: Pick<CandidateRow, 'key'>): string;
}

/** The only kind of captions, where nobody tells kinds apart. */
export const anyKind = 'any';

/** What an audit asks of its data, whether it is an ordinary training set or a planted one. */
export interface AuditData {
  readonly name: string;
  readonly digest: string;
  /** What could not be opened of the training set and was left out. */
  readonly problems: readonly DatasetProblem[];
  /** Rows of the training set, copies counted. */
  readonly size: number;
  /** The distinct pictures to compare with, of any size; positions are `dataset_index` and `training_index`. */
  readonly training: PictureCollection;
  /** The captions to audit, in order, each key once. */
  candidates(): AsyncIterable<CandidateRow>;
  /** The pictures that a caption was written for. */
  own(candidate: CandidateRow): readonly CaptionPicture[];
  /** Pictures that the model never saw, for the calibrated rule. */
  readonly heldOut: HeldOut | undefined;
  /** Every caption that the model was trained on; may repeat. */
  trainingCaptions(): AsyncIterable<string>;
  /** Captions that it was not trained on, for the significance of scores. */
  readonly neverTrained: NeverTrainedSource | undefined;
  /** Undefined where the truth is not known. */
  readonly truth: readonly TruthTableRow[] | undefined;
}

/** @throws VerbatimError (exit code 2) for a dataset of captions alone, where pictures are needed: `purpose` says what for */
export function requirePictures(dataset: Dataset, purpose: string): void {
  if (!dataset.hasPictures)
    throw new VerbatimError(
      `${dataset.name} (format ${dataset.format}) holds captions without pictures, and ${purpose} needs pictures; give a dataset that has them${dataset.embeddings ? ', or the folder of its pictures as images' : ''}`,
      { exitCode: 2 },
    );
}

/** A caption to audit, and how often its picture stands in the training set, as `verbatim dedup` found it. */
export interface ChosenCaption extends Pick<CandidateRow, 'key' | 'caption' | 'dataset_index' | 'copies'> {
  /** Rows of the dataset that have it, one for each of its different pictures. */
  readonly rows: readonly number[];
}

/** Pictures of one caption that are compared with as its own; what repeats another one is found as retrieved (RV). */
export const mostOwn = 16;

/**
 * A training set without truth. Its distinct captions are the candidates: the first row that has a caption
 * gives key and position, `copies` counts the rows that share it. Rows that are known to have no picture are none of
 * them: the model was not trained on these.
 *
 * @param chosen the captions to audit instead, in that order
 * @param neverTrained captions that the model was not trained on
 * @throws VerbatimError (exit code 2) when the dataset has no pictures
 */
export function dataOfDataset(
  dataset: Dataset,
  heldOut?: HeldOut,
  chosen?: readonly ChosenCaption[],
  neverTrained?: Dataset,
): AuditData {
  requirePictures(dataset, 'an audit');
  const rowsOf = new Map<string, readonly number[]>(chosen?.map(({ caption, rows }) => [caption, rows]));
  return {
    name: dataset.name,
    digest: dataset.digest,
    problems: dataset.problems,
    size: dataset.size,
    training: dataset,
    heldOut,
    async *trainingCaptions() {
      for await (const { caption, error } of dataset.rows()) if (error === undefined) yield caption;
    },
    neverTrained: neverTrained && captionsOf(neverTrained),
    truth: undefined,
    async *candidates() {
      if (chosen) {
        for (const { rows: _, ...row } of chosen) yield { ...row, role: null, error: null };
        return;
      }
      const found = new Map<string, { key: string; copies: number; rows: number[] }>();
      for await (const { index, key, caption, error } of dataset.rows()) {
        // What was never downloaded, the model has not seen.
        if (error !== undefined) continue;
        const known = found.get(caption) ?? { key, copies: 0, rows: [] };
        found.set(caption, known);
        known.copies += 1;
        if (known.rows.length < mostOwn) known.rows.push(index);
      }
      for (const [caption, { key, copies, rows }] of found) {
        rowsOf.set(caption, rows);
        yield { key, caption, dataset_index: rows[0]!, copies, role: null, error: null };
      }
    },
    own(candidate) {
      // A resumed run has its candidates from the table and has not listed the rows.
      const rows = rowsOf.get(candidate.caption) ?? [candidate.dataset_index];
      return rows.flatMap((index) =>
        index === null ? [] : [{ index, picture: () => dataset.picture(index) }],
      );
    },
  };
}

/** The captions of a dataset, with or without pictures. */
function captionsOf(dataset: Dataset): NeverTrainedSource {
  return {
    name: dataset.name,
    isMade: false,
    async *captions() {
      for await (const { key, caption } of dataset.rows()) yield { key, caption, kind: anyKind };
    },
    kindOf: () => anyKind,
  };
}

/** The caption's role as seen from one twin. */
function roleOf(row: Pick<TruthRow, 'kind' | 'twin'>, twin: 'A' | 'B'): string {
  if (row.kind === 'held-out') return row.kind;
  return isMember(row, twin) ? row.kind : 'other-twin';
}

/** The truth as the table holds it. */
function truthTableRow(row: TruthRow, twin: 'A' | 'B'): TruthTableRow {
  const { key, kind, group, caption, scene, repeats, copies } = row;
  return {
    key,
    kind,
    twin: row.twin,
    group,
    caption,
    scene,
    repeats,
    copies,
    picture_index: row.pictureIndex,
    region: row.region === undefined ? null : JSON.stringify(row.region),
    member: isMember(row, twin),
  };
}

/**
 * A planted set as one twin sees it. All its captions are candidates, in the order of the truth: what the
 * twin was trained on, and what it never saw (held-out, and what was planted into the other twin), so that
 * false positives can be counted. Held-out pictures calibrate the labels. Captions never trained on are the held-out ones, and
 * further ones of the same source, unless others are given.
 */
export function dataOfPlanted(set: PlantedSet, twin: 'A' | 'B', neverTrained?: Dataset): AuditData {
  const training = twinDataset(set, twin);
  const members = set.truth.filter((row) => isMember(row, twin));
  const positions = new Map(members.map((row, index) => [row.key, index]));
  const rows = new Map(set.truth.map((row) => [row.key, row]));
  return {
    name: training.name,
    digest: training.digest,
    problems: [],
    size: members.reduce((sum, row) => sum + row.repeats, 0),
    training,
    heldOut: truthDataset(set, `${set.name}-held-out`, (row) => row.kind === 'held-out'),
    async *trainingCaptions() {
      for (const { caption } of members) yield caption;
    },
    neverTrained: neverTrained === undefined ? unplantedOf(set) : captionsOf(neverTrained),
    truth: set.truth.map((row) => truthTableRow(row, twin)),
    async *candidates() {
      for (const row of set.truth)
        yield {
          key: row.key,
          caption: row.caption,
          dataset_index: positions.get(row.key) ?? null,
          copies: isMember(row, twin) ? row.copies : 0,
          role: roleOf(row, twin),
          error: null,
        };
    },
    own({ key }) {
      const row = rows.get(key);
      if (row === undefined) return [];
      return [{ index: positions.get(key) ?? null, picture: () => set.picture(row.pictureIndex) }];
    },
  };
}

/**
 * What neither twin sees: the held-out captions and those of further pictures. Captions of template families are of another
 * make, and score higher whether they were trained on or not; so they are a kind of their own, as variants of further families.
 */
function unplantedOf(set: PlantedSet): NeverTrainedSource {
  const templates = new Set(set.truth.filter((row) => row.kind === 'template').map(({ key }) => key));
  return {
    name: `${set.name}-never-trained`,
    isMade: true,
    async *captions(wanted) {
      for (const { key, caption, kind } of set.truth)
        if (kind === 'held-out') yield { key, caption, kind: 'single' };
      // Twice: every held-out caption may be audited, and some may be spelt like one that was trained on.
      for (const kind of ['single', 'template'] as const)
        for (const row of set.beyond(2 * wanted, kind)) yield { ...row, kind };
    },
    kindOf: ({ key }) => (templates.has(key) ? 'template' : 'single'),
  };
}

/**
 * Keeps at most `limit` items, the same ones for the same seed on every machine, in their own order:
 * those whose SHA-256 of (seed, key) is smallest.
 */
export function drawn<T extends { readonly key: string }>(
  items: readonly T[],
  limit: number | undefined,
  seed: number,
): readonly T[] {
  if (limit === undefined || items.length <= limit) return items;
  const kept = new Set(shuffled(items, seed).slice(0, limit));
  return items.filter((item) => kept.has(item));
}

/** Items in an order that their keys and the seed decide. The first n are those that `drawn` draws. */
export function shuffled<T extends { readonly key: string }>(
  items: readonly T[],
  seed: number,
): readonly T[] {
  const hashes = new Map(items.map(({ key }) => [key, sha256(`${seed}:${key}`)]));
  const hash = (item: T) => hashes.get(item.key)!;
  return [...items].sort((a, b) => (hash(a) < hash(b) ? -1 : 1));
}
