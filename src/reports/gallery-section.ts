import type { Rule } from '../labels/index.ts';
import { type Caption, comparisonsOf, type Sample } from './captions.ts';
import { captionText, counted, distance, integer, score } from './format.ts';
import type { Gallery, GallerySection } from './gallery.ts';
import type { CopiedImages } from './images.ts';
import { empty, html, type Markup } from './markup.ts';

const titles: Readonly<Record<GallerySection, readonly [string, string]>> = {
  'false-positive': ['False positives', 'Labelled as found, although the model never saw the picture.'],
  found: [
    'Found',
    'A sample matches the caption’s own training picture. Nearest first, each training picture once before any comes again.',
  ],
  'repeats-another': [
    'Another caption’s training picture',
    'A sample lies within the threshold of a training picture that belongs to another caption, as variants of one template do. No finding in this version, but worth a look.',
  ],
  'near-miss': ['Near misses', 'Synthesized and judged, not matching; the nearest first.'],
  'high-score': [
    'Highest scores not found',
    'Ranked by the first attack: captions that do not match, or that were passed over before the synthesis.',
  ],
};

/** How many captions of each kind are open; the rest unfolds. False positives are always open. */
const visibleItems: Readonly<Record<Exclude<GallerySection, 'false-positive'>, number>> = {
  found: 8,
  'repeats-another': 4,
  'near-miss': 4,
  'high-score': 4,
};

/** The evidence: each caption's training picture, one-step output and samples, with scores and distance. */
export function gallerySection(
  galleries: readonly Gallery[],
  images: CopiedImages,
  attackNames: readonly string[],
): Markup {
  if (galleries.length === 0)
    return html`<section id="gallery"><h2>Gallery</h2>${empty('There is nothing to show yet: no caption has been scored or synthesized.')}</section>`;
  const has = (kind: GallerySection) => galleries.some(({ section }) => section === kind);
  return html`<section id="gallery"><h2>Gallery</h2>
${has('found') ? null : empty(has('near-miss') ? 'No training image was found. What came nearest follows.' : 'No picture has been judged yet. The captions with the highest scores follow.')}
${galleries.map((gallery) => {
  const { section, total, captions } = gallery;
  const [title, explanation] = titles[section];
  const items = captions.map((caption) => item(caption, images, attackNames));
  const open = section === 'false-positive' ? items.length : visibleItems[section];
  const rest = items.slice(open);
  // Everything that was scored could follow the highest scores: no news.
  const missing = section === 'high-score' ? 0 : total - captions.length;
  return html`<h3>${title}${section === 'high-score' ? null : html` <span class="note">(${integer(total)})</span>`}</h3><p class="note">${explanation}</p>
<div class="items">${items.slice(0, open)}</div>
${rest.length === 0 ? null : html`<details><summary>${integer(rest.length)} more</summary><div class="items">${rest}</div></details>`}
${missing === 0 ? null : html`<p class="note">${counted(missing, 'further caption')} ${missing === 1 ? 'stands' : 'stand'} in the tables.</p>`}`;
})}</section>`;
}

function item(caption: Caption, images: CopiedImages, attackNames: readonly string[]): Markup {
  const { own, other } = caption;
  const text = html`<p class="caption"><bdi>${captionText(caption.caption)}</bdi></p>`;
  const facts = html`<dl>${own === undefined ? null : fact('distance', distance(own.distance, caption.rule))}
${other === undefined ? null : fact(`to picture ${other.index}`, distance(other.distance, 'calibrated'))}
${caption.copies === null ? null : fact('copies', integer(caption.copies))}
${caption.role === null ? null : fact('kind', caption.role)}
${attackNames.map((name) => {
  const value = caption.scores.get(name);
  return fact(name, value === undefined ? '–' : score(value));
})}</dl>`;
  // Without a picture there is nothing to look at: one line of figures.
  if (own === undefined && caption.oneStep === null && caption.samples.length === 0)
    return html`<article class="item plain">${text}${facts}</article>`;
  return html`<article class="item"><div class="pictures">
${picture(images, own?.image ?? null, own === undefined ? 'not compared' : 'not stored', caption.neverSeen ? 'its picture, never seen' : 'training image')}
${other === undefined ? null : picture(images, other.image, 'not stored', `training image ${other.index}, another caption’s`)}
${picture(images, caption.oneStep, 'not generated', 'one step')}
${caption.samples.length === 0 ? picture(images, null, 'not synthesized', 'samples') : caption.samples.map((sample) => samplePicture(images, sample, caption.rule))}
</div><div class="facts">${text}${facts}</div></article>`;
}

function fact(name: string, value: string): Markup {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
}

function samplePicture(images: CopiedImages, sample: Sample, rule: Rule): Markup {
  const label = sample.labels[rule];
  const matches = label?.verdict === 'MV';
  const { own, other } = label === undefined ? {} : comparisonsOf(label);
  const shown =
    own === undefined ? null : rule === 'calibrated' ? own.distance.toFixed(3) : distance(own.distance, rule);
  const text = html`sample ${sample.sample + 1}${shown === null ? null : html`<br>${matches ? html`<b>${shown} match</b>` : shown}`}${other === undefined ? null : html`<br><b>${other.distance.toFixed(3)}</b> to ${other.index}`}`;
  return picture(images, sample.image, sample.error === null ? 'missing' : 'failed', text, matches);
}

function picture(
  images: CopiedImages,
  sha256: string | null,
  otherwise: string,
  text: Markup | string,
  matches = false,
): Markup {
  const image = sha256 === null ? undefined : images.get(sha256);
  const alternative = typeof text === 'string' && !('isEscaped' in Object(text)) ? text : 'sample';
  const content =
    image === undefined
      ? html`<div class="missing">${otherwise}</div>`
      : html`<img src="${image.path}" alt="${alternative}" width="${image.width}" height="${image.height}" loading="lazy"${image.width <= 128 ? html` class="small"` : null}>`;
  return html`<figure${matches ? html` class="match"` : null}>${content}<figcaption>${text}</figcaption></figure>`;
}
