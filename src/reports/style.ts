/**
 * The page's one style sheet. Colours are variables, so that light, dark and print share every rule; series
 * colours keep ≥ 3:1 contrast with their background (Okabe–Ito hues, darkened or lightened).
 */
export const style = `
:root {
  color-scheme: light dark;
  --paper: #fdfdfc; --ink: #1b1d21; --muted: #5b616b; --line: #d9dbdf; --panel: #f3f3f1;
  --found: #b3261e; --found-soft: #e9b4ae; --neutral: #8b929d; --unseen: #2467b0;
  --series-1: #1f6fb4; --series-2: #b4501e; --series-3: #1d7f5c; --series-4: #9a3f82; --series-5: #7a6a10; --series-6: #4b5563;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --ink: #e6e7ea; --muted: #a0a6b0; --line: #33373e; --panel: #1d2024;
    --found: #f0847a; --found-soft: #7c3a35; --neutral: #7d8591; --unseen: #74aef0;
    --series-1: #6cb1f2; --series-2: #f0975f; --series-3: #56c79b; --series-4: #e08acb; --series-5: #d3bf55; --series-6: #b3bac5;
  }
}
@media print {
  :root {
    --paper: #fff; --ink: #000; --muted: #444; --line: #bbb; --panel: #fff;
    --found: #b3261e; --found-soft: #e9b4ae; --neutral: #8b929d; --unseen: #2467b0;
    --series-1: #1f6fb4; --series-2: #b4501e; --series-3: #1d7f5c; --series-4: #9a3f82; --series-5: #7a6a10; --series-6: #4b5563;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
}
header, main, footer { max-width: 1080px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 44px; }
.name { margin: 0 0 10px; color: var(--muted); font-size: 14px; }
.name b { color: var(--ink); font-weight: 600; }
h1 { margin: 0 0 14px; max-width: 26em; font-size: clamp(25px, 4.2vw, 38px); line-height: 1.18; font-weight: 600; letter-spacing: -0.015em; text-wrap: balance; }
h1 em { font-style: normal; color: var(--found); }
.lead { margin: 0; max-width: 44em; color: var(--muted); }
h2 { margin: 56px 0 6px; padding-top: 14px; border-top: 1px solid var(--line); font-size: 20px; line-height: 1.3; font-weight: 600; }
h3 { margin: 32px 0 4px; font-size: 16px; font-weight: 600; }
p { margin: 0 0 12px; max-width: 44em; }
.note { color: var(--muted); font-size: 14px; }
.pair { display: grid; grid-template-columns: minmax(0, 440px) minmax(0, 1fr); gap: 12px 40px; align-items: start; margin-top: 14px; }
.pair figure { margin: 0; }
.scroll { overflow-x: auto; }
.scroll + .note, .pair + .note { margin-top: 12px; }
.scroll .note { margin-top: 12px; }
nav { margin-top: 18px; font-size: 14px; line-height: 1.9; }
nav a { margin-right: 16px; color: var(--ink); text-underline-offset: 3px; text-decoration-color: var(--line); }
nav a:hover { text-decoration-color: currentColor; }
table { border-collapse: collapse; width: 100%; font-size: 14px; line-height: 1.35; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 0 6px 14px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: baseline; }
th:first-child, td:first-child { padding-left: 0; text-align: left; }
th { color: var(--muted); font-weight: 500; vertical-align: bottom; }
tbody th { color: var(--ink); font-weight: 400; vertical-align: baseline; }
td.text, th.text { text-align: left; }
td.line { white-space: nowrap; }
td small { color: var(--muted); font-size: 12px; white-space: nowrap; }
.chart { display: block; width: 100%; height: auto; max-width: 440px; font: 13px system-ui, -apple-system, "Segoe UI", Arial, sans-serif; color: var(--ink); }
.chart text { white-space: pre; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 4px 0 0; padding: 0; list-style: none; font-size: 13px; color: var(--muted); }
.legend svg { vertical-align: middle; margin-right: 5px; }
.data { margin: 4px 0 0; font-size: 13px; }
.data a { color: var(--muted); text-underline-offset: 3px; }
td.said { text-align: left; overflow-wrap: anywhere; }
.weak { color: var(--muted); }
.bar { display: block; height: 9px; background: var(--neutral); min-width: 1px; }
.funnel td:last-child, .funnel th:last-child { width: 34%; text-align: left; }
.items { display: grid; grid-template-columns: minmax(0, 1fr); margin-top: 8px; }
.item { display: flex; gap: 8px 32px; padding: 18px 0; border-bottom: 1px solid var(--line); }
.pictures { flex: 0 1 680px; align-content: start; }
.facts { flex: 1 0 270px; max-width: 420px; }
.facts dl { max-width: 300px; }
.pictures { display: flex; flex-wrap: wrap; gap: 10px; }
.pictures figure { margin: 0; width: 128px; }
.pictures img, .pictures .missing { display: block; width: 128px; height: 128px; object-fit: contain; background: var(--panel); }
.pictures img.small { image-rendering: pixelated; }
.pictures .missing { display: grid; place-items: center; padding: 8px; border: 1px dashed var(--line); color: var(--muted); font-size: 12px; text-align: center; }
figcaption { margin-top: 3px; color: var(--muted); font-size: 12px; line-height: 1.3; }
.pictures .match img { outline: 2px solid var(--found); outline-offset: 1px; }
.match figcaption b { color: var(--found); font-weight: 600; }
.said, .review { margin: 0 0 6px; font-size: 13px; line-height: 1.4; }
.verdict { color: var(--found); font-weight: 600; }
.review { color: var(--muted); overflow-wrap: anywhere; }
.item { flex-wrap: wrap; }
.item .rows { flex: 1 0 100%; min-width: 0; margin-top: 2px; font-size: 13px; }
.rows summary { color: var(--muted); }
.rows .scroll, .rows .pictures, .rows dl { margin-top: 10px; }
.rows table { font-size: 13px; }
.rows td.words { min-width: 16em; }
.rows .pictures { flex-wrap: wrap; }
.rows .pictures figure { width: 96px; }
.rows .pictures img, .rows .pictures .missing { width: 96px; height: 96px; }
.rows dl { display: flex; flex-wrap: wrap; gap: 1px 20px; }
.rows dl div { display: flex; gap: 6px; }
.rows .note { margin: 10px 0 0; font-size: 12px; overflow-wrap: anywhere; }
.key { margin: 14px 0 0; padding: 12px 16px; background: var(--panel); }
.key p { max-width: none; margin: 0; }
.swatch { display: inline-block; width: 14px; height: 14px; margin-right: 6px; vertical-align: -2px; }
.swatch.ramp { width: 96px; height: 10px; margin: 0 4px; vertical-align: 0; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.item.plain { display: block; padding: 10px 0; }
.plain dl { display: flex; flex-wrap: wrap; gap: 1px 20px; }
.plain dl div { display: flex; gap: 6px; }
.plain .caption { margin-bottom: 2px; }
.caption { margin: 0 0 6px; font-size: 15px; line-height: 1.35; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 1px 14px; margin: 0; font-size: 13px; font-variant-numeric: tabular-nums; }
dl div { display: contents; }
dt { color: var(--muted); }
dd { margin: 0; text-align: right; }
.empty { margin: 14px 0 0; padding: 16px 18px; max-width: none; background: var(--panel); color: var(--muted); }
details { margin-top: 12px; }
summary { cursor: pointer; }
pre { overflow-x: auto; padding: 14px 16px; background: var(--panel); font: 13px/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
code { font: 0.92em ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
footer { margin-top: 56px; padding-top: 14px; padding-bottom: 40px; color: var(--muted); font-size: 13px; overflow-wrap: anywhere; }
@media screen and (max-width: 760px) {
  header, main, footer { padding-left: 16px; padding-right: 16px; }
  header { padding-top: 26px; }
  h2 { margin-top: 40px; }
  .pair { grid-template-columns: minmax(0, 1fr); }
  .item { display: block; }
  .facts, .facts dl { max-width: none; }
  .facts { margin-top: 10px; }
  .pictures { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 10px 8px; min-width: 0; }
  .pictures figure { width: auto; }
  .pictures img, .pictures .missing { width: 100%; height: auto; aspect-ratio: 1; padding: 2px; }
  .pictures img { padding: 0; }
  .rows .pictures { display: flex; }
  .funnel th:last-child, .funnel td:last-child, .wide { display: none; }
  /* Failed items stand below with their reasons; without this column the time fits. */
  .funnel th:nth-child(4), .funnel td:nth-child(4) { display: none; }
  th, td { padding-left: 10px; }
}
/* Paper is as wide as a phone is, but is read from further away and costs pages: small pictures, figures beside. */
@media print {
  body { font-size: 10pt; }
  table, dl, .note, .caption { font-size: 9pt; }
  main, header, footer { max-width: none; padding: 0; }
  nav { display: none; }
  .item, .pair, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  h2 { margin-top: 34px; }
  .pair { grid-template-columns: minmax(0, 1fr); }
  .item { gap: 8px 24px; padding: 10px 0; }
  .pictures { flex: 0 0 402px; gap: 8px; }
  .pictures figure { width: 74px; }
  .pictures img, .pictures .missing { width: 74px; height: 74px; padding: 2px; }
  .pictures img { padding: 0; }
  .bar { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
`;
