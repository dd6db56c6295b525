import * as Plot from '@observablehq/plot';
import { dataLink } from './csv.ts';
import { type DuplicationBin, type DuplicationKind, duplicationKinds } from './duplication.ts';
import { integer, percentage } from './format.ts';
import { empty, html, type Markup, pair } from './markup.ts';
import { draw, type Svg } from './plot.ts';
import type { Summary } from './summary.ts';

const titles: Readonly<Record<DuplicationKind, string>> = {
  exact: 'exact (MV)',
  retrieved: 'retrieved (RV)',
  template: 'template (TV)',
  others: 'not found',
};

/** One histogram above the other, each kind's shares of its own captions: kinds of different size can be compared. */
function facets(
  bins: readonly DuplicationBin[],
  nameOf: (bin: DuplicationBin) => string,
  axis: string,
  label: string,
): Svg {
  const kinds = kindsOf(bins);
  const rows = kinds.flatMap((kind) => {
    const all = total(bins, kind);
    return bins.map((bin) => ({
      name: nameOf(bin),
      kind: titles[kind],
      share: bin[kind] / all,
      count: bin[kind],
    }));
  });
  const names = bins.map(nameOf);
  return draw(
    {
      height: 90 + 84 * kinds.length,
      marginRight: 112,
      x: {
        label: axis,
        domain: names,
        padding: 0.1,
        // As many as have room.
        ticks: names.filter((_, i) => i % Math.ceil(names.length / 8) === 0),
      },
      y: {
        label: 'Share of the captions',
        domain: [0, 1],
        ticks: [0, 0.5, 1],
        tickFormat: (share: number) => `${share * 100}%`,
        grid: true,
      },
      fy: { label: null, domain: kinds.map((kind) => titles[kind]), padding: 0.18 },
      marks: [
        Plot.barY(rows, {
          fy: 'kind',
          x: 'name',
          y: 'share',
          fill: ({ kind }: (typeof rows)[number]) =>
            kind === titles.others ? 'var(--neutral)' : 'var(--found)',
        }),
        Plot.text(
          rows.filter(({ count }) => count > 0),
          {
            fy: 'kind',
            x: 'name',
            y: 'share',
            text: ({ count }: (typeof rows)[number]) => integer(count),
            dy: -7,
            fontSize: 10,
          },
        ),
        Plot.ruleY([0]),
      ],
    },
    label,
  );
}

const total = (bins: readonly DuplicationBin[], kind: DuplicationKind) =>
  bins.reduce((sum, bin) => sum + bin[kind], 0);
const kindsOf = (bins: readonly DuplicationBin[]) => duplicationKinds.filter((kind) => total(bins, kind) > 0);

export const rateName = ({ low, high }: Pick<DuplicationBin, 'low' | 'high'>) =>
  low === high ? integer(low) : `${integer(low)}–${integer(high)}`;
const shareName = ({ high }: DuplicationBin) => `≤ ${Math.round(high * 100)}%`;

/** Webster's table 1 and figure 4: what was found by its kind, and how often that stands in the training set. */
export function duplicationSection(summary: Summary): Markup {
  const { duplication, judged, rules, model } = summary;
  const heading = html`<h2>Verbatims and their copies</h2>`;
  if (judged === 0)
    return html`<section id="copies">${heading}${empty('No picture has been judged.')}</section>`;
  const table = html`<div class="scroll"><table><thead><tr><th>Model</th><th class="text">Rule</th><th>MV</th><th>RV</th><th>TV</th><th>Captions</th><th>Images</th></tr></thead><tbody>${rules.map(
    ({ rule, byVerdict, captions, images }) =>
      html`<tr><td>${model}</td><td class="text">${rule}</td><td>${integer(byVerdict.MV)}</td><td>${integer(byVerdict.RV)}</td><td>${integer(byVerdict.TV)}</td><td>${integer(captions)}</td><td>${integer(images)}</td></tr>`,
  )}</tbody></table></div>${dataLink('verbatims')}`;
  const rates =
    duplication.rates.length === 0
      ? empty('How often the audited pictures stand in the training set is not known.')
      : pair(
          html`${facets(duplication.rates, ({ low }) => integer(low), 'Copies in the training set, from', 'Histograms of the copies of what was found, by its kind, and of what was not')}${dataLink('duplication')}`,
          countsTable(duplication.rates, 'Copies', rateName),
        );
  return html`<section id="copies">${heading}
<p>Matching (MV), retrieval (RV) and template verbatims (TV), and how often the pictures of their captions stand in the training set. Each histogram is a share of its own captions; what was not found includes captions that were not synthesized.</p>
${table}
${rates}
${samePrompt(duplication)}</section>`;
}

/** Figure 4 (a). */
function samePrompt({ samePrompt: bins, meanSamePrompt }: Summary['duplication']): Markup | null {
  if (bins === null || meanSamePrompt === null || kindsOf(bins).length === 0) return null;
  const means = kindsOf(bins).map(
    (kind) =>
      html`<tr><td>${titles[kind]}</td><td>${integer(total(bins, kind))}</td><td>${percentage(meanSamePrompt[kind]!)}</td></tr>`,
  );
  return html`<h3>The same prompt within a duplicate group</h3>
<p>Of each caption’s duplicate group, as <code>verbatim dedup</code> found it, the share that has the group’s most frequent caption: pictures that are repeated with their captions are memorized more often than those that are repeated under others.</p>
${pair(
  html`${facets(bins, shareName, 'Share of the group with the same prompt', 'Histograms of the share of the duplicate group with the same prompt, by kind')}${dataLink('same-prompt')}`,
  html`<table><thead><tr><th>Kind</th><th>Captions</th><th>Mean share</th></tr></thead><tbody>${means}</tbody></table>`,
)}`;
}

function countsTable(
  bins: readonly DuplicationBin[],
  first: string,
  nameOf: (bin: DuplicationBin) => string,
): Markup {
  const kinds = kindsOf(bins);
  return html`<table><thead><tr><th>${first}</th>${kinds.map((kind) => html`<th>${titles[kind]}</th>`)}</tr></thead><tbody>${bins.map(
    (bin) =>
      html`<tr><td>${nameOf(bin)}</td>${kinds.map((kind) => html`<td>${integer(bin[kind])}</td>`)}</tr>`,
  )}<tr><th scope="row">All</th>${kinds.map((kind) => html`<td>${integer(total(bins, kind))}</td>`)}</tr></tbody></table>`;
}
