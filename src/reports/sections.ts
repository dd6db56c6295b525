import type { AttackFigures, PrecisionPoint } from './attacks.ts';
import { precisionChart, recallChart, rocChart, seriesColour, seriesDash } from './charts.ts';
import { dataLink } from './csv.ts';
import { familyTable } from './family-table.ts';
import { area, counted, duration, integer, list, percentage, times } from './format.ts';
import { empty, html, type Markup, pair } from './markup.ts';
import { hasOutcome, type Summary } from './summary.ts';

/** The page's first words: what was found, and what that is worth. */
export function verdict(summary: Summary): Markup {
  const { found, captions, neverSeen, truthKnown } = summary;
  const images = counted(found.images, 'training image');
  const among = `among ${counted(captions, 'caption')}`;
  const wrong = counted(neverSeen.falsePositives, 'false positive');
  if (!hasOutcome(summary))
    return html`<h1>No verdict${summary.labelled ? '' : ' yet'}: ${counted(captions, 'caption')} in this run, none synthesized and judged.</h1>`;
  const claim =
    found.images === 0 ? html`Found no training image ${among}` : html`Found <em>${images}</em> ${among}`;
  return html`<h1>${claim}${
    truthKnown && neverSeen.captions > 0
      ? html`; ${wrong} among ${counted(neverSeen.captions, 'caption')} that the model never saw`
      : null
  }.</h1>`;
}

/** One paragraph that qualifies the verdict. */
export function lead(summary: Summary): Markup {
  const { found, judged, neverSeen, truthKnown, evaluations, carlini, rule, reviews } = summary;
  const cost = `The run took ${counted(evaluations, 'evaluation')} of the denoiser${
    carlini.ratio === null
      ? ''
      : `; generating 500 samples for each caption would take ${times(carlini.ratio)} as many`
  }.`;
  if (!hasOutcome(summary)) {
    const why = !summary.labelled
      ? 'Captions are scored first and only the highest are synthesized and compared with the training set; this run has not come so far.'
      : summary.unjudged > 0
        ? `Nothing could be compared with the training set: ${counted(summary.unjudged, 'caption')} failed.`
        : 'The run is finished, and no caption came so far that it was synthesized and compared with the training set.';
    return html`<p class="lead">${why} ${cost}</p>`;
  }
  const stated = truthKnown
    ? neverSeen.captions > 0
      ? neverSeen.judged === neverSeen.captions
        ? 'All captions that the model never saw came so far.'
        : `${neverSeen.judged === 0 ? 'None' : integer(neverSeen.judged)} of the captions that the model never saw came so far; ${neverSeen.judged === 0 ? 'all' : 'the others'} were passed over at a cheaper stage.`
      : 'The truth table names no caption that the model never saw, so false positives cannot be counted.'
    : 'What the model was trained on is not known beyond the dataset, so neither recall nor false positives can be stated.';
  const { MV, RV, TV } = found.byVerdict;
  const kinds = [
    [MV, 'its own training picture', 'their own training picture'],
    [RV, 'another caption’s', 'another caption’s'],
    [TV, 'a template of several pictures', 'a template of several pictures'],
  ] as const;
  const repeated = kinds.flatMap(([count, one, many]) =>
    count === 0 ? [] : `${integer(count)} repeat${count === 1 ? 's' : ''} ${count === 1 ? one : many}`,
  );
  const unflagged = `None of ${counted(summary.cliques?.captions ?? 0, 'caption')} whose samples were compared with each other is flagged, so there was no picture to compare with the training set.`;
  const outcome = found.captions === 0 ? 'none of them repeats a training picture' : list(repeated);
  const apart = neverSeen.retrievals + neverSeen.templates;
  const others =
    apart === 0
      ? ''
      : ` ${counted(apart, 'caption')} that the model never saw ${apart === 1 ? 'repeats' : 'repeat'} a training picture that is not ${apart === 1 ? 'its' : 'their'} own; that is counted apart.`;
  const hand =
    reviews.rejected + reviews.outdated === 0
      ? ''
      : ` ${counted(reviews.rejected, 'caption')} matched and ${reviews.rejected === 1 ? 'was' : 'were'} rejected by hand.${
          reviews.outdated === 0
            ? ''
            : ` ${counted(reviews.outdated, 'review')} ${reviews.outdated === 1 ? 'is' : 'are'} of pictures that are not there any more.`
        }`;
  const compared = `${counted(judged, 'caption')} ${judged === 1 ? 'was' : 'were'} synthesized in full and compared with the training set; by the ${rule} rule, ${outcome}.`;
  return html`<p class="lead">${judged === 0 ? unflagged : compared}${hand}${others}
${stated} ${cost}</p>`;
}

const stageTitles: Readonly<Record<string, string>> = {
  candidates: 'Candidates',
  cliques: 'Sampled many times',
  nulls: 'Scored, never trained on',
  generations: 'Pictures generated',
  calibration: 'Held-out pictures compared',
  labels: 'Pictures judged',
};

/** What a stage is called; those of the scores by the attack that decides, where there is one. */
function stageTitle(name: string, { selected, attacks }: Summary): string {
  const step = /^scores\/(\d+)$/.exec(name)?.[1];
  if (step === undefined) return stageTitles[name] ?? name;
  const attack = selected.find((one) => one.step === Number(step))?.attack;
  // A step that generates and filters has scored nothing: what stands there are the attacks of `alsoScore`.
  return !attacks.some(({ name }) => name === attack) ? 'Scored' : `Scored by ${attack}`;
}

/** Stages whose items are pictures; the others count captions only. */
function picturesOf({ name, items }: Summary['stages'][number]): string {
  return ['generations', 'calibration', 'labels'].includes(name) ? integer(items) : '';
}

/**
 * The funnel: what went into each stage, what it cost.
 *
 * @param oneStepPictures whether captions have one beside their samples: not with a budget, nor of a service that takes no steps
 */
export function funnelSection(summary: Summary, oneStepPictures: boolean): Markup {
  // Those never trained on are no part of what narrows from stage to stage.
  const barOf = ({ name, captions }: Summary['stages'][number]) => (name === 'nulls' ? 0 : captions);
  const largest = Math.max(1, ...summary.stages.map(barOf));
  const rows = summary.stages.map(
    (stage) =>
      html`<tr><th scope="row">${stageTitle(stage.name, summary)}</th><td>${stage.captions === 0 && stage.items > 0 ? '' : integer(stage.captions)}</td><td>${picturesOf(stage)}</td><td>${integer(stage.failed)}</td><td>${integer(stage.evaluations)}</td><td class="line">${duration(stage.seconds)}</td><td>${barOf(stage) === 0 ? null : html`<span class="bar" style="width:${((barOf(stage) / largest) * 100).toFixed(1)}%"></span>`}</td></tr>`,
  );
  const kept = summary.selected.map(
    ({ attack, captions }) => `${attack} kept ${counted(captions, 'caption')}`,
  );
  return html`<section id="funnel"><h2>The funnel</h2>
<p>Cheap scores decide which captions are worth a full synthesis. An evaluation is one call of the denoiser on one sample; a guided call costs two.${
    kept.length > 0 ? ` Here ${kept.join(', then ')}.` : ''
  }</p>
<div class="scroll"><table class="funnel"><thead><tr><th>Stage</th><th>Captions</th><th>Pictures</th><th>Failed</th><th>Evaluations</th><th>Time</th><th></th></tr></thead>
<tbody>${rows}<tr><th scope="row">Total</th><td></td><td></td><td></td><td>${integer(summary.evaluations)}</td><td class="line">${duration(summary.seconds)}</td><td></td></tr></tbody></table></div>
<p class="note"><span class="wide">The bars count captions. Failed are captions where captions are scored, and pictures where pictures are made or judged. </span>${
    summary.cliques?.extracts === true
      ? 'The pictures that are judged are those that generate-and-filter has extracted: they cost nothing more.'
      : oneStepPictures
        ? 'Besides its samples each caption has one picture of a single step.'
        : null
  }</p>
${failures(summary)}</section>`;
}

function failures({ failures: rows }: Summary): Markup {
  if (rows.length === 0) return html`<p class="note">No item failed.</p>`;
  const total = rows.reduce((sum, row) => sum + row.count, 0);
  return html`<h3>${counted(total, 'failed row')}</h3>
<div class="scroll"><table><thead><tr><th>Stage</th><th class="text">Reason</th><th>Rows</th></tr></thead><tbody>${rows.map(
    (row) =>
      html`<tr><td>${row.stage}</td><td class="text">${row.reason}</td><td>${integer(row.count)}</td></tr>`,
  )}</tbody></table></div>`;
}

function swatch(index: number): Markup {
  return html`<svg width="26" height="8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4" stroke="${seriesColour(index)}" stroke-width="2.5" stroke-dasharray="${seriesDash(index)}"></line></svg>`;
}

/** Precision against number found. */
export function precisionSection(summary: Summary): Markup {
  const { attacks, judged } = summary;
  const heading = html`<h2>Precision against number found</h2>`;
  if (attacks.length === 0)
    return html`<section id="precision">${heading}${empty('No caption has been scored yet.')}</section>`;
  if (summary.found.captions === 0)
    return html`<section id="precision">${heading}${empty('Nothing was found, so there is no precision to plot.')}</section>`;
  const someConfirmed = attacks.some(({ confirmed }) => confirmed !== null);
  const rows = attacks.map((attack, i) => {
    const { precision } = attack;
    const half = precision[Math.ceil(summary.found.captions / 2) - 1];
    const last = precision.at(-1);
    const pure = precision.filter((point) => point.precision === 1).length;
    return html`<tr><td class="line">${swatch(i)} ${attack.name}</td><td>${pure}</td><td>${precisionText(half)}</td><td>${precisionText(last)}</td>${someConfirmed ? html`<td>${precisionText(attack.confirmed?.at(-1))}</td>` : null}</tr>`;
  });
  return html`<section id="precision">${heading}
<p>Going down each attack’s ranking of the ${counted(judged, 'caption')} that ${judged === 1 ? 'was' : 'were'} judged: the share of findings among all captions passed so far. Captions that the cascade did not let through are not judged and not counted. Bands and brackets are Wilson’s 95% intervals, for each place in the ranking by itself.${someConfirmed ? ' “+ Carlini”, the thin lines: among the captions alone that a clique of alike samples confirms.' : ''}</p>
${pair(
  html`${precisionChart(attacks)}${dataLink('precision')}`,
  html`<table><thead><tr><th>Attack</th><th>Found before the first miss</th><th>Precision at half of all</th><th>Precision at its last</th>${someConfirmed ? html`<th>+ Carlini, at its last</th>` : null}</tr></thead><tbody>${rows}</tbody></table>`,
)}</section>`;
}

function precisionText(point: PrecisionPoint | undefined): Markup | string {
  if (point === undefined) return '–';
  return html`${percentage(point.precision)} <small>[${percentage(point.low)}, ${percentage(point.high)}]</small>`;
}

/** Recall against copy count. */
export function recallSection(summary: Summary): Markup {
  const { recall, truthKnown, rule, rules } = summary;
  const heading = html`<h2>Recall against copies</h2>`;
  const families = familyTable(summary);
  if (!truthKnown)
    return html`<section id="recall">${heading}${empty('The truth about this training set is not known; recall can only be stated for a model with planted duplicates.')}</section>`;
  if (recall.length === 0)
    return html`<section id="recall">${heading}${empty('The truth table names no duplicate group that this model was trained on.')}${families}</section>`;
  if (!hasOutcome(summary))
    return html`<section id="recall">${heading}${empty('No picture has been judged.')}</section>`;
  // Beside the deciding rule only: where the reference rule decides, it would say the same twice.
  const reference = rule === 'reference' ? undefined : rules.find((one) => one.rule === 'reference');
  const whole = recall.every(({ planted, audited }) => planted === audited);
  const rows = recall.map(
    (row) =>
      html`<tr><td>${row.copies}</td><td>${row.planted}</td>${whole ? null : html`<td>${row.audited}</td>`}<td>${row.found}</td><td>${row.audited === 0 ? '–' : html`${percentage(row.found / row.audited)} <small>[${percentage(row.low)}, ${percentage(row.high)}]</small>`}</td>${reference === undefined ? null : html`<td>${row.foundByReference}</td>`}</tr>`,
  );
  return html`<section id="recall">${heading}
<p>Duplicate groups planted in the training set of the audited model; a group is found when a sample for any of its captions matches by the ${rule} rule.${whole ? null : ' Only groups with a caption in this audit count; the others were left out by its limits.'} Lines are Wilson’s 95% intervals.</p>
${pair(
  html`${recallChart(recall)}${dataLink('recall')}`,
  html`<table><thead><tr><th>Copies</th><th>Planted</th>${whole ? null : html`<th>Audited</th>`}<th>Found</th><th>Recall</th>${reference === undefined ? null : html`<th>Found by the reference rule</th>`}</tr></thead><tbody>${rows}</tbody></table>${
    reference === undefined || reference.falsePositives === 0
      ? null
      : html`<p class="note">The reference rule’s count comes with ${counted(reference.falsePositives, 'false positive')}.</p>`
  }`,
)}${families}</section>`;
}

/** ROC curves where the truth is known. */
export function rocSection({ attacks, truthKnown }: Summary): Markup {
  const heading = html`<h2>Telling duplicates from captions never seen</h2>`;
  const drawn = attacks.filter((attack) => attack.auc !== null);
  if (!truthKnown || drawn.length === 0)
    return html`<section id="roc">${heading}${empty(
      truthKnown
        ? 'No attack has scored both kinds of captions: those of planted groups with at least 50 copies, and those that the model never saw.'
        : 'The truth about this training set is not known, so the attacks cannot be compared on it.',
    )}</section>`;
  const rows = attacks.map((attack, i) => rocRow(attack, i));
  const selected = drawn.some((attack) => attack.step > 1);
  return html`<section id="roc">${heading}
<p>Positives: every audited caption of a planted group with at least 50 copies. Negatives: audited captions that the model never saw, that is held-out ones and those of the other twin’s planted items. Brackets are 95% bootstrap intervals. TPR at 1% FPR is the last point with a rate strictly below 1%. Cost is in evaluations per caption.</p>
${pair(
  html`${rocChart(attacks)}${dataLink('roc')}`,
  html`<table><thead><tr><th>Attack</th><th>AUC</th><th>TPR at 1% FPR</th><th>Positives</th><th>Negatives</th><th>Cost</th></tr></thead><tbody>${rows}</tbody></table>${
    selected
      ? html`<p class="note">* Scored only captions that other attacks had selected, so its two sets are smaller and harder; not comparable with the others.</p>`
      : null
  }`,
)}
<p class="note">What is reached without any false positive is drawn at the left edge. The grey line is chance, the dotted one 1%.</p></section>`;
}

function rocRow(attack: AttackFigures, index: number): Markup {
  const star = attack.step > 1 ? '*' : '';
  const cells =
    attack.auc === null
      ? html`<td>–</td><td>–</td>`
      : html`<td>${area(attack.auc)} <small>[${area(attack.aucLow!)}, ${area(attack.aucHigh!)}]</small></td><td>${percentage(attack.tprAt1PercentFpr!)}</td>`;
  return html`<tr><td class="line">${swatch(index)} ${attack.name}${star}</td>${cells}<td>${integer(attack.positives)}</td><td>${integer(attack.negatives)}</td><td>${Number(attack.evaluationsPerCaption.toFixed(1))}</td></tr>`;
}

/** The cost beside what generate-and-filter spends. */
export function costSection({ carlini, evaluations, captions }: Summary): Markup {
  return html`<section id="cost"><h2>Cost</h2>
<div class="scroll"><table><thead><tr><th>Method</th><th>Captions</th><th>Evaluations</th><th>Per caption</th></tr></thead><tbody>
<tr><td>This audit</td><td>${integer(captions)}</td><td>${integer(evaluations)}</td><td>${captions === 0 ? '–' : (evaluations / captions).toFixed(1)}</td></tr>
<tr><td>Generate and filter (Carlini 2023): ${carlini.samplesPerCaption} samples × ${carlini.stepsPerSample} guided steps</td><td>${integer(carlini.captions)}</td><td>${integer(carlini.evaluations)}</td><td>${integer(carlini.samplesPerCaption * carlini.stepsPerSample * carlini.evaluationsPerStep)}</td></tr>
</tbody></table></div></section>`;
}
