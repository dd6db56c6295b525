import { captionText } from '../format.ts';

/** Characters of a caption and of a key that are read from the tables: one may be as long as a book. */
export const captionLength = 2_000;
const keyLength = 500;

/** SQL: the columns `caption` and `key`, cut. */
export const captionColumn = `left(caption, ${captionLength}) AS caption`;
export const keyColumn = `left(key, ${keyLength}) AS key`;

/** A caption that was read so, for the page. */
export function shownCaption(caption: string): string {
  return captionText(caption, captionLength);
}

/** A key that was read so, for the page. */
export function shownKey(key: string): string {
  return captionText(key, keyLength);
}
