import type { Random } from '../random.ts';
import type { Canvas } from './canvas.ts';

/** What one picture is about: everything that its caption and its drawing must agree on. */
export interface Composition {
  /** A caption in the manner of a web crawl, 4–16 words; a new one for each random stream. */
  caption(random: Random): string;
  /** Draws it: layout, light, colours that the subject leaves open all come from the random stream. */
  draw(random: Random, canvas: Canvas): void;
}

/** One kind of picture. */
export interface Scene {
  /** Kebab case: the `scene` column of the truth table and a class of the sample-quality classifier. */
  readonly name: string;
  compose(random: Random): Composition;
}
