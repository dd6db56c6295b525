import { fact, figure } from '../figure.ts';
import { counted, integer, percentage } from '../format.ts';
import { empty, html, type Markup } from '../markup.ts';
import { captionsOfGroup, type DedupPageData } from './data.ts';
import type { ShownFamily } from './family-data.ts';
import type { ShownWhole } from './part-data.ts';
import { itemFigure } from './pictures.ts';
import { shownCaption } from './text.ts';
import type { Thumbnails } from './thumbnails.ts';
import { cosineText } from './words.ts';

/** Pictures found within others, with their places drawn. Null where nobody looked. */
export function partsSection(data: DedupPageData, thumbnails: Thumbnails): Markup | null {
  const { summary, wholes } = data;
  if (!summary.levels.includes('tiles')) return null;
  const heading = html`<h2>Pictures within others</h2>`;
  if (summary.parts === 0)
    return html`<section id="parts">${heading}${empty('No picture was found in a part of another.')}</section>`;
  const joined = summary.byLevel['tiles']?.pairs ?? 0;
  const small = summary.parts - joined;
  return html`<section id="parts">${heading}
<p>${counted(summary.parts, 'time')} a picture lies in a part of another: ${times(joined)} it covers half of it or more, and both are in one group; ${times(small)} it covers less, as in a collage, and joins none. Those that hold most small ones come first.</p>
${
  wholes.length === 0
    ? empty('All of them cover nine tenths of the other or more: the groups above show them.')
    : html`<div class="items">${wholes.map((whole) => wholeItem(whole, thumbnails))}</div>`
}
<p class="note">Those that cover nine tenths or more are not drawn. All stand in <code>tables/edges-tiles</code>; of pictures with equal hashes the first stands for all.</p></section>`;
}

function times(count: number): string {
  return count === 1 ? 'once' : counted(count, 'time');
}

function wholeItem(whole: ShownWhole, thumbnails: Thumbnails): Markup {
  const { parts, count } = whole;
  const thumbnail = thumbnails.pictures.get(whole.dataset_index);
  const over =
    thumbnail !== undefined && 'width' in thumbnail
      ? html`<svg viewBox="0 0 ${thumbnail.width} ${thumbnail.height}" aria-hidden="true">${parts.map(
          ({ x, y, width, height }) =>
            html`<rect class="under" x="${x}" y="${y}" width="${width}" height="${height}"></rect><rect x="${x}" y="${y}" width="${width}" height="${height}"></rect>`,
        )}</svg>`
      : undefined;
  const rest = count - parts.length;
  return html`<article class="item part"><div class="strip"><div class="pictures">
${itemFigure(thumbnails, whole, [html`<b>holds ${integer(count)}</b>`, sizeOf(thumbnail)], { over })}
${parts.map((part) => itemFigure(thumbnails, part, [`${percentage(part.area)} of it`, `correlation ${cosineText(part.score)}`]))}</div>${
    rest > 0 ? html`<p class="note">and ${counted(rest, 'further part')}</p>` : null
  }</div>
<div class="facts"><p class="caption"><bdi>${shownCaption(whole.caption)}</bdi></p></div></article>`;
}

function sizeOf(thumbnail: ReturnType<Thumbnails['pictures']['get']>): string | null {
  return thumbnail !== undefined && 'width' in thumbnail ? `${thumbnail.width} × ${thumbnail.height}` : null;
}

/** Template-like families: some variants, and where they agree. Null where nobody looked. */
export function familiesSection(data: DedupPageData, thumbnails: Thumbnails): Markup | null {
  const { families, summary } = data;
  if (summary.families === null) return null;
  const heading = html`<h2>Template-like families</h2>`;
  if (summary.families === 0)
    return html`<section id="families">${heading}${empty('No family of pictures was found that are the same outside a region.')}</section>`;
  return html`<section id="families">${heading}
<p>${counted(summary.families, 'family', 'families')} of pictures that are the same outside a region. They decide nothing about what stays: variants go only where they stand in a group above too. But a model can repeat what they have in common. The mask is white where the variants agree.${
    families.length < summary.families
      ? html` The ${families.length} largest are shown; all stand in <code>families.parquet</code>.`
      : null
  }</p>
<div class="items">${families.map((family) => familyItem(family, thumbnails))}</div></section>`;
}

function familyItem(family: ShownFamily, thumbnails: Thumbnails): Markup {
  const { rate, varying, variants, template, mask } = family;
  const rest = rate - variants.length;
  const [seed, ...others] = variants;
  return html`<article class="item group"><h3>${counted(rate, 'variant')} <span class="note">family ${family.family}</span></h3>
<div class="strip"><div class="pictures">${seed === undefined ? null : itemFigure(thumbnails, seed, [seed.seed ? html`<b>seed</b>` : null])}
${figure(thumbnails.masks.get(mask), 'mask not stored', 'mask', { alternative: 'mask, white where the variants agree' })}
${others.map((variant) => itemFigure(thumbnails, variant, []))}</div>${
    rest > 0 ? html`<p class="note">and ${counted(rest, 'further variant')}</p>` : null
  }</div>
<div class="facts"><dl>${fact('varies', `${percentage(varying)} of the picture`)}</dl>
${template === null ? html`<p class="said"><bdi>${shownCaption(seed?.caption ?? '')}</bdi></p>` : html`<p class="said">All captions hold: <bdi>${shownCaption(template)}</bdi></p>`}</div></article>`;
}

/** The captions that an audit should begin with. */
export function candidatesSection({ candidates, summary, groups }: DedupPageData): Markup {
  const heading = html`<h2>Most duplicated captions</h2>`;
  if (candidates.length === 0)
    return html`<section id="candidates">${heading}${empty(summary.candidates === 0 ? 'No caption stands in a group.' : 'The list is empty.')}</section>`;
  const shown = new Set(groups.map(({ group }) => group));
  const rows = candidates.map(
    ({ rank, caption, copies, caption_copies, group, modality }) =>
      html`<tr><td>${integer(rank)}</td><td class="text words"><bdi>${shownCaption(caption)}</bdi></td><td>${integer(copies)}</td><td>${integer(caption_copies)}</td><td class="text line wide">${modality ?? '–'}</td><td>${group === null ? '–' : shown.has(group) ? html`<a href="#group-${group}">${group}</a>` : integer(group)}</td></tr>`,
  );
  const open = 15;
  const table = (those: readonly Markup[]) =>
    html`<div class="scroll"><table class="candidates"><thead><tr><th></th><th class="text">Caption</th><th>Rate</th><th>Rows with it</th><th class="text wide">Group’s captions</th><th>Group</th></tr></thead><tbody>${those}</tbody></table></div>`;
  const rest = rows.slice(open);
  const further = summary.candidates - candidates.length;
  return html`<section id="candidates">${heading}
<p>By the rate of the largest group that has the caption, then by how many rows of the dataset have it. An audit takes them in this order: <code>candidates.from</code> names this folder. Of one group ${captionsOfGroup} captions are shown at most.</p>
${table(rows.slice(0, open))}
${rest.length === 0 ? null : html`<details><summary>${integer(rest.length)} more</summary>${table(rest)}</details>`}
${further > 0 ? html`<p class="note">${counted(further, 'further caption')} ${further === 1 ? 'stands' : 'stand'} in <code>candidates.parquet</code>.</p>` : null}</section>`;
}
