import * as Plot from '@observablehq/plot';
import { raw } from 'hono/html';
import { parseHTML } from 'linkedom';

/** A finished chart: markup that is safe to place in the page, as hono's templates know it. */
export type Svg = ReturnType<typeof raw>;

/**
 * Plot draws into linkedom's document, so a chart is a string of SVG without a browser. One width serves
 * desk and phone: 440 units beside a table, scaled to 358 pixels on a phone, where 13 units are still 10.6.
 */
const frame = { width: 440, height: 300, marginLeft: 54, marginBottom: 44, marginTop: 22, marginRight: 18 };

/** One chart for a page; `label` says in words what it shows. */
export function draw(options: Plot.PlotOptions, label: string): Svg {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const figure = Plot.plot({ ...frame, ...options, document: document as never, ariaLabel: label });
  figure.setAttribute('role', 'img');
  figure.setAttribute('class', 'chart');
  // Plot's own style sheet would repeat in every chart; the page has these rules once.
  figure.querySelector('style')?.remove();
  return raw(figure.outerHTML);
}
