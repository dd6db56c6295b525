import { html, type Markup } from '../markup.ts';
import { pageText, reproduceSection } from '../shell.ts';
import { completenessSection } from './completeness.ts';
import type { DedupPageData } from './data.ts';
import { candidatesSection, familiesSection, partsSection } from './found-sections.ts';
import { captionsSection, groupsSection } from './group-section.ts';
import { ratesSection } from './rates.ts';
import { answer, figuresSection, lead, leftOutSection } from './sections.ts';
import { dedupStyle } from './style.ts';
import type { Thumbnails } from './thumbnails.ts';

/**
 * The page of a dedup folder. Captions, keys and reasons are escaped by the templates and cut; the page holds no script and
 * forbids any. The same arguments give the same text.
 */
export function renderDedupPage(data: DedupPageData, thumbnails: Thumbnails): string {
  const { run, summary } = data;
  const { dataset } = summary;
  const sections: readonly (readonly [id: string, title: string, section: Markup | null])[] = [
    ['figures', 'Compared', figuresSection(data)],
    ['rates', 'Rates', ratesSection(summary)],
    ['captions', 'Captions', captionsSection(data)],
    ['completeness', 'Completeness', completenessSection(data)],
    ['groups', 'Groups', groupsSection(data, thumbnails)],
    ['parts', 'Parts', partsSection(data, thumbnails)],
    ['families', 'Families', familiesSection(data, thumbnails)],
    ['candidates', 'Captions to audit', candidatesSection(data)],
    ['left-out', 'Left out', leftOutSection(data)],
    [
      'reproduce',
      'Reproduce',
      reproduceSection(
        html`Every figure here stands in <code>summary.json</code> and the tables of the folder above this page.`,
        run,
      ),
    ],
  ];
  const there = sections.filter(([, , section]) => section !== null);
  return pageText({
    title: `Duplicates in ${dataset.name}`,
    header: html`<p class="name">Duplicates in <b>${dataset.name}</b> (${dataset.format})</p>
${answer(data)}
${lead(data)}`,
    contents: there.map(([id, title]) => [id, title] as const),
    main: html`${there.map(([, , section]) => html`${section}\n`)}`,
    footer: html`dataset ${run.dataset.digest}`,
    run,
    style: dedupStyle,
  });
}
