import type { Picture, ResizeFilter } from '../index.ts';

/** A picture in fixtures/golden.json: raw RGB as base64. */
export interface EncodedPicture {
  readonly width: number;
  readonly height: number;
  readonly data: string;
}

/** fixtures/golden.json, made by bench/peers/make_images_fixtures.py. */
export interface Golden {
  readonly source: EncodedPicture;
  readonly large: EncodedPicture;
  readonly resize: readonly (EncodedPicture & { filter: ResizeFilter; large?: boolean })[];
  readonly sobel: {
    magnitude: string;
    edges: Record<string, string>;
    soft: EncodedPicture;
    softEdges: string;
    thin: EncodedPicture;
    thinMagnitude: string;
  };
  readonly morphology: EncodedPicture & {
    erode: Record<string, string>;
    dilate: Record<string, string>;
    reference: string;
  };
  readonly files: readonly (EncodedPicture & { name: string; exact: boolean; bytes: string })[];
  readonly tensors: { values: number[]; rounded: number[]; normalized: number[] };
}

export function bytesFrom(base64: string): Uint8Array {
  // Copied out of Buffer's shared pool, so that a Float32Array can stand on it.
  return Uint8Array.from(Buffer.from(base64, 'base64'));
}

export function pictureFrom({ width, height, data }: EncodedPicture): Picture {
  return { width, height, data: bytesFrom(data) };
}
