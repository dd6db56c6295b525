import { type FigureOptions, figure } from '../figure.ts';
import { captionText, counted, integer } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { shownCaption, shownKey } from './text.ts';
import type { Thumbnails } from './thumbnails.ts';

/** An item's picture with its key below, which is cut to the width of the picture. */
export function itemFigure(
  { pictures }: Thumbnails,
  { dataset_index, key }: { readonly dataset_index: number; readonly key: string },
  words: readonly (Markup | string | null)[],
  options: FigureOptions = {},
): Markup {
  const thumbnail = pictures.get(dataset_index);
  const image = thumbnail !== undefined && 'image' in thumbnail ? thumbnail.image : undefined;
  const reason = thumbnail !== undefined && 'error' in thumbnail ? shortened(thumbnail.error) : 'no picture';
  const said = words.filter((word) => word !== null);
  return figure(image, reason, html`${said.map((word) => html`<span>${word}</span>`)}${keyText(key)}`, {
    alternative: `picture of row ${dataset_index}`,
    ...options,
  });
}

/** A key in one line; the whole of it shows up where the pointer rests. */
export function keyText(key: string): Markup {
  const text = shownKey(key);
  return html`<bdi class="id" title="${text}">${text}</bdi>`;
}

function shortened(reason: string): string {
  const text = captionText(reason);
  return [...text].length <= 90 ? text : `${[...text].slice(0, 88).join('')}…`;
}

/** Captions with how often each stands, the most frequent first. */
export function captionList(
  said: readonly { readonly caption: string; readonly count: number }[],
  further: number,
): Markup {
  return html`<ul class="captions">${said.map(
    ({ caption, count }) =>
      html`<li><span class="count">${integer(count)}×</span> <bdi>${shownCaption(caption)}</bdi></li>`,
  )}</ul>${further > 0 ? html`<p class="note">and ${counted(further, 'further caption')}</p>` : null}`;
}
