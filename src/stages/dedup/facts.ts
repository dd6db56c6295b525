import { createHash } from 'node:crypto';
import { field, type Tile, tilesOf } from '../../dedup/index.ts';
import { phash } from '../../descriptors/index.ts';
import { crop, decodePicture, type Picture } from '../../images/index.ts';
import { errorText, rethrowFatal } from '../failures.ts';

/** What is asked about a picture's file. */
export interface FactsRequest {
  readonly encoded: Uint8Array;
  /** Names the picture in errors. */
  readonly where: string;
  /** Pictures with more pixels are refused; undefined: the decoder's own limit. */
  readonly maxPixels: number | undefined;
  readonly wants: FactsWanted;
}

export interface FactsWanted {
  readonly families: boolean;
  readonly tiles: boolean;
  /** Whether the picture itself comes back, for a descriptor. */
  readonly picture: boolean;
}

/** What is known of a picture without looking at others. */
export interface PictureFacts {
  readonly sha256: string;
  readonly md5: string;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
  /** null where there is no structure, hexadecimal as all hashes here. */
  readonly phash: string | null;
  /** Hashes of a 3 × 3 grid, row by row, dashes where there is no structure. */
  readonly fields: string | null;
  readonly tiles: readonly (Tile & { readonly phash: string })[];
  readonly picture: Picture | undefined;
}

/** A hash's place where a field has no structure. */
const dash = '-'.repeat(16);

/**
 * The facts of a picture's file, or the line that says why it cannot be read.
 *
 * @throws VerbatimError (exit code 2) for what no other picture would fare better with
 */
export async function factsOfEncoded(
  request: FactsRequest,
): Promise<PictureFacts | { readonly error: string }> {
  const { encoded, where, maxPixels, wants } = request;
  try {
    return factsOf(await decodePicture(encoded, { where, ...(maxPixels && { maxPixels }) }), encoded, wants);
  } catch (error) {
    rethrowFatal(error, undefined);
    return { error: errorText(error) };
  }
}

/** The facts of a picture; without a file (`encoded`), of one that was drawn. */
export function factsOf(picture: Picture, encoded: Uint8Array | undefined, wants: FactsWanted): PictureFacts {
  const content = encoded ?? picture.data;
  const drawn = encoded === undefined ? picture : undefined;
  return {
    sha256: digestOf('sha256', content, drawn),
    md5: digestOf('md5', content, drawn),
    bytes: content.byteLength,
    width: picture.width,
    height: picture.height,
    phash: hashOf(picture) ?? null,
    fields: wants.families ? fieldHashes(picture) : null,
    tiles: wants.tiles ? tileHashes(picture) : [],
    picture: wants.picture ? picture : undefined,
  };
}

/** Of a drawn picture the size counts too: equal pixels in another shape are another picture. */
function digestOf(name: 'sha256' | 'md5', content: Uint8Array, drawn: Picture | undefined): string {
  const hash = createHash(name);
  if (drawn !== undefined) hash.update(`${drawn.width}x${drawn.height}\n`);
  return hash.update(content).digest('hex');
}

/** A picture whose levels differ less than this everywhere, 8 bits, has no structure: its hash would be noise. */
const leastContrast = 8;

function structured({ data }: Picture): boolean {
  for (let channel = 0; channel < 3; channel++) {
    let [low, high] = [255, 0];
    for (let at = channel; at < data.length; at += 3) {
      low = Math.min(low, data[at]!);
      high = Math.max(high, data[at]!);
      if (high - low >= leastContrast) return true;
    }
  }
  return false;
}

function hashOf(picture: Picture): string | undefined {
  return structured(picture) ? hex(phash(picture)) : undefined;
}

function tileHashes(picture: Picture): PictureFacts['tiles'] {
  return tilesOf(picture).flatMap((tile) => {
    const hash = hashOf(crop(picture, tile.x, tile.y, tile.width, tile.height));
    return hash === undefined ? [] : [{ ...tile, phash: hash }];
  });
}

/** Hashes of a 3 × 3 grid: variants of a template have some in common, in place. */
function fieldHashes(picture: Picture): string {
  const { width, height } = picture;
  const whole = { x: 0, y: 0, width, height };
  if (Math.min(width, height) < 3) return dash.repeat(9);
  return Array.from({ length: 9 }, (_, i) => {
    const tile = field(whole, i % 3, 3, Math.floor(i / 3), 3);
    return hashOf(crop(picture, tile.x, tile.y, tile.width, tile.height)) ?? dash;
  }).join('');
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
