import { type ExtractSummary, looksTrainedOn, type RunDescription } from '../../stages/index.ts';
import { counted, integer } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { pageText, reproduceSection } from '../shell.ts';
import {
  distancesSection,
  type ExtractShown,
  expectedText,
  failuresSection,
  foundSection,
  growthSection,
  missedSection,
  thresholdsSection,
} from './sections.ts';

/** Three pictures side by side, as wide as a phone allows; on a desk two items in a row. */
const extractStyle = `
@media screen and (min-width: 1000px) {
  .items { grid-template-columns: repeat(2, minmax(0, 1fr)); column-gap: 48px; }
  .item { flex-wrap: nowrap; column-gap: 20px; }
  .item .pictures { flex: 0 0 308px; }
  .item figure, .item img, .item .missing { width: 96px; }
  .item img, .item .missing { height: 96px; }
  .item .facts { flex: 1 1 0; min-width: 0; }
  .item dt { white-space: nowrap; }
}
@media screen and (max-width: 760px) {
  .item .pictures { grid-template-columns: repeat(3, minmax(0, 1fr)); }
}
`;

/**
 * The page of `verbatim extract`. Captions, keys and reasons are escaped by the templates and cut; the page holds no script
 * and forbids any. The same arguments give the same text.
 */
export function renderExtractPage(run: RunDescription, summary: ExtractSummary, shown: ExtractShown): string {
  const sections: readonly (readonly [id: string, title: string, section: Markup | null])[] = [
    ['distances', 'Distances', distancesSection(summary)],
    ['extracted', 'Extracted', foundSection(shown)],
    ['nearest', 'Nearest others', missedSection(shown)],
    ['growth', 'By number', growthSection(summary)],
    ['thresholds', 'By threshold', thresholdsSection(summary)],
    ['failed', 'Failed', failuresSection(summary)],
    [
      'reproduce',
      'Reproduce',
      reproduceSection(
        html`Every figure here stands in <code>summary.json</code>, and every row in the tables of the folder above this page.`,
        run,
      ),
    ],
  ];
  const there = sections.filter(([, , section]) => section !== null);
  return pageText({
    title: `Extracted from ${run.model.name}`,
    header: html`<p class="name">Extracted from <b>${run.model.name}</b>, trained on <b>${run.dataset.name}</b></p>
<h1><em>${integer(summary.extracted.images)}</em> ${summary.extracted.images === 1 ? 'training image' : 'training images'} in ${counted(summary.generated.pictures, 'generated picture')}</h1>
${lead(summary)}`,
    contents: there.map(([id, title]) => [id, title] as const),
    main: html`${there.map(([, , section]) => html`${section}\n`)}`,
    footer: html`model ${run.model.digest}<br>dataset ${run.dataset.digest}${run.heldOut && html`<br>held out ${run.heldOut.digest}`}`,
    run,
    style: extractStyle,
  });
}

function lead({ extracted, generated, dataset, threshold, alpha }: ExtractSummary): Markup {
  const { expectedFalsePositives: expected } = extracted;
  const parts = [
    `${counted(extracted.generations, 'generated picture')} of ${integer(generated.distinct)} different ones ${extracted.generations === 1 ? 'lies' : 'lie'} far nearer to one of ${counted(dataset.distinct, 'training picture')} than to what is around it.`,
    expected === null ? 'No false positive rate is known.' : `By chance ${expectedText(expected)} would.`,
    ...(looksTrainedOn(threshold, alpha)
      ? [
          'Half of the held-out pictures all but equal training pictures: most likely the model saw them, and the threshold means nothing.',
        ]
      : []),
    ...(generated.evaluations > 0
      ? [`The pictures took ${counted(generated.evaluations, 'evaluation')} of the denoiser.`]
      : []),
    ...(generated.distinct === 1 && generated.pictures > 1 ? ['All generated pictures are the same.'] : []),
    ...(dataset.unreadable > 0
      ? [
          `${counted(dataset.unreadable, 'training picture')} could not be read: nothing can be found to repeat them.`,
        ]
      : []),
  ];
  return html`<p class="lead">${parts.join(' ')}</p>`;
}
