import { counted, integer } from './format.ts';
import { html, type Markup } from './markup.ts';
import type { Summary } from './summary.ts';

/** Recall over the template families that were planted; null where the truth names none. */
export function familyTable({ families, rule, judged }: Summary): Markup | null {
  if (families.length === 0 || judged === 0) return null;
  const audited = families.filter((family) => family.audited > 0);
  const found = families.filter((family) => family.found > 0);
  const overlaps = found.flatMap(({ overlap }) => overlap ?? []).sort((a, b) => a - b);
  const middle = overlaps[Math.floor(overlaps.length / 2)];
  const rows = families.map(
    (family) =>
      html`<tr><td>${family.family}</td><td class="text">${family.scene}</td><td>${integer(family.variants)}</td><td>${integer(family.audited)}</td><td>${integer(family.found)}</td><td>${family.overlap === null ? '–' : family.overlap.toFixed(2)}</td></tr>`,
  );
  return html`<h3>Template families</h3>
<p>Families planted in the training set of the audited model: pictures that are alike outside of one region. ${integer(found.length)} of ${counted(audited.length, 'audited family', 'audited families')} ${found.length === 1 ? 'was' : 'were'} found, by a sample that is TV by the ${rule} rule.${
    middle === undefined
      ? ''
      : ` Overlap is the region that the finding leaves open against the planted one, intersection over union; the median is ${middle.toFixed(2)}.`
  }</p>
<div class="scroll"><table><thead><tr><th>Family</th><th class="text">Kind</th><th>Variants</th><th>Audited</th><th>Found as TV</th><th>Overlap</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}
