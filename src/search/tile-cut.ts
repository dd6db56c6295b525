import { VerbatimError } from '../errors.ts';
import type { Picture } from '../images/index.ts';

/** A rectangle of a tile, pixels. */
interface Piece {
  /** Row-major number of its tile. */
  readonly tile: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Pieces of as many values each, which one product takes together. */
export interface PieceGroup {
  /** Values of a piece, 3 per pixel. */
  readonly values: number;
  readonly pieces: readonly Piece[];
}

/** How pictures of one size are cut. */
export interface TileCut {
  readonly width: number;
  readonly height: number;
  /** Values of each tile, row by row. */
  readonly tileValues: readonly number[];
  readonly groups: readonly PieceGroup[];
}

/** Products of two values from −128 to 127 that a sum of 32 bits holds. */
const mostValues = 2 ** 17 - 1;

/** Where numpy's array_split cuts: the first (size mod parts) parts are one longer. */
function split(size: number, parts: number): { readonly from: number; readonly size: number }[] {
  const short = Math.floor(size / parts);
  const long = size % parts;
  return Array.from({ length: parts }, (_, part) => ({
    from: part * short + Math.min(part, long),
    size: short + (part < long ? 1 : 0),
  }));
}

/**
 * Cuts pictures into tiles × tiles tiles, and those whose products would overflow into pieces.
 *
 * @param groupValues values of a group at most, but for one piece
 * @throws VerbatimError for a picture with fewer pixels than tiles on a side
 */
export function cutTiles(
  { width, height }: Pick<Picture, 'width' | 'height'>,
  tiles: number,
  groupValues: number,
): TileCut {
  if (width < tiles || height < tiles)
    throw new VerbatimError(
      `pictures of ${width}×${height} pixels cannot be cut into ${tiles}×${tiles} tiles; take fewer tiles`,
    );
  const tileValues: number[] = [];
  const bySize = new Map<number, Piece[]>();
  for (const row of split(height, tiles))
    for (const column of split(width, tiles)) {
      const tile = tileValues.push(3 * row.size * column.size) - 1;
      // A row alone that is too long is cut across; else rows stay whole.
      const across = split(column.size, Math.ceil((3 * column.size) / mostValues));
      for (const part of across)
        for (const rows of split(row.size, Math.ceil((3 * part.size * row.size) / mostValues))) {
          const values = 3 * part.size * rows.size;
          const piece = { tile, x: column.from + part.from, y: row.from + rows.from };
          const same = bySize.get(values) ?? [];
          same.push({ ...piece, width: part.size, height: rows.size });
          bySize.set(values, same);
        }
    }
  const groups: PieceGroup[] = [];
  for (const [values, pieces] of bySize) {
    const together = Math.max(1, Math.floor(groupValues / values));
    for (let from = 0; from < pieces.length; from += together)
      groups.push({ values, pieces: pieces.slice(from, from + together) });
  }
  return { width, height, tileValues, groups };
}

/** The values of a group's pieces, [pieces, pictures, values], in memory that may be used again where it fits. */
export function gatherPieces(
  pictures: readonly Picture[],
  { values, pieces }: PieceGroup,
  spare?: Uint8Array,
): Uint8Array {
  const length = pieces.length * pictures.length * values;
  const out = spare?.length === length ? spare : new Uint8Array(length);
  let to = 0;
  for (const { x, y, width, height } of pieces)
    for (const { width: across, data } of pictures)
      for (let row = y; row < y + height; row++, to += 3 * width) {
        const from = 3 * (row * across + x);
        out.set(data.subarray(from, from + 3 * width), to);
      }
  return out;
}

/** Puts one picture's values of a group back where they were. */
export function scatterPieces(
  picture: Picture,
  group: PieceGroup,
  stored: { readonly data: Uint8Array; readonly pictures: number; readonly at: number },
): void {
  group.pieces.forEach(({ x, y, width, height }, p) => {
    let from = (p * stored.pictures + stored.at) * group.values;
    for (let row = y; row < y + height; row++, from += 3 * width)
      picture.data.set(stored.data.subarray(from, from + 3 * width), 3 * (row * picture.width + x));
  });
}
