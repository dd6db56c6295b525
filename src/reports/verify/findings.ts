import type { FindingOutcome, VerificationOutcome, VerificationRow } from '../../stages/index.ts';
import { contentPath } from '../../tables/index.ts';
import { captionText, counted, integer, score } from '../format.ts';
import { html, type Markup } from '../markup.ts';

/** Findings that the page shows with their pictures; all stand in the table of the folder. */
export const mostShown = 200;

/** Every finding with the pictures that were made of it, the numbers of steps ascending. */
export function findingsSection({ findings }: VerificationOutcome, rows: readonly VerificationRow[]): Markup {
  const pictures = new Map<string, VerificationRow[]>();
  for (const row of rows) pictures.set(row.finding, [...(pictures.get(row.finding) ?? []), row]);
  const shown = findings.slice(0, mostShown);
  const left = findings.length - shown.length;
  return html`<section id="findings"><h2>Findings</h2>
<p>Below each picture its steps, and its distance to the training picture in the unit of the rule; a frame says that it is within the threshold.</p>
<div class="items">${shown.map((one) => item(one, pictures.get(one.finding) ?? []))}</div>
${left > 0 && html`<p class="note">${counted(left, 'further finding')} in <code>tables/verifications</code>.</p>`}</section>`;
}

function item(one: FindingOutcome, rows: readonly VerificationRow[]): Markup {
  const bySteps = rows.toSorted((a, b) => a.steps - b.steps || Number(a.seed - b.seed));
  const swept = new Set(rows.map(({ steps }) => steps)).size > 1;
  const said =
    one.reproduces === null
      ? 'could not be judged'
      : !one.reproduces
        ? swept
          ? 'at none of these'
          : 'does not reproduce'
        : swept
          ? `verbatim first at ${counted(one.firstSteps!, 'step')}`
          : 'reproduces';
  return html`<article class="item"><div class="pictures">${bySteps.map(picture)}</div>
<div class="facts"><p class="caption"><bdi>${captionText(one.caption)}</bdi></p>
<p class="said"><span class="verdict">${one.verdict}</span> ${said}</p>
<dl><div><dt>Finding</dt><dd><bdi>${captionText(one.finding)}</bdi></dd></div>
${one.distance !== null && html`<div><dt>Nearest distance</dt><dd>${score(one.distance)}</dd></div>`}
${one.threshold !== null && html`<div><dt>Threshold</dt><dd>${score(one.threshold)}</dd></div>`}</dl></div></article>\n`;
}

function picture(row: VerificationRow): Markup {
  const steps = counted(row.steps, 'step');
  if (row.image === null)
    return html`<figure><span class="missing"><bdi>${captionText(row.error ?? 'no picture')}</bdi></span><figcaption>${steps}</figcaption></figure>`;
  const judged = row.distance === null ? 'not judged' : score(row.distance);
  // Digests of our own writing: no text of others becomes an address.
  const source = `../images/${contentPath(row.image, 'png')}`;
  return html`<figure${row.verbatim === true && html` class="match"`}><img src="${source}" alt="seed ${integer(Number(row.seed))}, ${steps}" loading="lazy"><figcaption>${row.verbatim === true ? html`<b>${steps}</b>` : steps}<br>${judged}</figcaption></figure>`;
}
