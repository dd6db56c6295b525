import { captionTemplate, type Level, levels, type Modality, normalCaption } from '../../dedup/index.ts';
import { sql } from '../../tables/index.ts';
import { captionColumn, captionLength, keyColumn } from './text.ts';

/** Items of a group with the same file, shown as one picture. */
export interface ShownFile {
  /** Of the item that stays, else the first. */
  readonly item: number;
  readonly dataset_index: number;
  readonly key: string;
  readonly width: number | null;
  readonly height: number | null;
  /** Whether one of the items stays. */
  readonly keep: boolean;
  readonly copies: number;
}

export interface SaidCaption {
  readonly caption: string;
  readonly count: number;
}

/** One group as the page shows it. */
export interface ShownGroup {
  readonly group: number;
  readonly rate: number;
  readonly captions: number;
  readonly captionShare: number | null;
  readonly modality: Modality | null;
  readonly mostBits: number | null;
  readonly leastCosine: number | null;
  readonly kept: number;
  /** Items by the strictest level at which they have a pair. */
  readonly byLevel: readonly (readonly [Level, number])[];
  /** Items whose files and captions were looked at: all but in huge groups. */
  readonly looked: number;
  /** Different files among them, and those that are shown: what stays first, then the most frequent. */
  readonly files: number;
  readonly shown: readonly ShownFile[];
  /** Captions of the items looked at, the most frequent first. */
  readonly said: readonly SaidCaption[];
  /** The words that all captions share, where there are some; null else. */
  readonly template: string | null;
}

/** Items of one group that are looked at: a chain can join millions. */
const mostLooked = 20_000;
const filesShown = 12;
const captionsShown = 5;
/** Captions of which the common words are sought at most. */
const mostCompared = 1_000;

/**
 * @param table groups.parquet as SQL reads it: rows by group, the largest first
 * @param look items of one group whose files and captions are looked at
 */
export async function readShownGroups(
  table: string,
  limit: number,
  look: number = mostLooked,
): Promise<ShownGroup[]> {
  const counts = levels.map((level) => `count(*) FILTER (WHERE level = '${level}') AS "${level}"`);
  const found = await sql<GroupRow>(`
    SELECT "group", any_value(rate) AS rate, any_value(captions) AS captions,
      any_value(caption_share) AS caption_share, any_value(modality) AS modality,
      any_value(most_bits) AS most_bits, any_value(least_cosine) AS least_cosine,
      count(*) FILTER (WHERE keep) AS kept, ${counts.join(', ')}
    FROM ${table} WHERE "group" < ${limit} GROUP BY "group" ORDER BY "group"`);
  const groups: ShownGroup[] = [];
  for (const row of found) {
    const files = await readFiles(table, row.group, look);
    const captions = await readCaptions(table, row.group, look);
    groups.push({
      group: row.group,
      rate: row.rate,
      captions: row.captions,
      captionShare: row.caption_share,
      modality: row.modality,
      mostBits: row.most_bits,
      leastCosine: row.least_cosine,
      kept: row.kept,
      byLevel: levels.flatMap((level) => (row[level] > 0 ? [[level, row[level]] as const] : [])),
      looked: Math.min(row.rate, look),
      files: files[0]?.files ?? 0,
      shown: files.map(({ files: _, ...file }) => file),
      said: captions.slice(0, captionsShown),
      template: row.rate > look ? null : sharedWords(captions),
    });
  }
  return groups;
}

type GroupRow = Record<Level, number> & {
  readonly group: number;
  readonly rate: number;
  readonly captions: number;
  readonly caption_share: number | null;
  readonly modality: Modality | null;
  readonly most_bits: number | null;
  readonly least_cosine: number | null;
  readonly kept: number;
};

/** What stays may stand behind the first items of a huge group, so it is asked for by itself. */
async function readFiles(
  table: string,
  group: number,
  look: number,
): Promise<(ShownFile & { readonly files: number })[]> {
  const columns = `item, dataset_index, ${keyColumn}, width, height, keep, sha256`;
  const of = (more: string, limit: number) =>
    `(SELECT ${columns} FROM ${table} WHERE "group" = ${group}${more} LIMIT ${limit})`;
  return sql(`
    WITH looked AS (${of('', look)} UNION ${of(' AND keep', filesShown)}),
    files AS (
      SELECT *, bool_or(keep) OVER same AS stays, count(*) OVER same AS copies,
        row_number() OVER (PARTITION BY coalesce(sha256, 'item ' || item) ORDER BY keep DESC, dataset_index) AS place
      FROM looked WINDOW same AS (PARTITION BY coalesce(sha256, 'item ' || item))
    )
    SELECT item, dataset_index, key, width, height, stays AS keep, copies, count(*) OVER () AS files
    FROM files WHERE place = 1 ORDER BY stays DESC, copies DESC, dataset_index LIMIT ${filesShown}`);
}

/** Captions that differ in case and spaces only are one, in the spelling that comes most often. */
async function readCaptions(table: string, group: number, look: number): Promise<SaidCaption[]> {
  const spellings = await sql<SaidCaption>(`
    SELECT caption, count(*) AS count FROM (
      SELECT ${captionColumn}, dataset_index FROM ${table}
      WHERE "group" = ${group} LIMIT ${look}
    ) GROUP BY caption ORDER BY count DESC, min(dataset_index)`);
  return mergeSpellings(spellings);
}

function mergeSpellings(spellings: readonly SaidCaption[]): SaidCaption[] {
  const merged = new Map<string, SaidCaption>();
  for (const { caption, count } of spellings) {
    const name = normalCaption(caption);
    const known = merged.get(name);
    merged.set(name, known === undefined ? { caption, count } : { ...known, count: known.count + count });
  }
  // A stable sort: captions that come equally often stay in the order of the dataset.
  return [...merged.values()].sort((x, y) => y.count - x.count);
}

/** 'Shaw Floors … Carpet'; null where captions agree, share no word, or are too many or too long to say so. */
export function sharedWords(captions: readonly SaidCaption[]): string | null {
  if (captions.length < 2 || captions.length > mostCompared) return null;
  if (captions.some(({ caption }) => caption.length >= captionLength)) return null;
  const template = captionTemplate(captions.map(({ caption }) => caption));
  return /[^…\s]/u.test(template) ? template : null;
}
