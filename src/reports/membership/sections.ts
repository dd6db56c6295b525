import {
  type AskedRow,
  type CopiesOutcome,
  type ExposedRow,
  type MembershipOutcome,
  type TargetOutcome,
  thresholdAt,
  verdictFpr,
} from '../../stages/index.ts';
import { fact, figure } from '../figure.ts';
import { area, captionText, counted, integer, percentage, score } from '../format.ts';
import type { CopiedImages } from '../images.ts';
import { empty, html, type Markup, pair } from '../markup.ts';
import { lineOf, logRocChart, type SplitScores, scoreChart, sides } from './charts.ts';
import type { MembershipPageData } from './page.ts';
import { attackTitle } from './words.ts';

const swatch = (name: string) => {
  const { stroke, dash } = lineOf(name);
  return html`<svg width="26" height="8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4" stroke="${stroke}" stroke-width="2.5" stroke-dasharray="${dash}"></line></svg>`;
};

const rate = (tpr: number | null) => (tpr === null ? '–' : percentage(tpr));
const between = (interval: { low: number; high: number } | null) =>
  interval === null
    ? null
    : html`<br><small>${percentage(interval.low)}–${percentage(interval.high)}</small>`;

/** The attacks side by side: curves, rates, and what each costs. */
export function attacksSection(outcome: MembershipOutcome, split: readonly SplitScores[]): Markup {
  const drawn = split.filter(({ members, nonMembers }) => members.length > 0 && nonMembers.length > 0);
  const rows = outcome.attacks.map(
    (one) =>
      html`<tr><td class="text">${swatch(one.name)} ${attackTitle(one.name)}${one.name === outcome.headline ? html` <small>(verdict)</small>` : null}</td><td>${one.auc === null ? '–' : area(one.auc)}${one.aucInterval && html`<br><small>${area(one.aucInterval.low)}–${area(one.aucInterval.high)}</small>`}</td>${one.rates.map(
        ({ tpr, interval }, i) =>
          html`<td${i === 2 && html` class="wide"`}>${rate(tpr)}${between(interval)}</td>`,
      )}<td class="wide">${integer(one.members)} / ${integer(one.nonMembers)}</td><td>${integer(one.evaluations)}</td></tr>`,
  );
  const table = html`<table><thead><tr><th class="text">Attack</th><th>AUC</th><th>TPR at .1%</th><th>at 1%</th><th class="wide">at 10%</th><th class="wide">Members / non-members</th><th>Evaluations</th></tr></thead><tbody>${rows}</tbody></table>`;
  const note = html`<p class="note">Intervals are bootstrap, 95%, members and non-members resampled. A rate is the last one whose false positives lie strictly below the level; – where there are fewer non-members than one over it. Evaluations are what the attack alone costs.</p>`;
  const curves =
    drawn.length === 0 ? empty('No attack could score pictures of both sides.') : logRocChart(drawn);
  const lira = outcome.attacks.find((one) => one.lira !== null)?.lira;
  return html`<section id="attacks"><h2>Attacks</h2>
<p>Both axes are logarithmic, since a membership attack matters at few false positives. The thin line is guessing.${outcome.shadows > 0 ? ` LiRA holds each picture’s loss against ${counted(outcome.shadows, 'shadow model')} that ${outcome.shadows === 1 ? 'was' : 'were'} or were not trained on it${lira?.variance === 'fixed' ? '; so few share one variance over all pictures' : ''}.` : ''}</p>
${pair(curves, note)}
<div class="scroll">${table}</div></section>`;
}

/** The headline attack's scores on both sides, and rates by copies where those are known. */
export function scoresSection(outcome: MembershipOutcome, split: SplitScores): Markup {
  const told = split.nonMembers.length * verdictFpr >= 1 - 1e-9 && split.members.length > 0;
  const threshold = told ? thresholdAt(split.members, split.nonMembers, verdictFpr) : null;
  const heading = html`<h2>Scores</h2>
<p>${attackTitle(outcome.headline)}: higher means member. Each side sums to 100%.${threshold !== null && Number.isFinite(threshold) ? ` Above the dashed line (${score(threshold)}) a picture is called a member at 1% false positives.` : ''}</p>`;
  if (split.members.length === 0 || split.nonMembers.length === 0)
    return html`<section id="scores">${heading}${empty('There are no scores of both sides.')}</section>`;
  const legend = sides.map(
    ({ title, fill, name }) =>
      html`<li><svg width="12" height="12" aria-hidden="true"><rect width="12" height="12" fill="${fill}" fill-opacity=".55"></rect></svg>${integer(split[name].length)} ${title}</li>`,
  );
  const copies =
    outcome.byCopies === null
      ? html`<p class="note">By copies nothing can be said: ${told ? 'nobody knows how often the members were trained on' : 'that needs 100 non-members'}.</p>`
      : copiesTable(outcome.headline, outcome.byCopies);
  return html`<section id="scores">${heading}
${pair(html`${scoreChart(split, threshold !== null && Number.isFinite(threshold) ? threshold : null)}<ul class="legend">${legend}</ul>`, outcome.byTarget === null ? copies : targetsTable(outcome.byTarget))}</section>`;
}

/** Rates by copies; the attack stands above them where it is not that of the verdict everywhere. */
function copiesTable(headline: string, groups: readonly CopiesOutcome[]): Markup {
  const others = groups.some(({ attack }) => attack !== headline);
  const rows = groups.map((group, i) => {
    const by =
      others && group.attack !== groups[i - 1]?.attack
        ? html`<tr><td colspan="4"><small>${attackTitle(group.attack)}</small></td></tr>`
        : null;
    return html`${by}<tr><td>${copiesText(group.copies)}</td><td>${integer(group.members)}</td><td>${integer(group.detected)}</td><td>${percentage(group.detected / group.members)}${between(group.interval)}</td></tr>`;
  });
  return html`<table><thead><tr><th>Copies</th><th>Members</th><th>Recognised</th><th>TPR at 1%</th></tr></thead><tbody>${rows}</tbody></table><p class="note">By how often a picture stands in the training set${others ? ', each by the last attack that scores at least half of these members: that of the verdict cannot score pictures that are in no shadow' : ''}. Wilson’s interval, 95%.</p>`;
}

/** The models that were the target in turn, at one threshold. */
function targetsTable(targets: readonly TargetOutcome[]): Markup {
  const rows = targets.map(
    (one) =>
      html`<tr><td class="text line">${captionText(one.target)}</td><td>${integer(one.detected)} / ${integer(one.members)}</td><td>${one.members === 0 ? '–' : percentage(one.detected / one.members)}${between(one.interval)}</td><td>${integer(one.falsePositives)} / ${integer(one.nonMembers)}</td></tr>`,
  );
  return html`<div class="scroll"><table><thead><tr><th class="text">Model</th><th>Recognised</th><th>TPR</th><th>False positives</th></tr></thead><tbody>${rows}</tbody></table></div><p class="note">Each model as the target, at the threshold that is laid over all: how far the result depends on the draw. Wilson’s interval, 95%.</p>`;
}

function copiesText(from: number): string {
  return from === 1 ? '1' : `${integer(from)}–${integer(2 * from - 1)}`;
}

/** The members with the highest scores of the attack that exposes them. */
export function exposedSection(
  { outcome, exposed, rows, images }: MembershipPageData,
  nonMembers: number,
): Markup {
  if (exposed.length === 0)
    return html`<section id="exposed"><h2>Most exposed pictures</h2>${empty('No member has a score.')}</section>`;
  const { exposing, headline } = outcome;
  const asked = new Map(rows.map((row) => [askedKey(row), row]));
  const by =
    exposing === headline
      ? null
      : ` of the attack ${attackTitle(exposing)}; that of the verdict cannot score most of those with some number of copies`;
  return html`<section id="exposed"><h2>Most exposed pictures</h2>
<p>The members with the highest scores${by}. Below each how many of the ${counted(nonMembers, 'non-member')} have one as high: none is what singles a picture out.</p>
<div class="items">${exposed.map((one) => item(one, asked.get(askedKey(one))!, images, outcome.targets))}</div></section>`;
}

const askedKey = ({ target, picture }: Pick<AskedRow, 'target' | 'picture'>) =>
  JSON.stringify([target, picture]);

function item(one: ExposedRow, row: AskedRow, images: CopiedImages, targets: number): Markup {
  const image = (digest: string | null, text: string) =>
    digest === null ? null : figure(images.get(digest), 'missing', text);
  return html`<article class="item"><div class="pictures">${image(one.image, 'trained on')}${image(one.completion, 'completed')}</div>
<div class="facts"><p class="caption"><bdi>${captionText(row.caption === '' ? row.key : row.caption)}</bdi></p>
<dl>${fact('Rank', integer(one.rank))}${fact('Score', score(one.score))}${fact('Non-members as high', integer(one.non_members_above))}${row.copies === null ? null : fact('Copies', integer(row.copies))}${targets === 1 ? null : fact('Model', captionText(one.target))}${fact('Key', captionText(row.key))}</dl></div></article>\n`;
}
