import { raw } from 'hono/html';
import type { RunDescription } from '../stages/index.ts';
import type { EvidenceByKey } from './evidence.ts';
import type { Gallery } from './gallery.ts';
import { gallerySection } from './gallery-section.ts';
import type { CopiedImages } from './images.ts';
import { html } from './markup.ts';
import { rulesSection } from './rules-section.ts';
import {
  costSection,
  funnelSection,
  lead,
  precisionSection,
  recallSection,
  rocSection,
  verdict,
} from './sections.ts';
import { style } from './style.ts';
import type { Summary } from './summary.ts';

/** What the page allows itself: its own pictures and style sheet, no script, no network. */
const policy =
  "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const contents = [
  ['funnel', 'Funnel'],
  ['gallery', 'Gallery'],
  ['recall', 'Recall'],
  ['roc', 'ROC'],
  ['precision', 'Precision'],
  ['rules', 'Rules and threshold'],
  ['cost', 'Cost'],
  ['reproduce', 'Reproduce'],
] as const;

/**
 * The report as one HTML page. Captions, keys and reasons are escaped by the templates; the page holds no
 * script and forbids any. The same arguments give the same text.
 */
export function renderPage(
  summary: Summary,
  run: RunDescription,
  galleries: readonly Gallery[],
  images: CopiedImages,
  evidence: EvidenceByKey,
): string {
  const attackNames = summary.attacks.map((attack) => attack.name);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="referrer" content="no-referrer">
<title>What ${summary.model} repeats</title>
<style>${raw(style)}</style>
</head>
<body>
<header><p class="name"><b>${summary.model}</b> audited over <b>${summary.dataset}</b></p>
${verdict(summary)}
${lead(summary)}
<nav aria-label="Contents">${contents.map(([id, title]) => html`<a href="#${id}">${title}</a> `)}</nav></header>
<main>
${funnelSection(summary)}
${gallerySection(galleries, images, evidence, attackNames)}
${recallSection(summary)}
${rocSection(summary)}
${precisionSection(summary)}
${rulesSection(summary)}
${costSection(summary)}
<section id="reproduce"><h2>How to reproduce</h2>
<p>Every figure here stands in <code>summary.json</code> beside this page and can be recomputed from the run’s tables. Run the same command with this configuration:</p>
<details><summary>Configuration</summary><pre>${JSON.stringify({ command: run.command, ...run.config }, undefined, 2)}</pre></details></section>
</main>
<footer>verbatim ${run.verbatim}${Object.entries(run.versions).map(([name, version]) => ` · ${name} ${version}`)}<br>
model ${summary.modelDigest}<br>dataset ${summary.datasetDigest}</footer>
</body>
</html>
`;
  return page.toString();
}
