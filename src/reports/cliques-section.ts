import type { CliqueRow } from '../stages/index.ts';
import { type Caption, verdictOf } from './captions.ts';
import { flaggedRows, shownCliques } from './cliques.ts';
import { figure } from './figure.ts';
import { captionText, counted, integer, percentage } from './format.ts';
import type { CopiedImages } from './images.ts';
import { html, type Markup } from './markup.ts';
import type { Summary } from './summary.ts';

/** Generate and filter: what many samples of a caption have in common; nothing where no step does so. */
export function cliquesSection(
  { cliques, rule }: Summary,
  rows: readonly CliqueRow[],
  captions: readonly Caption[],
  images: CopiedImages,
): Markup | null {
  if (cliques === null) return null;
  const { samples, allSamples, flagged, judged, found, decisions, neverSeenFlagged, unproven } = cliques;
  const known = new Map(captions.map((caption) => [caption.key, caption]));
  const all = flaggedRows(rows);
  const given: string[] = [
    ...(decisions.futile ? [`${integer(decisions.futile)} given up early`] : []),
    ...(decisions.exhausted ? [`${integer(decisions.exhausted)} without a clique to the end`] : []),
    ...(decisions.failed ? [`${integer(decisions.failed)} with too few samples that succeeded`] : []),
  ];
  return html`<section id="cliques"><h2>Generate and filter</h2>
<p>A caption is flagged when ${integer(cliques.clique)} of at most ${integer(cliques.samplesPerCaption)} samples are all less than ${cliques.threshold} apart, the most different of their tiles counted (Carlini et al. 2023). ${counted(flagged, 'caption')} of ${integer(cliques.captions)} ${flagged === 1 ? 'is' : 'are'} flagged${given.length === 0 ? '' : `; ${given.join(', ')}`}.
${counted(samples, 'sample')} ${samples === 1 ? 'was' : 'were'} drawn of ${integer(allSamples)}, ${percentage(samples / allSamples)}: ${integer(allSamples - samples)} saved.${
    cliques.failedSamples === 0 ? '' : ` ${integer(cliques.failedSamples)} of them failed.`
  }
${judged === 0 ? null : html`Of ${counted(judged, 'flagged caption')} judged, ${integer(found)} ${found === 1 ? 'repeats' : 'repeat'} a training picture by the ${rule} rule: a precision of ${percentage(found / judged)}.`}
${neverSeenFlagged === null ? null : html`${neverSeenFlagged === 0 ? 'No' : integer(neverSeenFlagged)} flagged ${neverSeenFlagged === 1 ? 'caption was' : 'captions were'} never seen by the model.`}</p>
${unproven === 0 ? null : html`<p class="note">Of ${counted(unproven, 'caption')} the largest clique may be larger than it says: the search gave up.</p>`}
${
  all.length === 0
    ? null
    : html`<div class="scroll"><table class="cliques"><thead><tr><th class="text">Extracted</th><th class="text">Training picture</th><th class="text">Caption</th><th>Clique</th><th>Samples</th><th>Mean distance</th><th class="text">Verdict</th></tr></thead><tbody>${all
        .slice(0, shownCliques)
        .map((row) => cliqueRow(row, known.get(row.key), images))}</tbody></table></div>`
}
${all.length > shownCliques ? html`<p class="note">${counted(all.length - shownCliques, 'further caption')} ${all.length - shownCliques === 1 ? 'stands' : 'stand'} in tables/cliques.</p>` : null}</section>`;
}

function cliqueRow(row: CliqueRow, caption: Caption | undefined, images: CopiedImages): Markup {
  const stored = (image: string | null | undefined) => (image == null ? undefined : images.get(image));
  const picture = caption?.shown?.picture;
  const verdict = caption === undefined ? null : verdictOf(caption);
  const text = captionText(caption?.caption ?? row.key);
  return html`<tr><td class="text">${figure(stored(row.image), 'not stored', `sample ${row.medoid}`)}</td><td class="text">${
    picture === undefined
      ? '–'
      : figure(stored(picture.image), 'not stored', `picture ${picture.index ?? '–'}`)
  }</td><td class="text words"><bdi>${text}</bdi></td><td>${row.proven ? '' : '≥ '}${integer(row.size)}</td><td>${integer(row.samples)}</td><td>${row.mean_distance === null ? '–' : row.mean_distance.toFixed(3)}</td><td class="text">${verdict ?? 'not judged'}</td></tr>`;
}
