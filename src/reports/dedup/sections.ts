import type { DedupSummary } from '../../stages/index.ts';
import { fact } from '../figure.ts';
import { captionText, counted, integer, list, percentage } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import type { DedupPageData } from './data.ts';
import { shownKey } from './text.ts';
import { keepWords, levelWords } from './words.ts';

/** The page's first words: how much is repeated, and what removing it takes. */
export function answer({ summary }: DedupPageData): Markup {
  const { groups, grouped, items, removed, keep, levels } = summary;
  if (items === 0) return html`<h1>Nothing to compare: no row could be read.</h1>`;
  if (groups === 0)
    return html`<h1>No duplicates among ${counted(items, 'item')} at the ${levels.length === 1 ? 'level' : 'levels'} ${list(levels)}.</h1>`;
  const rule = keep === 'semdedup' ? 'the rule semdedup' : 'keeping one of each';
  return html`<h1><em>${counted(groups, 'group')}</em> ${groups === 1 ? 'holds' : 'hold'} ${integer(grouped)} of ${counted(items, 'item')} (${percentage(grouped / items)}); ${rule} removes ${integer(removed)}.</h1>`;
}

/** One paragraph that qualifies the answer. */
export function lead({ summary, config }: DedupPageData): Markup {
  const { groups, chained, linkage, failed, skipped, histogram } = summary;
  const largest = histogram.at(-1)?.[0];
  const sentences: string[] = [];
  if (largest !== undefined && groups > 1)
    sentences.push(`The largest group has ${counted(largest, 'item')}.`);
  if (groups > 0)
    sentences.push(
      linkage === 'complete'
        ? 'Each two items of a group are alike (complete linkage).'
        : chained === 0
          ? 'Groups are chains of pairs (single linkage)' +
            (config.levels.some((level) => level === 'perceptual' || level === 'descriptor')
              ? '; no group’s worst pair lies beyond the thresholds.'
              : '.')
          : `Groups are chains of pairs (single linkage); in ${integer(chained)} of them the worst pair lies beyond the thresholds.`,
    );
  const lost = [
    ...(failed > 0 ? [`${counted(failed, 'row')} could not be read`] : []),
    ...(skipped.length > 0
      ? [`${counted(skipped.length, 'part')} of the dataset ${skipped.length === 1 ? 'was' : 'were'} skipped`]
      : []),
  ];
  sentences.push(
    lost.length === 0
      ? 'Every row of the dataset was read.'
      : `${list(lost)}: what they hold is not counted here.`,
  );
  return html`<p class="lead">${sentences.join(' ')}</p>`;
}

/** What was compared, how, and what comes of it. */
export function figuresSection({ summary, config, run, hasPictures }: DedupPageData): Markup {
  const { dataset, items, failed, skipped, levels, byLevel, linkage, keep, kept, removed } = summary;
  const rows = levels.map((level) => {
    const { pairs, items: paired } = byLevel[level] ?? { pairs: 0, items: 0 };
    return html`<tr><th scope="row">${level}<small>${levelWords(level, config, run)}</small></th><td>${integer(pairs)}</td><td>${integer(paired)}</td></tr>`;
  });
  return html`<section id="figures"><h2>What was compared</h2>
<div class="pair"><dl class="figures">
${fact('rows', integer(dataset.rows))}${fact('items (rows that were read)', integer(items))}${fact('failed rows', integer(failed))}${fact('skipped parts', integer(skipped.length))}
${fact('linkage', linkage)}${fact('keep rule', keep)}${fact('items that stay', integer(kept))}${fact('items that go', integer(removed))}</dl>
<div class="scroll"><table class="levels"><thead><tr><th>Level: two items are alike by</th><th>Pairs</th><th>Items in a pair</th></tr></thead><tbody>${rows}</tbody></table></div></div>
<p class="note">Stays: ${keepWords[keep === 'largest' && !hasPictures ? 'first' : keep]}; and every item without a duplicate. Of items with equal files, hashes or captions the first is paired with each other one, so pairs do not grow with the square of the copies. The keys of what stays are in <code>keep.txt</code>.</p></section>`;
}

/** What was not compared, and why. */
export function leftOutSection({ summary, failures }: DedupPageData): Markup {
  const { failed, skipped } = summary;
  const heading = html`<h2>What was left out</h2>`;
  if (failed + skipped.length === 0)
    return html`<section id="left-out">${heading}<p class="empty">Nothing: no row failed and no part of the dataset was skipped.</p></section>`;
  return html`<section id="left-out">${heading}
${skipped.length === 0 ? null : skippedTable(skipped)}
${
  failed === 0
    ? null
    : html`<h3>${counted(failed, 'failed row')}</h3>
<div class="scroll"><table class="reasons"><thead><tr><th>Reason</th><th>Rows</th><th class="text">For example</th></tr></thead><tbody>${failures.map(
        ({ reason, rows, key }) =>
          html`<tr><td class="words"><bdi>${captionText(reason)}</bdi></td><td>${integer(rows)}</td><td class="text words"><bdi>${shownKey(key)}</bdi></td></tr>`,
      )}</tbody></table></div>${others(failed - failures.reduce((sum, { rows }) => sum + rows, 0))}`
}</section>`;
}

const skippedShown = 20;

function skippedTable(skipped: DedupSummary['skipped']): Markup {
  const rest = skipped.length - skippedShown;
  return html`<h3>${counted(skipped.length, 'skipped part')}</h3>
<div class="scroll"><table class="reasons"><thead><tr><th>Where</th><th class="text">Why</th><th>Rows lost</th></tr></thead><tbody>${skipped
    .slice(0, skippedShown)
    .map(
      ({ where, what, rows }) =>
        html`<tr><td class="words"><bdi>${captionText(where)}</bdi></td><td class="text words"><bdi>${captionText(what)}</bdi></td><td>${rows === null ? 'unknown' : integer(rows)}</td></tr>`,
    )}</tbody></table></div>${rest > 0 ? html`<p class="note">${counted(rest, 'further part')} in <code>summary.json</code>.</p>` : null}`;
}

function others(rows: number): Markup | null {
  return rows > 0
    ? html`<p class="note">${counted(rows, 'further row')} for other reasons: <code>tables/items</code>, column <code>error</code>.</p>`
    : null;
}
