import { type raw, html as template } from 'hono/html';

/** Markup that is already escaped. */
export type Markup = ReturnType<typeof raw>;

/**
 * hono's tagged template: every value is escaped unless it is markup itself; arrays are joined, null and
 * false vanish. None of our values is a promise, so neither is the result.
 */
export function html(strings: TemplateStringsArray, ...values: unknown[]): Markup {
  return template(strings, ...values) as Markup;
}

/** Text in a paragraph that stands where a figure would: an empty state. */
export function empty(text: string): Markup {
  return html`<p class="empty">${text}</p>`;
}

/** A chart beside its table of numbers. */
export function pair(figure: Markup, table: Markup): Markup {
  return html`<div class="pair"><figure>${figure}</figure><div class="scroll">${table}</div></div>`;
}
