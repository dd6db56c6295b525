import type { ExtractedRow, ExtractSummary } from '../../stages/index.ts';
import { figure } from '../figure.ts';
import { captionText, counted, integer, percentage, score } from '../format.ts';
import { empty, html, type Markup, pair } from '../markup.ts';
import { distancesChart, growthChart, kinds, thresholdsChart } from './charts.ts';
import { amplified, mostShown, type Pair } from './pairs.ts';

/** What the page shows beside the figures. */
export interface ExtractShown {
  readonly found: readonly ExtractedRow[];
  readonly missed: readonly ExtractedRow[];
  /** By rank. */
  readonly pairs: ReadonlyMap<number, Pair>;
}

export function foundSection({ found, pairs }: ExtractShown): Markup {
  const left = found.length - mostShown;
  const items = found.slice(0, mostShown).map((row) => item(row, pairs.get(row.rank)));
  return html`<section id="extracted"><h2>Extracted</h2>
<p>The nearest generated picture of each training image, that training image, and their difference, ${amplified} times as large. The normalised distance is that between them over what is usual around the generated one.</p>
${found.length === 0 ? empty('No generated picture lies within the threshold of a training picture.') : html`<div class="items">${items}</div>`}
${left > 0 && html`<p class="note">${counted(left, 'further image')} in <code>extracted.csv</code>.</p>`}</section>`;
}

export function missedSection({ missed, pairs }: ExtractShown): Markup | null {
  if (missed.length === 0) return null;
  return html`<section id="nearest"><h2>Nearest that do not count</h2>
<p>What lies just beyond the threshold: whether it is set well can be seen here.</p>
<div class="items">${missed.map((row) => item(row, pairs.get(row.rank)))}</div></section>`;
}

function item(row: ExtractedRow, shown: Pair | undefined): Markup {
  const members = JSON.parse(row.members) as number[];
  const source = row.seed === null ? row.generated_key : `seed ${row.seed}`;
  const none = 'no picture';
  const frame = row.extracted ? 'match' : undefined;
  const facts: readonly (readonly [name: string, value: string | Markup] | null)[] = [
    ['Normalised ℓ2', score(row.normalised)],
    ['ℓ2', score(row.distance)],
    ['Usual around it', score(row.background)],
    row.extracted ? ['Generated', `${integer(row.times)}×`] : null,
    row.extracted ? ['First picture', integer(row.first!)] : null,
    ['In the dataset', `${integer(row.copies)}×`],
    row.mirrored === true ? ['Mirrored', 'yes'] : null,
    members.length > 1 ? ['Near-duplicates', integer(members.length)] : null,
  ];
  return html`<article class="item"><div class="pictures">
${figure(shown?.generated, none, html`<bdi>${captionText(source ?? '')}</bdi>`, { frame, alternative: `generated picture ${row.generation}` })}
${figure(shown?.training, none, html`row ${integer(row.training_index)}${row.mirrored === true && ', mirrored'}`, { alternative: `training picture ${row.training_index}` })}
${figure(shown?.difference, none, 'difference', { alternative: 'the difference' })}</div>
<div class="facts"><p class="caption"><bdi>${captionText(row.caption.trim() === '' ? row.key : row.caption)}</bdi></p>
<dl>${facts.map((fact) => fact && html`<div><dt>${fact[0]}</dt><dd>${fact[1]}</dd></div>`)}</dl></div></article>\n`;
}

export function distancesSection(summary: ExtractSummary): Markup {
  const { heldOut, threshold, alpha, neighbours, generated } = summary;
  const unrelated = threshold.heldOut;
  const compared = generated.pictures - generated.failed;
  const rows = [
    ['generated', compared, summary.extracted.generations],
    ...(unrelated === null ? [] : ([['never seen', unrelated.compared, unrelated.within]] as const)),
  ] as const;
  return html`<section id="distances"><h2>Distances</h2>
<p>ℓ2 to the nearest training picture, over ${alpha} times the mean ℓ2 to the ${neighbours} nearest: 0 is the same picture, ${Number((1 / alpha).toPrecision(3))} one that has nothing nearer than its surroundings. ${basis(summary)}</p>
${pair(
  html`${distancesChart(summary)}<ul class="legend">${kinds
    .filter(({ name }) => name === 'generated' || heldOut !== null)
    .map(
      ({ title, stroke, dash }) =>
        html`<li><svg width="22" height="8" aria-hidden="true"><path d="M0 4H22" style="stroke:${stroke}" stroke-width="2" stroke-dasharray="${dash}"/></svg>${title}</li>`,
    )}</ul>`,
  html`<table><thead><tr><th>Pictures</th><th>Compared</th><th>Within</th><th>Share</th></tr></thead><tbody>${rows.map(
    ([name, all, within]) =>
      html`<tr><td>${name}</td><td>${integer(all)}</td><td>${integer(within)}</td><td>${all === 0 ? '–' : percentage(within / all)}</td></tr>`,
  )}</tbody></table>`,
)}</section>`;
}

/** A number of pictures that are expected: two digits, and no more than six places. */
export function expectedText(count: number): string {
  if (count < 1e-6) return count === 0 ? '0' : '< 0.000001';
  return count >= 100 ? integer(count) : String(Number(Number(count.toPrecision(2)).toFixed(6)));
}

/** How the threshold came about. */
function basis({ threshold, extracted }: ExtractSummary): string {
  const { by, heldOut, value } = threshold;
  if (heldOut === null)
    return `The threshold ${value.toFixed(3)} was given. No pictures that the model never saw were, so no false positive rate is known.`;
  const how =
    by === 'tail'
      ? `lies where the tail of ${counted(heldOut.compared, 'picture')} that the model never saw has`
      : by === 'count'
        ? `lies where, counted among ${counted(heldOut.compared, 'picture')} that the model never saw, chance has`
        : `is the largest that was allowed; by ${counted(heldOut.compared, 'picture')} that the model never saw chance has`;
  const suspects =
    heldOut.suspects === 0
      ? ''
      : ` ${counted(heldOut.suspects, 'of these lies', 'of these lie')} too near to training pictures for chance, most likely copies of them, and ${heldOut.suspects === 1 ? 'was' : 'were'} left out.`;
  return `The threshold ${value.toFixed(3)} ${how} ${expectedText(extracted.expectedFalsePositives ?? 0)} of all generated pictures within it.${suspects}`;
}

export function growthSection({ growth }: ExtractSummary): Markup {
  return html`<section id="growth"><h2>By number of pictures</h2>
<p>How many images the first so many pictures extract. Where the curve still rises, more pictures find more.</p>
${pair(
  growthChart(growth),
  html`<table><thead><tr><th>Generated</th><th>Extracted</th></tr></thead><tbody>${growth.map(
    ({ generated, images }) => html`<tr><td>${integer(generated)}</td><td>${integer(images)}</td></tr>`,
  )}</tbody></table>`,
)}</section>`;
}

export function thresholdsSection(summary: ExtractSummary): Markup {
  const { thresholds, threshold, heldOut } = summary;
  const rows = thresholds.map((row) => {
    const own = row.threshold === threshold.value;
    const text = row.threshold.toFixed(3);
    return html`<tr><td>${own ? html`<b>${text}</b>` : text}</td><td>${integer(row.pictures)}</td><td>${integer(row.generations)}</td>${heldOut !== null && html`<td>${integer(row.heldOut ?? 0)}</td><td>${expectedText(row.expectedFalsePositives ?? 0)}</td>`}</tr>`;
  });
  return html`<section id="thresholds"><h2>By threshold</h2>
<p>Training pictures with different pixels, near-duplicates not joined, and generated pictures within each threshold${heldOut !== null && '; held-out pictures within it, and how many generated ones chance would bring there'}.</p>
${pair(
  thresholdsChart(summary),
  html`<table><thead><tr><th>Threshold</th><th>Training</th><th>Generated</th>${heldOut !== null && html`<th>Held out</th><th>By chance</th>`}</tr></thead><tbody>${rows}</tbody></table>`,
)}</section>`;
}

export function failuresSection({ failures }: ExtractSummary): Markup | null {
  if (failures.length === 0) return null;
  return html`<section id="failed"><h2>Failed</h2>
<div class="scroll"><table><thead><tr><th>Stage</th><th class="text">Reason</th><th>Pictures</th></tr></thead><tbody>${failures.map(
    ({ stage, reason, count }) =>
      html`<tr><td>${stage}</td><td class="text words"><bdi>${captionText(reason)}</bdi></td><td>${integer(count)}</td></tr>`,
  )}</tbody></table></div></section>`;
}
