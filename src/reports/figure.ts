import type { CopiedImage } from './images.ts';
import { html, type Markup } from './markup.ts';

/** A line of a list of figures. */
export function fact(name: string, value: string): Markup {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
}

export interface FigureOptions {
  /** Framed: 'match' is a finding, 'kept' stays in the dataset. */
  readonly frame?: 'match' | 'kept' | undefined;
  /** What the picture is, for those who do not see it; default: the caption, where it is plain text. */
  readonly alternative?: string;
  /** Drawn over the picture, in a box of the same shape. */
  readonly over?: Markup | undefined;
}

/** A picture with its caption, or a box that says why there is none. */
export function figure(
  image: CopiedImage | undefined,
  otherwise: string,
  text: Markup | string,
  { frame, alternative, over }: FigureOptions = {},
): Markup {
  const plain = typeof text === 'string' && !('isEscaped' in Object(text)) ? text : 'sample';
  const content =
    image === undefined
      ? html`<div class="missing">${otherwise}</div>`
      : html`<img src="${image.path}" alt="${alternative ?? plain}" width="${image.width}" height="${image.height}" loading="lazy"${image.width <= 128 ? html` class="small"` : null}>`;
  return html`<figure${frame === undefined ? null : html` class="${frame}"`}>${over === undefined ? content : html`<div class="over">${content}${over}</div>`}<figcaption>${text}</figcaption></figure>`;
}
