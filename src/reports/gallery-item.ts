import type { Rule } from '../labels/index.ts';
import type { LabelRow } from '../stages/index.ts';
import { type Caption, comparisonsOf, rules, type Sample } from './captions.ts';
import type { Evidence } from './evidence.ts';
import { type FigureOptions, fact, figure } from './figure.ts';
import { captionText, distance, integer, score } from './format.ts';
import type { GallerySection } from './gallery.ts';
import type { CopiedImage, CopiedImages } from './images.ts';
import { html, type Markup } from './markup.ts';
import { pText } from './significance-section.ts';
import { labelWords } from './words.ts';

/** One caption: what to look at in a row, the figures beside it, and every rule's rows to unfold. */
export function item(
  caption: Caption,
  section: GallerySection,
  images: CopiedImages,
  evidence: Evidence | undefined,
  attackNames: readonly string[],
): Markup {
  const { own, shown, samples } = caption;
  const text = html`<p class="caption"><bdi>${captionText(caption.caption)}</bdi></p>`;
  const scores = attackNames.map((name) => {
    const value = caption.scores.get(name);
    return fact(name, value === undefined ? '–' : score(value));
  });
  const known = html`${caption.copies === null ? null : fact('copies', integer(caption.copies))}${caption.role === null ? null : fact('kind', caption.role)}${caption.significance === undefined ? null : html`${fact('p', pText(caption.significance.p))}${fact('q', pText(caption.significance.q))}`}`;
  // Without a picture there is nothing to look at: one line of figures.
  if (own === undefined && caption.oneStep === null && samples.length === 0)
    return html`<article class="item plain">${text}<dl>${known}${scores}</dl></article>`;
  if (shown === undefined || section === 'high-score')
    return html`<article class="item"><div class="pictures">
${figure(stored(images, own?.image), own === undefined ? 'not compared' : 'not stored', ownTitle(caption))}
${figure(stored(images, caption.oneStep), 'not generated', 'one step')}
${samples.length === 0 ? figure(undefined, 'not synthesized', 'samples') : samples.map((sample) => sampleFigure(images, sample, caption))}
</div><div class="facts">${text}<dl>${own === undefined ? null : fact('distance', distance(own.distance, caption.rule))}${known}${scores}</dl></div></article>`;
  const { verdict, sample, picture } = shown;
  const words = evidence?.words[caption.rule] ?? labelWords(shown.label);
  const facts = html`<dl>${picture === undefined ? null : fact('distance', distance(picture.distance, caption.rule))}
${verdict === 'MV' || verdict === 'none' || own === undefined || own.index === picture?.index ? null : fact('to its own picture', distance(own.distance, caption.rule))}
${shown.label.family === null ? null : fact('family', shown.label.family)}${known}</dl>`;
  const wordsOf = (one: Sample, rule: Rule, label: LabelRow) =>
    label.error ?? (one === sample ? evidence?.words[rule] : undefined) ?? labelWords(label);
  const all = samples.flatMap((one) =>
    rules.flatMap((rule) => {
      const label = one.labels[rule];
      return label === undefined ? [] : { label, said: wordsOf(one, rule, label) };
    }),
  );
  const said = all.some((row) => row.said !== '');
  return html`<article class="item"><div class="pictures">
${figure(stored(images, picture?.image), picture === undefined ? 'not compared' : 'not stored', pictureTitle(caption))}
${figure(stored(images, sample.image), 'missing', `sample ${sample.sample}`, matching(verdict !== 'none'))}
${evidence?.moved === true ? figure(evidence.pictures.aligned, '', 'laid over the sample') : null}
${evidence?.pictures.overlay === undefined ? null : figure(evidence.pictures.overlay, '', 'overlay')}
${evidence?.pictures.difference === undefined ? null : figure(evidence.pictures.difference, '', 'difference')}
</div><div class="facts">${text}<p class="said">${verdict === 'none' ? null : html`<b class="verdict">${verdict}</b> `}${words}</p>
${sample.review === undefined ? null : html`<p class="review">${sample.review.decision === 'reject' ? 'Rejected' : 'Accepted'}: <bdi>${captionText(sample.review.reason)}</bdi></p>`}
${facts}</div>
<details class="rows"><summary>Every rule and sample</summary>
<div class="scroll"><table><thead><tr><th>Sample</th><th class="text">Rule</th><th class="text">Verdict</th><th>Distance</th><th>Threshold</th><th>Training picture</th>${said ? html`<th class="text">In words</th>` : null}</tr></thead><tbody>${all.map((row) => labelRow(row.label, said ? row.said : undefined))}</tbody></table></div>
<div class="pictures">${caption.oneStep === null ? null : figure(stored(images, caption.oneStep), 'not stored', 'one step')}${samples.map((one) => sampleFigure(images, one, caption))}</div>
<dl>${scores}</dl>
${evidence === undefined ? null : html`<p class="note"><code>${evidence.folder}</code> · key <code>${captionText(caption.key)}</code></p>`}</details></article>`;
}

const matching = (matches: boolean): FigureOptions => (matches ? { frame: 'match' } : {});

/** @param said in words; undefined where no row of the table has any */
function labelRow(label: LabelRow, said: string | undefined): Markup {
  const shown = (value: number | null) => (value === null ? '–' : distance(value, label.rule as Rule));
  return html`<tr><td>${label.sample}</td><td class="text">${label.rule}</td><td class="text">${label.verdict ?? 'failed'}</td><td>${shown(label.distance)}</td><td>${shown(label.threshold)}</td><td>${label.training_index ?? '–'}</td>${said === undefined ? null : html`<td class="text words">${said}</td>`}</tr>`;
}

function ownTitle({ neverSeen }: Caption): string {
  return neverSeen ? 'its picture, never seen' : 'training image';
}

/** Another caption's picture is named by its position; whose it is, the verdict says. */
function pictureTitle(caption: Caption): string {
  const { shown, own } = caption;
  const apart = shown?.verdict === 'RV' || (shown?.verdict === 'TV' && shown.picture?.index !== own?.index);
  return apart ? `training image ${shown?.picture?.index ?? ''}` : ownTitle(caption);
}

function sampleFigure(images: CopiedImages, sample: Sample, { rule }: Caption): Markup {
  const label: LabelRow | undefined = sample.labels[rule];
  const found = label?.verdict != null && label.verdict !== 'none';
  const { own, other } = label === undefined ? {} : comparisonsOf(label);
  const near = found ? (other ?? own) : own;
  const short =
    near === undefined ? null : rule === 'reference' ? integer(near.distance) : near.distance.toFixed(3);
  const text = html`sample ${sample.sample}${short === null ? null : html`<br>${found ? html`<b>${short} ${label.verdict}</b>` : short}`}`;
  return figure(
    stored(images, sample.image),
    sample.error === null ? 'missing' : 'failed',
    text,
    matching(found),
  );
}

function stored(images: CopiedImages, digest: string | null | undefined): CopiedImage | undefined {
  return digest == null ? undefined : images.get(digest);
}
