import * as Plot from '@observablehq/plot';
import { dataLink } from './csv.ts';
import { captionText, counted, integer, list, percentage, score } from './format.ts';
import { empty, html, type Markup, pair } from './markup.ts';
import { draw, type Svg } from './plot.ts';
import type { RankedKind, SignificanceFigures } from './significance.ts';
import type { Summary } from './summary.ts';

/** Findings beside the chart; summary.json has twice as many, the tables all. */
const mostShown = 10;

/** What a dot of the chart is; drawn in this order, so that findings lie on top. */
const rankedKinds: readonly { readonly kind: RankedKind; readonly title: string; readonly fill: string }[] = [
  { kind: 'others', title: 'in the training set, not found', fill: 'var(--neutral)' },
  { kind: 'neverSeen', title: 'never seen by the model', fill: 'var(--unseen)' },
  { kind: 'found', title: 'found', fill: 'var(--found)' },
];

/**
 * P-values by their rank, both axes logarithmic and the smallest p-value on top: captions that mean nothing lie on the dotted
 * line of p = rank / tested, and what lies above the dashed one of p = rate · rank / tested is discovered.
 */
export function significanceChart({ ranked, tested, rate, smallestP }: SignificanceFigures): Svg {
  const last = Math.max(tested, 2);
  const floor = Math.min(smallestP, 0.5) / 1.6;
  const line = (share: number) =>
    Array.from({ length: 60 }, (_, i) => last ** (i / 59))
      .map((rank) => ({ rank, p: (share * rank) / last }))
      .filter(({ p }) => p >= floor);
  const powers = Array.from({ length: 12 }, (_, i) => 10 ** i);
  return draw(
    {
      x: {
        type: 'log',
        label: 'Rank among the captions tested',
        domain: [0.9, last * 1.1],
        ticks: powers.filter((at) => at <= last),
        tickFormat: (at: number) => integer(at),
      },
      y: {
        type: 'log',
        label: 'p-value',
        // The scale is turned; an arrow would say which way p grows, and not what is good.
        labelArrow: 'none',
        domain: [1, floor],
        ticks: powers.map((at) => 1 / at).filter((at) => at >= floor),
        tickFormat: (at: number) => String(Number(at.toPrecision(1))),
        grid: true,
      },
      marks: [
        Plot.line(line(1), { x: 'rank', y: 'p', strokeOpacity: 0.5, strokeDasharray: '2 3' }),
        Plot.line(line(rate), { x: 'rank', y: 'p', strokeWidth: 1.5, strokeDasharray: '6 3' }),
        ...rankedKinds.map(({ kind, fill }) =>
          Plot.dot(
            ranked.filter((one) => one.kind === kind),
            { x: 'rank', y: 'p', r: 2.2, fill },
          ),
        ),
      ],
    },
    `P-values of the scores by their rank, with the line below which ${percentage(rate)} of the discoveries are expected to be false`,
  );
}

/** How sure the scores are: discoveries at the rate, the chart, and the findings. */
export function significanceSection({ significance, truthKnown }: Summary): Markup {
  const heading = html`<h2>How sure</h2>`;
  if (significance === null)
    return html`<section id="sure">${heading}${empty('This run holds no score against those of captions that the model was never trained on, so no p-value can be given; the key significance of its configuration asks for them.')}</section>`;
  const { ranked, tested, findings, top } = significance;
  const legend = [
    ...rankedKinds
      .filter(({ kind }) => ranked.some((one) => one.kind === kind))
      .map(
        ({ title, fill }) =>
          html`<li><svg width="12" height="12" aria-hidden="true"><circle cx="6" cy="6" r="4" fill="${fill}"></circle></svg>${title}</li>`,
      ),
    html`<li><svg width="26" height="8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4" stroke="currentColor" stroke-width="1.5" stroke-dasharray="6 3"></line></svg>discovered above</li>`,
    html`<li><svg width="26" height="8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4" stroke="currentColor" stroke-dasharray="2 3"></line></svg>by chance</li>`,
  ];
  const table =
    top.length === 0
      ? html`<p class="note">No finding has a p-value.</p>`
      : html`<table><thead><tr><th>Finding</th><th class="text">Verdict</th><th class="wide">Score</th><th>p</th><th>q</th></tr></thead><tbody>${top
          .slice(0, mostShown)
          .map(
            (one) =>
              html`<tr><td class="said"><bdi>${captionText(one.caption, Number.POSITIVE_INFINITY, 60)}</bdi></td><td class="text">${one.verdict}</td><td class="wide">${score(one.score)}</td><td>${pText(one.p)}</td><td>${one.discovery ? pText(one.q) : html`<span class="weak">${pText(one.q)}</span>`}</td></tr>`,
          )}</tbody></table>${findings > mostShown ? html`<p class="note">${integer(mostShown)} of ${counted(findings, 'finding')}; the table <code>significance</code> has all.</p>` : null}`;
  return html`<section id="sure">${heading}
<p>${discoveryText(significance)}</p>
<p>${meaningText(significance)}</p>
${tested === 0 ? empty('No caption has a score to test.') : pair(html`${significanceChart(significance)}<ul class="legend">${legend}</ul>${dataLink('significance')}`, table)}
${warnings(significance, truthKnown)}</section>`;
}

function discoveryText({
  attack,
  rate,
  discoveries,
  tested,
  findings,
  findingsDiscovered,
  kinds,
}: SignificanceFigures): string {
  const several = kinds.length > 1;
  const against = kinds.map(({ nulls, kind }, i) =>
    several ? `${integer(nulls)}${i === 0 ? ' captions' : ''} ${kindText(kind)}` : counted(nulls, 'caption'),
  );
  const asked = `The ${attack} scores of ${counted(tested, 'caption')} were held against those of ${list(against)} that the model was never trained on, with the same noise${several ? ', each against its own kind' : ''}. At a rate of false discoveries of ${percentage(rate)}, ${integer(discoveries)} ${discoveries === 1 ? 'is a discovery' : 'are discoveries'}`;
  if (findings === 0) return `${asked}.`;
  return `${asked}, ${findingsDiscovered === findings ? (findings === 1 ? 'the one finding' : `all ${integer(findings)} findings`) : `${integer(findingsDiscovered)} of the ${counted(findings, 'finding')}`} among them.`;
}

function kindText(kind: string): string {
  return kind === 'template' ? 'of template families' : kind === 'single' ? 'of single pictures' : kind;
}

/** What a rate means, and what it is about. */
function meaningText({ rate, dependence }: SignificanceFigures): string {
  const share = Number((rate * 100).toPrecision(3));
  return `Of what is called a discovery in such audits, on average at most ${share} in 100 were never trained on${dependence === 'any' ? ', however the scores depend on each other' : ''}. This is about the caption’s score: that the model was trained on it. Whether a picture comes back is what the verdicts say.`;
}

function warnings(figures: SignificanceFigures, truthKnown: boolean): Markup {
  const {
    nulls,
    nullsFailed,
    untested,
    discoveries,
    falseDiscoveries,
    falseShare,
    fewest,
    tested,
    kinds,
    smallestP,
    rate,
  } = figures;
  const least = Math.min(...kinds.map((kind) => kind.nulls));
  const notes = [
    `The smallest p-value that ${integer(Math.max(...kinds.map((kind) => kind.nulls)))} captions can give is ${pText(smallestP)}${fewest > 1 ? `; at this rate nothing is a discovery unless ${integer(fewest)} of the ${integer(tested)} score above all of them` : ''}.`,
    least < 2000
      ? html`<b>${integer(least)} are few</b>: with 2,000 or more, single captions can be told from chance.`
      : null,
    nullsFailed > 0
      ? html`<b>${integer(nullsFailed)} of ${integer(nulls + nullsFailed)} captions never trained on could not be scored</b> and are left out.`
      : null,
    untested > 0
      ? `${counted(untested, 'audited caption')} ${untested === 1 ? 'has' : 'have'} no score and ${untested === 1 ? 'was' : 'were'} not tested.`
      : null,
    truthKnown && falseDiscoveries !== null && discoveries > 0
      ? `The truth is known here: ${integer(falseDiscoveries)} of the ${integer(discoveries)} ${falseDiscoveries === 1 ? 'was' : 'were'} never seen by the model, ${percentage(falseShare!.share)} [${percentage(falseShare!.low)}, ${percentage(falseShare!.high)}] (Clopper and Pearson’s 95% interval), where the rate allows ${percentage(rate)} on average.`
      : null,
  ].filter((note) => note !== null);
  return html`<p class="note">${notes.map((note, i) => html`${i === 0 ? '' : ' '}${note}`)}</p>`;
}

/** A p- or q-value with two digits: '0.00050', '0.053', '1'. */
export function pText(p: number): string {
  if (p >= 0.995) return '1';
  if (p >= 0.1) return p.toFixed(2);
  return p < 1e-6
    ? p.toExponential(1).replace('-', '−')
    : p.toFixed(Math.min(7, 1 - Math.floor(Math.log10(p))));
}
