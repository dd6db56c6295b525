import type { RunDescription, VerificationOutcome, VerificationRow } from '../../stages/index.ts';
import { counted, integer } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { pageText, reproduceSection } from '../shell.ts';
import { findingsSection } from './findings.ts';
import { stepsSection } from './steps.ts';

/**
 * The page of `verbatim verify`. Captions, keys and reasons are escaped by the templates and cut; the page holds no script
 * and forbids any. The same arguments give the same text.
 */
export function renderVerifyPage(
  run: RunDescription,
  outcome: VerificationOutcome,
  rows: readonly VerificationRow[],
): string {
  const sections: readonly (readonly [id: string, title: string, section: Markup | null])[] = [
    ['steps', 'Steps', stepsSection(outcome)],
    ['findings', 'Findings', findingsSection(outcome, rows)],
    [
      'reproduce',
      'Reproduce',
      reproduceSection(
        html`Every figure here stands in <code>summary.json</code> and <code>tables/verifications</code> of the folder above this page.`,
        run,
      ),
    ],
  ];
  const there = sections.filter(([, , section]) => section !== null);
  return pageText({
    title: `Findings of ${run.dataset.name}, made again`,
    header: html`<p class="name">Findings of <b>${run.dataset.name}</b>, made again by <b>${run.model.name}</b></p>
<h1>${answer(outcome)}</h1>
${lead(outcome)}`,
    contents: there.map(([id, title]) => [id, title] as const),
    main: html`${there.map(([, , section]) => html`${section}\n`)}`,
    footer: html`model ${run.model.digest}<br>findings ${run.dataset.digest}`,
    run,
  });
}

function answer({ findings, reproduced, bySteps }: VerificationOutcome): Markup {
  const all = counted(findings.length, 'finding');
  const [least] = bySteps;
  if (bySteps.length < 2 || least === undefined)
    return html`<em>${integer(reproduced)}</em> of ${all} reproduce`;
  return html`<em>${integer(least.verbatim)}</em> of ${all} are verbatim after ${counted(least.steps, 'step')}, <em>${integer(reproduced)}</em> at any of ${integer(bySteps.length)} numbers of steps`;
}

function lead({ failed, unjudged, pictures, equal, largestRms, bySteps }: VerificationOutcome): Markup {
  const parts = [
    `${counted(failed, 'finding')} ${bySteps.length > 1 ? (failed === 1 ? 'is at none' : 'are at none') : failed === 1 ? 'does not' : 'do not'}, ${integer(unjudged)} could not be judged.`,
    ...(largestRms === null
      ? []
      : [
          `${integer(equal)} of ${counted(pictures, 'picture')} equal the recorded ones; the largest RMS to one of them is ${largestRms.toPrecision(3)}.`,
        ]),
  ];
  return html`<p class="lead">${parts.join(' ')}</p>`;
}
