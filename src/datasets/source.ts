import type { Picture } from '../images/index.ts';

/** What a truth row says of a picture. */
export interface Description {
  readonly caption: string;
  /** The kind of picture: a scene's name, a photograph's class. */
  readonly scene: string;
}

/** Where the pictures of a planted set come from: drawn, or photographs. Everything in it is deterministic. */
export interface PictureSource {
  readonly name: string;
  /** SHA-256 over what the pictures are drawn or read from, hex. */
  readonly digest: string;
  /** Side of the square pictures in pixels. */
  readonly size: number;
  /** How many different pictures it has; Infinity when they are drawn. Families use further ones. */
  readonly count: number;
  describe(index: number): Description;
  picture(index: number): Promise<Picture>;
  /** Another caption for the same picture; variant ≥ 1 (0 is the one of `describe`). */
  recaption(index: number, variant: number): string;
  /** A variant of a template family: the region, pixels [x, y, width, height], is all that varies. */
  describeVariant(
    family: number,
    variant: number,
  ): Description & { readonly region: readonly [number, number, number, number] };
  pictureVariant(family: number, variant: number): Promise<Picture>;
}
