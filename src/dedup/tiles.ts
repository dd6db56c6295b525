import type { Picture } from '../images/index.ts';

/** A rectangle of a picture, pixels. */
export interface Tile {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Tiles smaller than this, on their shorter side, say nothing. */
const leastSide = 24;
/** And those that cover less of the picture. */
const leastShare = 1 / 40;
/**
 * A line of pixels whose levels deviate no more than this (standard deviation, 8 bits) is a margin or a gutter: beside a
 * picture JPEG leaves waves of about this size in a margin of one colour, some pixels wide.
 */
const plainDeviation = 12;
/** Tiles of one picture at most. */
const mostTiles = 64;
/** Grids of collages without gutters, columns × rows. */
const grids: readonly (readonly [number, number])[] = [
  [2, 1],
  [1, 2],
  [2, 2],
  [3, 1],
  [1, 3],
  [3, 3],
];

/**
 * Where another picture may lie within this one: what is left when plain margins are cut away, what plain gutters part (a
 * recursive X-Y cut, Nagy & Seth 1984), and the fields of regular grids, for collages without gutters. The whole
 * picture is not among them; no two are nearly the same.
 */
export function tilesOf(picture: Picture): Tile[] {
  const { width, height } = picture;
  const whole = { x: 0, y: 0, width, height };
  const found: Tile[] = [];
  const offer = (tile: Tile) => {
    if (Math.min(tile.width, tile.height) < Math.min(leastSide, Math.min(width, height) / 4)) return;
    if (tile.width * tile.height < leastShare * width * height || sameTile(tile, whole)) return;
    if (found.length < mostTiles && !found.some((other) => sameTile(tile, other))) found.push(tile);
  };
  cut(picture, whole, 0, offer);
  // Pictures with plain borders of their own hide where a gutter ends: then the fields of what the margins enclose come near.
  const { content } = trimmed(picture, whole);
  for (const page of content === undefined ? [whole] : [whole, content])
    for (const [columns, rows] of grids)
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < columns; column++) offer(field(page, column, columns, row, rows));
  return found;
}

/** The field of a grid in which two variants of a template are compared in place. */
export function field(
  { x, y, width, height }: Tile,
  column: number,
  columns: number,
  row: number,
  rows: number,
): Tile {
  const left = Math.round((column * width) / columns);
  const top = Math.round((row * height) / rows);
  return {
    x: x + left,
    y: y + top,
    width: Math.round(((column + 1) * width) / columns) - left,
    height: Math.round(((row + 1) * height) / rows) - top,
  };
}

/** Whether two tiles differ by less than a twenty-fifth of the smaller one's sides: their hashes then do not differ much. */
function sameTile(a: Tile, b: Tile): boolean {
  const slack = (side: 'width' | 'height') => Math.min(a[side], b[side]) / 25;
  return (
    Math.abs(a.x - b.x) < slack('width') &&
    Math.abs(a.y - b.y) < slack('height') &&
    Math.abs(a.x + a.width - b.x - b.width) < slack('width') &&
    Math.abs(a.y + a.height - b.y - b.height) < slack('height')
  );
}

/** Mean level of each channel. */
type Colour = readonly [number, number, number];

/**
 * Cuts margins away, then parts the rest at the gutters of one direction, and goes on within each part. Gutters have the colour
 * of the margins, where there are any: pictures may have plain borders of their own.
 */
function cut(
  picture: Picture,
  tile: Tile,
  depth: number,
  offer: (tile: Tile) => void,
  colour?: Colour,
): void {
  const { content, margin = colour } = trimmed(picture, tile);
  if (content === undefined) return;
  offer(content);
  if (depth === 4) return;
  for (const across of [false, true]) {
    const parts = parted(picture, content, across, margin);
    if (parts.length < 2) continue;
    for (const part of parts) cut(picture, part, depth + 1, offer, margin);
    return;
  }
}

/** The tile without the plain lines of one colour at each of its sides, and their colour; no content when nothing is left. */
function trimmed(picture: Picture, tile: Tile): { content?: Tile; margin?: Colour } {
  let { x, y, width, height } = tile;
  let margin: Colour | undefined;
  const trim = (line: () => readonly [number, number, number, boolean], take: () => void) => {
    let own: Colour | undefined;
    while (width > 0 && height > 0) {
      const found = plainColour(picture, ...line());
      if (found === undefined || (own !== undefined && !alike(own, found))) return;
      own ??= found;
      margin ??= found;
      take();
    }
  };
  trim(
    () => [x, y, width, true],
    () => {
      y += 1;
      height -= 1;
    },
  );
  trim(
    () => [x, y + height - 1, width, true],
    () => {
      height -= 1;
    },
  );
  trim(
    () => [x, y, height, false],
    () => {
      x += 1;
      width -= 1;
    },
  );
  trim(
    () => [x + width - 1, y, height, false],
    () => {
      width -= 1;
    },
  );
  return {
    ...(width > 0 && height > 0 && { content: { x, y, width, height } }),
    ...(margin !== undefined && { margin }),
  };
}

/** The stretches between plain columns (`across`) or rows, of one colour where it is known. A tile with many is drawn, no collage. */
function parted(
  picture: Picture,
  { x, y, width, height }: Tile,
  across: boolean,
  colour: Colour | undefined,
): Tile[] {
  const length = across ? width : height;
  const parts: Tile[] = [];
  let from = 0;
  for (let at = 0; at <= length; at++) {
    if (at < length) {
      const found = across
        ? plainColour(picture, x + at, y, height, false)
        : plainColour(picture, x, y + at, width, true);
      if (found === undefined || (colour !== undefined && !alike(colour, found))) continue;
    }
    if (at > from)
      parts.push(
        across ? { x: x + from, y, width: at - from, height } : { x, y: y + from, width, height: at - from },
      );
    from = at + 1;
  }
  return parts.length <= 12 ? parts : [];
}

function alike(a: Colour, b: Colour): boolean {
  return a.every((level, channel) => Math.abs(level - b[channel]!) <= plainDeviation);
}

/** The colour of a row (or column) of pixels from (x, y) on; undefined where it has several. */
function plainColour(
  { width, data }: Picture,
  x: number,
  y: number,
  length: number,
  row: boolean,
): Colour | undefined {
  const step = row ? 3 : 3 * width;
  const means: [number, number, number] = [0, 0, 0];
  for (let channel = 0; channel < 3; channel++) {
    let sum = 0;
    let squares = 0;
    let at = (y * width + x) * 3 + channel;
    for (let i = 0; i < length; i++, at += step) {
      const value = data[at]!;
      sum += value;
      squares += value * value;
    }
    if (length * squares - sum * sum > (plainDeviation * length) ** 2) return undefined;
    means[channel] = sum / length;
  }
  return means;
}
