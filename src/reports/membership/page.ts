import {
  type MembershipOutcome,
  type MembershipResult,
  type RunDescription,
  splitScores,
} from '../../stages/index.ts';
import { counted } from '../format.ts';
import type { CopiedImages } from '../images.ts';
import { html, type Markup } from '../markup.ts';
import { pageText, reproduceSection } from '../shell.ts';
import { attacksSection, exposedSection, scoresSection } from './sections.ts';
import { meaningText, verdictText } from './words.ts';

/** What the page is made of. */
export interface MembershipPageData
  extends Pick<MembershipResult, 'outcome' | 'rows' | 'attacks' | 'exposed'> {
  /** The exposed members' pictures and completions beside the page. */
  readonly images: CopiedImages;
}

/** A table with names of several words and many figures, and one or two pictures beside their facts. */
const membershipStyle = `
.item .pictures { flex: 0 0 276px; }
#attacks .scroll { margin-top: 20px; }
@media screen and (max-width: 760px) {
  .item .pictures { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  #attacks td small { white-space: normal; }
  #attacks td svg { display: block; }
}
`;

function targetText({ model }: RunDescription, { target, targets }: MembershipOutcome): Markup {
  if (targets > 1) return html`<b>${model.name}</b> and ${counted(targets - 1, 'model')} like it`;
  return html`<b>${model.name}</b>${target === model.name ? null : html` (${target})`}`;
}

/**
 * The page of `verbatim membership`. Captions, keys and reasons are escaped by the templates and cut; the page holds no script and
 * forbids any. The same arguments give the same text.
 */
export function renderMembershipPage(run: RunDescription, data: MembershipPageData): string {
  const { outcome, rows, attacks } = data;
  const split = attacks.map(({ name, scores }) => ({ name, ...splitScores(scores, rows) }));
  const named = (attack: string) => split.find(({ name }) => name === attack)!;
  const sections: readonly (readonly [id: string, title: string, section: Markup])[] = [
    ['attacks', 'Attacks', attacksSection(outcome, split)],
    ['scores', 'Scores', scoresSection(outcome, named(outcome.headline))],
    ['exposed', 'Most exposed', exposedSection(data, named(outcome.exposing).nonMembers.length)],
    [
      'reproduce',
      'Reproduce',
      reproduceSection(
        html`Every figure here stands in <code>summary.json</code>, <code>report/curves.csv</code> and <code>tables/membership</code> of the folder above this page.`,
        run,
      ),
    ],
  ];
  const [, amount, rest] = /^([\d.<> ]+%|AUC [\d.]+)(.*)$/.exec(verdictText(outcome)) ?? [
    '',
    '',
    verdictText(outcome),
  ];
  return pageText({
    title: `Membership in ${outcome.targets === 1 ? run.model.name : counted(outcome.targets, 'model')}`,
    header: html`<p class="name">Was <b>${run.dataset.name}</b> in the training set of ${targetText(run, outcome)}?</p>
<h1><em>${amount}</em>${rest}</h1>
<p class="lead">${meaningText(outcome)}</p>`,
    contents: sections.map(([id, title]) => [id, title] as const),
    main: html`${sections.map(([, , section]) => html`${section}\n`)}`,
    footer: html`model ${run.model.digest}<br>pictures ${run.dataset.digest}${run.heldOut && html`<br>non-members ${run.heldOut.digest}`}`,
    run,
    style: membershipStyle,
  });
}
