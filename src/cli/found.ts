import type { Summary } from '../reports/index.ts';
import { count } from './progress.ts';

/** The line that says what was found, by which rule, and what somebody took out of it. */
export function foundLine({ found, judged, captions, rule, reviews }: Summary): string {
  const by = rule === null ? '' : ` by the ${rule} rule`;
  const hand = reviews.rejected === 0 ? '' : `; ${count(reviews.rejected)} rejected by hand`;
  return `found    ${count(found.images)} training images${by}, from ${count(found.captions)} of ${count(captions)} captions (${count(judged)} judged${hand})`;
}
