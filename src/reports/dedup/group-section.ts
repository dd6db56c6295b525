import { type DedupSummary, isChained } from '../../stages/index.ts';
import { fact } from '../figure.ts';
import { counted, integer, percentage } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import type { DedupPageData } from './data.ts';
import type { ShownFile, ShownGroup } from './group-data.ts';
import { captionList, itemFigure, keyText } from './pictures.ts';
import { shownCaption } from './text.ts';
import type { Thumbnails } from './thumbnails.ts';
import { modalityWords, worstPair } from './words.ts';

/** The largest groups: their pictures, captions, what stays, and how far apart they are. */
export function groupsSection(data: DedupPageData, thumbnails: Thumbnails): Markup | null {
  const { groups, summary, hasPictures } = data;
  if (groups.length === 0) return null;
  const title =
    groups.length === summary.groups
      ? groups.length === 1
        ? 'The group'
        : `All ${groups.length} groups`
      : `The ${groups.length} largest groups`;
  const explained = hasPictures
    ? 'Each file stands once, with how many items have it; what stays in the dataset is framed and comes first. '
    : 'What stays in the dataset is marked. ';
  return html`<section id="groups"><h2>${title}</h2>
<p>${explained}The worst pair is the one that differs most, whether or not an edge joins it.${
    groups.length < summary.groups ? html` All groups stand in <code>groups.parquet</code>.` : null
  }</p>
<div class="items">${groups.map((group) => groupItem(group, data, thumbnails))}</div></section>`;
}

function groupItem(group: ShownGroup, data: DedupPageData, thumbnails: Thumbnails): Markup {
  const { hasPictures, config, captioned, summary } = data;
  const { rate, files, captions, said, template, kept } = group;
  const worst = worstPair(group.mostBits, group.leastCosine);
  const chained = isChained(config, { ...group, items: rate });
  const different =
    hasPictures && group.looked === rate
      ? files === 1
        ? ', all the same file'
        : `, ${counted(files, 'different file')}`
      : '';
  return html`<article class="item group" id="group-${group.group}"><h3>${counted(rate, 'item')}${different} <span class="note">group ${group.group}</span></h3>
<div class="strip">${hasPictures ? strip(group, thumbnails) : null}
${captioned || !hasPictures ? html`${template === null ? null : html`<p class="said">All captions hold: <bdi>${shownCaption(template)}</bdi></p>`}${captionList(said, captions - said.length)}` : null}
${hasPictures ? null : keys(group)}</div>
<div class="facts"><dl>${fact('stay', integer(kept))}${fact('go', integer(rate - kept))}
${fact('level', levelCounts(group, summary))}
${worst === null ? null : fact('worst pair', worst)}
${captioned ? fact('captions', captions === 0 ? 'none' : captions === 1 ? 'one' : `${integer(captions)} different`) : null}
${captions > 1 && group.captionShare !== null ? fact('most frequent one', percentage(group.captionShare)) : null}
${group.modality !== null && !isByCaption(summary) ? fact('kind', group.modality) : null}</dl>
${chained ? html`<p class="said">A chain: its worst pair alone is alike at no level.</p>` : null}
${group.looked < rate ? html`<p class="said">Files and captions are those of its first ${integer(group.looked)} items.</p>` : null}</div></article>`;
}

/** Groups that are made of captions have no kind: pictures took no part. */
function isByCaption({ levels }: DedupSummary): boolean {
  return levels.length === 1 && levels[0] === 'caption';
}

/** With one level in the run there is nothing to tell apart. */
function levelCounts({ byLevel }: ShownGroup, { levels }: DedupSummary): string {
  if (levels.length === 1 || byLevel.length === 1) return byLevel[0]?.[0] ?? '–';
  return byLevel.map(([level, items]) => `${level} ${integer(items)}`).join(', ');
}

function strip({ rate, files, shown, looked }: ShownGroup, thumbnails: Thumbnails): Markup {
  const rest = rate - shown.reduce((sum, { copies }) => sum + copies, 0);
  const more = looked === rate ? ` in ${counted(files - shown.length, 'further file')}` : '';
  return html`<div class="pictures">${shown.map((file) => fileFigure(file, thumbnails))}</div>${
    rest > 0 ? html`<p class="note">and ${integer(rest)} more${more}</p>` : null
  }`;
}

function fileFigure(file: ShownFile, thumbnails: Thumbnails): Markup {
  const { width, height, copies, keep } = file;
  const size = width === null || height === null ? null : `${width} × ${height}`;
  const words = [
    keep || copies > 1
      ? html`${keep ? html`<b>stays</b>` : null}${keep && copies > 1 ? ' · ' : null}${copies > 1 ? `${integer(copies)}×` : null}`
      : null,
    size,
  ];
  return itemFigure(thumbnails, file, words, { frame: keep ? 'kept' : undefined });
}

/** Without pictures the keys say which rows it is. */
function keys({ shown, rate }: ShownGroup): Markup {
  const rest = rate - shown.length;
  return html`<ul class="keys">${shown.map(
    ({ key, keep }) => html`<li>${keyText(key)}${keep ? html`<b>stays</b>` : null}</li>`,
  )}${rest > 0 ? html`<li>and ${counted(rest, 'further row')}</li>` : null}</ul>`;
}

/** How many groups have one caption: what models memorize is repeated in picture and text. */
export function captionsSection({ summary, captioned }: DedupPageData): Markup | null {
  const { modalities, meanCaptionShare, groups } = summary;
  if (groups === 0 || isByCaption(summary)) return null;
  const heading = html`<h2>Captions of the groups</h2>`;
  if (!captioned)
    return html`<section id="captions">${heading}<p class="empty">No item of a group has a caption.</p></section>`;
  const most = Math.max(1, ...Object.values(modalities).map((one) => one.groups));
  const rows = (['image-and-text', 'mixed', 'image-only'] as const).map((name) => {
    const { groups: those, items } = modalities[name];
    return html`<tr><th scope="row">${name}<small>${modalityWords[name]}</small></th><td>${integer(those)}</td><td>${integer(items)}</td><td>${percentage(those / groups)}</td><td>${those === 0 ? null : html`<span class="bar" style="width:${((those / most) * 100).toFixed(1)}%"></span>`}</td></tr>`;
  });
  return html`<section id="captions">${heading}
<p>What is repeated with the same caption is what models memorize most: Webster (2023, §5.2) finds such multimodal duplication far more often among the captions that a model repeats than duplication of the picture alone. ${
    meanCaptionShare === null
      ? null
      : `On average ${percentage(meanCaptionShare)} of a group’s items have its most frequent caption.`
  }</p>
<div class="scroll"><table class="bars"><thead><tr><th>Kind</th><th>Groups</th><th>Items</th><th>Of the groups</th><th></th></tr></thead><tbody>${rows}</tbody></table></div></section>`;
}
