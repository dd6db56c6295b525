import type { Rule } from '../labels/index.ts';
import type { RunCalibration } from '../stages/index.ts';
import { distanceChart, distanceKinds } from './charts.ts';
import { dataLink } from './csv.ts';
import { counted, distance, integer, list, percentage } from './format.ts';
import { empty, html, type Markup, pair } from './markup.ts';
import type { Summary } from './summary.ts';

/** The rules that ran, the distances, and where the threshold comes from. */
export function rulesSection(summary: Summary): Markup {
  const { rule, rules, calibration, distances, judged } = summary;
  const heading = html`<h2>What counts as a match</h2>`;
  if (rule === null || judged === 0 || distances.length === 0)
    return html`<section id="rules">${heading}${empty('No picture has been judged.')}</section>`;
  const threshold = rules.find((one) => one.rule === rule)?.threshold ?? null;
  const kinds = distanceKinds.filter(({ name }) => distances.some((bin) => bin[name] > 0));
  const legend = kinds.map(
    ({ title, fill }) =>
      html`<li><svg width="12" height="12" aria-hidden="true"><rect width="12" height="12" fill="${fill}"></rect></svg>${title}</li>`,
  );
  const counts = kinds.map(({ name, title }) => {
    const sum = (bins: typeof distances) => bins.reduce((total, bin) => total + bin[name], 0);
    return html`<tr><td>Captions ${title}</td><td>${integer(sum(distances))}</td></tr>`;
  });
  const table = html`<table><thead><tr><th>Rule</th><th>Threshold</th><th>Captions</th><th class="wide">MV</th><th class="wide">RV</th><th class="wide">TV</th><th>Images</th><th>False positives</th></tr></thead><tbody>${rules.map(
    (one) =>
      html`<tr><td>${one.rule}</td><td>${one.threshold === null ? '–' : distance(one.threshold, one.rule)}</td><td>${integer(one.captions)}</td><td class="wide">${integer(one.byVerdict.MV)}</td><td class="wide">${integer(one.byVerdict.RV)}</td><td class="wide">${integer(one.byVerdict.TV)}</td><td>${integer(one.images)}</td><td>${summary.truthKnown ? integer(one.falsePositives) : '–'}</td></tr>`,
  )}</tbody></table>
<table style="margin-top:18px"><tbody>${counts}</tbody></table>`;
  return html`<section id="rules">${heading}
<p>${ruleText(rule, rules)}</p>
${pair(html`${distanceChart(distances, threshold, rule)}<ul class="legend">${legend}</ul>${dataLink('distances')}`, table)}
${neverSeenNote(summary)}
${rule === 'reference' || (rule === 'aligned' && calibration === null) ? null : calibration === null ? empty('This run has no calibration; its threshold cannot be accounted for.') : calibrationNote(calibration, rule)}</section>`;
}

/** What false positives among so many captions say of the rate; also where there is none. */
function neverSeenNote({ neverSeen, truthKnown }: Summary): Markup | null {
  const { captions, falsePositives, falsePositiveRateHigh } = neverSeen;
  if (!truthKnown || falsePositiveRateHigh === null) return null;
  return html`<p class="note">${falsePositives === 0 ? 'No' : integer(falsePositives)} false ${falsePositives === 1 ? 'positive' : 'positives'} among ${counted(captions, 'caption')} that the model never saw: with 95% confidence the audit’s rate of them is below ${percentage(falsePositiveRateHigh)} (Clopper and Pearson).</p>`;
}

/** What the deciding rule asks, and what stands beside it. */
function ruleText(rule: Rule, rules: Summary['rules']): string {
  const webster = 'Webster 2023: the sum of squared differences at 256×256, values in [0, 1]';
  if (rule === 'reference')
    return `The verdicts on this page are the reference rule’s (${webster}, must stay below the threshold). It is lax for small and for plain pictures, and the calibrated rule, which is not, was not asked: look at every finding.`;
  const asks =
    rule === 'aligned'
      ? 'a training picture, mirrored, scaled and moved over the sample, must explain more of it than held-out pictures let expect, or lie within the calibrated distance in place; a template must be repeated where its variants agree. Distances are in units of the threshold, 0 for a perfect copy'
      : 'the root mean square of the difference to a training picture, at the model’s picture size, must not exceed a distance that held-out pictures hardly ever reach';
  const beside: Readonly<Partial<Record<Rule, string>>> = {
    calibrated: 'calibrated (the root mean square, pixel by pixel, nothing moved)',
    reference: `reference (${webster}, below the threshold; lax for small and for plain pictures)`,
    local: 'local (a part of the sample comes from anywhere in a training picture)',
    descriptor: 'descriptor (the similarity of a network’s vectors)',
  };
  const others = rules.flatMap((one) => (one.rule === rule ? [] : (beside[one.rule] ?? [])));
  return `The verdicts on this page are the ${rule} rule’s: ${asks}.${others.length === 0 ? '' : ` Beside it stand, and decide nothing: ${list(others)}.`}`;
}

function calibrationNote(calibration: NonNullable<Summary['calibration']>, rule: Rule): Markup {
  const { heldOut, unreadable, trainingSize, trainingUnreadable, reached, identical, quantile, tooFew } =
    calibration;
  return html`<p class="note">${rule === 'calibrated' ? 'Calibrated' : 'The calibrated rule’s threshold is calibrated'} on ${counted(heldOut, 'held-out picture')} against ${counted(trainingSize, 'training picture')}${trainingUnreadable > 0 ? html` (<b>${integer(trainingUnreadable)} more could not be read</b>: nothing can be found to repeat them)` : null}: ${integer(reached)} of them ${reached === 1 ? 'has' : 'have'} a training picture at the threshold ${calibration.threshold.toFixed(4)} or nearer, ${percentage(calibration.falsePositiveRate)}, and with 95% confidence the rate is below ${percentage(calibration.falsePositiveRateHigh)}.${
    tooFew
      ? html` <b>These are too few for the quantile of ${percentage(quantile)}</b>, which needs ${integer(Math.ceil(1 / quantile))}: the threshold is the smallest distance seen.`
      : null
  }${
    unreadable > 0
      ? html` <b>${counted(unreadable, 'held-out picture')} could not be read</b> and ${unreadable === 1 ? 'is' : 'are'} not among them.`
      : null
  }${
    identical > 0
      ? html` <b>${counted(identical, 'held-out picture')} ${identical === 1 ? 'equals' : 'equal'} a training picture</b>: the held-out set is not clean.`
      : null
  }${calibration.copies === null ? null : copiesNote(calibration.copies)}</p>`;
}

/** The thresholds of the rules that let a training picture move. */
function copiesNote({ whole, heldOut }: NonNullable<RunCalibration['copies']>): string {
  const copies =
    whole.suspects === 0
      ? ''
      : ` ${counted(whole.suspects, 'held-out picture')} ${whole.suspects === 1 ? 'is' : 'are'} most likely a copy of a training picture and left out.`;
  return ` By the aligned rule a training picture must explain ${percentage(whole.threshold)} of a sample, which is expected of ${percentage(whole.quantile)} of unrelated pictures by the tail of ${counted(heldOut, 'held-out one')}; ${integer(whole.reached)} of them ${whole.reached === 1 ? 'reaches' : 'reach'} it.${copies}`;
}
