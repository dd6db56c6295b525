import { raw } from 'hono/html';
import type { Caption } from './captions.ts';
import type { Evidence, EvidenceByKey } from './evidence.ts';
import { differenceColours, fullDifference, outlineColour, uncoveredColour } from './evidence-pictures.ts';
import { counted, integer } from './format.ts';
import type { Gallery, GallerySection } from './gallery.ts';
import { item } from './gallery-item.ts';
import type { CopiedImages } from './images.ts';
import { empty, html, type Markup } from './markup.ts';

const titles: Readonly<Record<GallerySection, readonly [string, string]>> = {
  'false-positive': ['False positives', 'Labelled as found, although the model never saw the picture.'],
  TV: [
    'Template verbatim (TV)',
    'A sample repeats what the variants of a template have in common, outside of the region in which they differ.',
  ],
  MV: ['Matching verbatim (MV)', 'A sample repeats the caption’s own training picture.'],
  RV: ['Retrieval verbatim (RV)', 'A sample repeats a training picture that belongs to another caption.'],
  rejected: [
    'Rejected by hand',
    'Matches by the rule that somebody looked at and rejected. Not counted as found.',
  ],
  'never-seen': [
    'Never-seen captions that repeat another picture',
    'The model was not trained on these captions, but a sample repeats a training picture (RV) or a template (TV). Neither a finding nor a false positive, and counted apart.',
  ],
  'near-miss': ['Near misses', 'Synthesized and judged, not matching; the nearest first.'],
  'high-score': [
    'Highest scores not found',
    'Ranked by the first step’s attack: captions that do not match, or that were passed over before the synthesis.',
  ],
};

/** How many captions of each kind are open; the rest unfolds. */
const visibleItems: Readonly<Record<GallerySection, number>> = {
  // All of them.
  'false-positive': Number.MAX_SAFE_INTEGER,
  TV: 6,
  MV: 6,
  RV: 6,
  rejected: 4,
  'never-seen': 4,
  'near-miss': 4,
  'high-score': 4,
};
const findings: readonly GallerySection[] = ['TV', 'MV', 'RV'];

/** The evidence: each caption's pair of pictures, where they differ, and what every rule says. */
export function gallerySection(
  galleries: readonly Gallery[],
  images: CopiedImages,
  evidence: EvidenceByKey,
  attackNames: readonly string[],
): Markup {
  if (galleries.length === 0)
    return html`<section id="gallery"><h2>Gallery</h2>${empty('There is nothing to show yet: no caption has been scored or synthesized.')}</section>`;
  const has = (kind: GallerySection) => galleries.some(({ section }) => section === kind);
  const found = findings.some(has);
  return html`<section id="gallery"><h2>Gallery</h2>
${found ? null : empty(has('near-miss') ? 'No training image was found. What came nearest follows.' : 'No picture has been judged. The captions with the highest scores follow.')}
${[...evidence.values()].some(({ pictures }) => pictures.difference !== undefined) ? legend(evidence) : null}
${galleries.map((gallery) => {
  const { section, total, captions } = gallery;
  const [title, explanation] = titles[section];
  const items = captions.map((caption: Caption) =>
    item(caption, section, images, evidence.get(caption.key), attackNames),
  );
  const open = visibleItems[section];
  const rest = items.slice(open);
  // Everything that was scored could follow the highest scores: no news.
  const missing = section === 'high-score' ? 0 : total - captions.length;
  const order = findings.includes(section)
    ? ' Nearest first, each training picture once before any comes again.'
    : '';
  return html`<h3>${title}${section === 'high-score' ? null : html` <span class="note">(${integer(total)})</span>`}</h3><p class="note">${explanation}${order}</p>
<div class="items">${items.slice(0, open)}</div>
${rest.length === 0 ? null : html`<details><summary>${integer(rest.length)} more</summary><div class="items">${rest}</div></details>`}
${missing === 0 ? null : html`<p class="note">${counted(missing, 'further caption')} ${missing === 1 ? 'stands' : 'stand'} in the tables.</p>`}`;
})}</section>`;
}

const rgb = (colour: readonly number[]) => `rgb(${colour.join(' ')})`;

/** How to read overlay and difference; said once for all items. */
function legend(evidence: EvidenceByKey): Markup {
  const some = (test: (one: Evidence) => boolean) => [...evidence.values()].some(test);
  const ramp = `linear-gradient(to right, ${differenceColours.map(rgb).join(', ')})`;
  const swatch = (style: string, text: string) =>
    html`<li><span class="swatch" style="${raw(style)}"></span>${text}</li>`;
  return html`<div class="key"><p class="note">Overlay: sample and training picture in the tiles of a checkerboard; edges that run on across the tiles lie in the same place. Difference: at each pixel, the full scale is a quarter of the range of values. All pictures and numbers also lie as files in <code>evidence/</code> beside this page.</p>
<ul class="legend"><li>0 <span class="swatch ramp" style="background:${raw(ramp)}"></span> ≥ ${fullDifference}</li>
${some((one) => one.outlined) ? swatch(`border:2px solid ${rgb(outlineColour)}`, 'around what was compared, or agrees') : null}
${some(({ moved }) => moved) ? swatch(`background:${rgb(uncoveredColour)}`, 'the training picture does not reach here') : null}</ul></div>`;
}
