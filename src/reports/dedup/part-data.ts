import { type PartRow, type Piece, piecePath, type RunFolder, runTable } from '../../stages/index.ts';
import { fromParquet, sql } from '../../tables/index.ts';
import { captionColumn, keyColumn } from './text.ts';

/** An item of the dataset as it is now. */
export interface PlacedItem {
  readonly dataset_index: number;
  readonly key: string;
  readonly caption: string;
}

/** A picture that was found within another, and where. */
export interface ShownPart
  extends PlacedItem,
    Pick<PartRow, 'x' | 'y' | 'width' | 'height' | 'area' | 'score'> {}

/** A picture that holds others. */
export interface ShownWhole extends PlacedItem {
  /** All that it holds, of which `parts` are shown. */
  readonly count: number;
  readonly parts: readonly ShownPart[];
}

/** Parts of one picture that are drawn. */
const partsShown = 5;
/** What covers more of the other picture is nearly all of it: the two stand in a group, and there is no place to show. */
const nearlyAll = 0.9;
/** From here on a part joins a group: what is smaller stands here only, and comes first. */
const joinsGroups = 0.5;

/**
 * Pictures in which others were found: those that hold most small ones first.
 *
 * @param pieces those that the dataset still has
 */
export async function readShownParts(
  folder: RunFolder,
  pieces: readonly Piece[],
  limit: number,
): Promise<ShownWhole[]> {
  const files = await runTable(folder, 'edges-tiles');
  if (files.length === 0) return [];
  const rows = await sql<PartRow & { readonly count: number }>(`
    WITH wholes AS (
      SELECT b, count(*) AS count, count(*) FILTER (WHERE area < ${joinsGroups}) AS small, min(area) AS least
      FROM ${fromParquet(files)} WHERE area < ${nearlyAll}
      GROUP BY b
      -- Copies of one picture in frames of one kind would be all that is seen.
      QUALIFY small > 0 OR row_number() OVER (PARTITION BY small > 0, min(a) ORDER BY least, b) = 1
      ORDER BY small DESC, least, b LIMIT ${limit}
    )
    SELECT parts.*, count, small, least FROM ${fromParquet(files)} AS parts JOIN wholes USING (b)
    WHERE area < ${nearlyAll}
    QUALIFY row_number() OVER (PARTITION BY b ORDER BY score DESC, a) <= ${partsShown}
    ORDER BY small DESC, least, b, score DESC, a`);
  const items = await readItems(folder, pieces, [...new Set(rows.flatMap(({ a, b }) => [a, b]))]);
  const wholes = new Map<number, ShownWhole & { readonly parts: ShownPart[] }>();
  for (const { a, b, x, y, width, height, area, score, count } of rows) {
    const [part, whole] = [items.get(a), items.get(b)];
    if (part === undefined || whole === undefined) continue;
    const known = wholes.get(b) ?? { ...whole, count, parts: [] };
    known.parts.push({ ...part, x, y, width, height, area, score });
    wholes.set(b, known);
  }
  return [...wholes.values()];
}

/** Items by their number; those that the dataset has no longer are absent. */
async function readItems(
  folder: RunFolder,
  pieces: readonly Piece[],
  wanted: readonly number[],
): Promise<Map<number, PlacedItem>> {
  const holding = pieces.filter(({ first, rows }) =>
    wanted.some((item) => item >= first && item < first + rows),
  );
  if (holding.length === 0) return new Map();
  const rows = await sql<{ item: number; key: string; caption: string }>(`
    SELECT item, ${keyColumn}, ${captionColumn}
    FROM ${fromParquet(holding.map((piece) => piecePath(folder, 'items', piece)))}
    WHERE item IN (${wanted.join(', ')})`);
  return new Map(
    rows.flatMap(({ item, ...row }) => {
      const piece = holding.find(({ first, rows }) => item >= first && item < first + rows);
      return piece?.from === undefined
        ? []
        : [[item, { ...row, dataset_index: piece.from + item - piece.first }]];
    }),
  );
}
