import type { Caption } from './captions.ts';
import { cliquesSection } from './cliques-section.ts';
import type { ReportData } from './data.ts';
import { duplicationSection } from './duplication-section.ts';
import type { EvidenceByKey } from './evidence.ts';
import { foundSection } from './found-section.ts';
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
import { pageText, reproduceSection } from './shell.ts';
import { significanceSection } from './significance-section.ts';
import type { Summary } from './summary.ts';

const contents = [
  ['funnel', 'Funnel'],
  ['cliques', 'Generate and filter'],
  ['gallery', 'Gallery'],
  ['recall', 'Recall'],
  ['roc', 'ROC'],
  ['precision', 'Precision'],
  ['sure', 'How sure'],
  ['copies', 'Verbatims and copies'],
  ['rules', 'Rules and threshold'],
  ['spent', 'Found against evaluations'],
  ['cost', 'Cost'],
  ['reproduce', 'Reproduce'],
] as const;

/**
 * The report as one HTML page. Captions, keys and reasons are escaped by the templates; the page holds no
 * script and forbids any. The same arguments give the same text.
 */
export function renderPage(
  summary: Summary,
  { run, cliques, generations }: Pick<ReportData, 'run' | 'cliques' | 'generations'>,
  captions: readonly Caption[],
  galleries: readonly Gallery[],
  images: CopiedImages,
  evidence: EvidenceByKey,
): string {
  const attackNames = summary.attacks.map((attack) => attack.name);
  return pageText({
    title: `What ${summary.model} repeats`,
    header: html`<p class="name"><b>${summary.model}</b> audited over <b>${summary.dataset}</b></p>
${verdict(summary)}
${lead(summary)}`,
    contents: contents.filter(([id]) => id !== 'cliques' || summary.cliques !== null),
    main: html`${funnelSection(
      summary,
      generations.some(({ sample }) => sample < 0),
    )}
${cliquesSection(summary, cliques, captions, images)}
${gallerySection(galleries, images, evidence, attackNames)}
${recallSection(summary)}
${rocSection(summary)}
${precisionSection(summary)}
${significanceSection(summary)}
${duplicationSection(summary)}
${rulesSection(summary)}
${foundSection(summary)}
${costSection(summary)}
${reproduceSection(
  html`Every figure here stands in <code>summary.json</code> beside this page and can be recomputed from the run’s tables.`,
  run,
)}`,
    footer: html`model ${summary.modelDigest}<br>dataset ${summary.datasetDigest}`,
    run,
  });
}
