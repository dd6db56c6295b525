import { raw } from 'hono/html';
import type { RunDescription } from '../stages/index.ts';
import { html, type Markup } from './markup.ts';
import { style } from './style.ts';

/** What a page allows itself: its own pictures and style sheet, no script, no network. */
const policy =
  "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** What stands in the frame that all pages share. */
export interface PageParts {
  readonly title: string;
  /** Above the contents: what the page is about, its answer, one paragraph. */
  readonly header: Markup;
  /** Id and short title of each section. */
  readonly contents: readonly (readonly [id: string, title: string])[];
  readonly main: Markup;
  /** After the versions: the digests of what was read. */
  readonly footer: Markup;
  readonly run: Pick<RunDescription, 'verbatim' | 'versions'>;
  /** Rules that only this page needs. */
  readonly style?: string;
}

/** A whole HTML page. It holds no script and forbids any; the same parts give the same text. */
export function pageText({ title, header, contents, main, footer, run, style: own = '' }: PageParts): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${raw(style + own)}</style>
</head>
<body>
<header>${header}
<nav aria-label="Contents">${contents.map(([id, name]) => html`<a href="#${id}">${name}</a> `)}</nav></header>
<main>
${main}
</main>
<footer>verbatim ${run.verbatim}${Object.entries(run.versions).map(([name, version]) => ` · ${name} ${version}`)}<br>
${footer}</footer>
</body>
</html>
`;
  return page.toString();
}

/** The last section: where the figures come from, and the configuration that makes them again. */
export function reproduceSection(where: Markup, { command, config }: RunDescription): Markup {
  return html`<section id="reproduce"><h2>How to reproduce</h2>
<p>${where} Run the same command with this configuration:</p>
<details><summary>Configuration</summary><pre>${JSON.stringify({ command, ...config }, undefined, 2)}</pre></details></section>`;
}
