/** What the page of `verbatim dedup` has beside the style of all pages. */
export const dedupStyle = `
:root { --kept: #1d7f5c; }
@media (prefers-color-scheme: dark) { :root { --kept: #56c79b; } }
@media print { :root { --kept: #1d7f5c; } }
.figures { grid-template-columns: minmax(0, 1fr) auto; max-width: 440px; font-size: 14px; gap: 5px 14px; }
.levels small, .bars small { display: block; max-width: 34em; margin-top: 2px; color: var(--muted); font-size: 12px; line-height: 1.35; }
.bars td:last-child, .bars th:last-child { width: 30%; text-align: left; }
.group h3 { flex: 1 0 100%; margin: 0; }
.strip { flex: 0 1 680px; min-width: 0; }
.strip .pictures { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 10px; }
.strip figure { width: auto; min-width: 0; }
.strip .pictures img, .strip .pictures .missing { width: 100%; height: auto; aspect-ratio: 1; overflow: hidden; }
.strip .pictures .missing { overflow-wrap: anywhere; font-size: 11px; line-height: 1.25; }
.strip figcaption span, .id { display: block; }
.id { overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.strip > .note { margin: 8px 0 0; }
.kept img { outline: 2px solid var(--kept); outline-offset: 1px; }
.kept figcaption b, .keys b { color: var(--kept); font-weight: 600; }
.part figcaption b { color: var(--found); font-weight: 600; }
.over { position: relative; }
.over svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.over rect { fill: none; stroke: var(--found); stroke-width: 2px; vector-effect: non-scaling-stroke; }
.over rect.under { stroke: #fff; stroke-width: 4px; }
.group .facts { min-width: 0; }
.group .facts dl { max-width: none; grid-template-columns: auto minmax(0, 1fr); }
.group .said { margin: 8px 0 0; overflow: hidden; overflow-wrap: anywhere; }
.captions, .keys { margin: 6px 0 0; padding: 0; list-style: none; font-size: 13px; line-height: 1.4; }
.captions li { padding: 2px 0; overflow: hidden; overflow-wrap: anywhere; text-align: left; }
.captions .count { color: var(--muted); font-variant-numeric: tabular-nums; }
.captions + .note { margin: 2px 0 0; font-size: 13px; }
.keys { display: flex; flex-wrap: wrap; gap: 0 14px; margin-top: 8px; color: var(--muted); }
.keys li { display: flex; gap: 6px; min-width: 0; max-width: 100%; }
.keys .id { min-width: 0; }
.items + .note, details + .note { margin-top: 12px; }
td.words { min-width: 12em; text-align: left; overflow-wrap: anywhere; overflow: hidden; }
.candidates td a { color: inherit; }
@media screen and (max-width: 760px) {
  td.words { min-width: 7.5em; }
  .strip .pictures { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  .facts { margin-top: 12px; }
  .group h3 { margin-bottom: 8px; }
  .bars th:last-child, .bars td:last-child { display: none; }
  .figures { max-width: none; }
}
@media print {
  .strip { flex: 0 0 402px; }
  .strip .pictures { gap: 8px; }
  .strip .pictures figure { width: auto; }
}
`;
