import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../tables/index.ts';
import { html, type Markup } from './markup.ts';

/** What a cell may hold. A number that is not finite, and null, is an empty cell. */
export type CsvCell = string | number | bigint | boolean | null;

/** The numbers behind one chart. */
export interface ChartData {
  /** Of the file, without '.csv': lower-case letters, digits and hyphens. One of `chartNames`. */
  readonly name: ChartName;
  readonly columns: readonly string[];
  /** As many values as there are columns. */
  readonly rows: readonly (readonly CsvCell[])[];
}

/** Every chart that a page may have, in no order: files of other names in report/data are nobody's business here. */
export const chartNames = [
  'recall',
  'roc',
  'precision',
  'distances',
  'significance',
  'duplication',
  'same-prompt',
  'verbatims',
  'found-against-evaluations',
] as const;
export type ChartName = (typeof chartNames)[number];

/**
 * CSV as RFC 4180 has it: a header, lines that end with CR LF, and quotes around what holds a quote, a comma or a line end.
 *
 * Captions and keys are anybody's. A text that a spreadsheet would run as a formula, since it begins with `=`, `+`, `-`, `@`
 * (also in full width), a tab or a line end, gets an apostrophe in front; who reads the file with a program takes one off
 * where such a character follows it. Numbers stay what they are, also negative ones.
 *
 * @throws RangeError for a row of another length than the header
 */
export function csvText(columns: readonly string[], rows: readonly (readonly CsvCell[])[]): string {
  const lines = [columns, ...rows].map((row, i) => {
    if (row.length !== columns.length)
      throw new RangeError(`Row ${i - 1} has ${row.length} values for ${columns.length} columns.`);
    return `${row.map(cell).join(',')}\r\n`;
  });
  return lines.join('');
}

const formula = /^[=+\-@\t\r\n＝＋－＠]/;

function cell(value: CsvCell): string {
  if (value === null) return '';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '';
  if (typeof value !== 'string') return String(value);
  const guarded = formula.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
}

/** Writes FOLDER/data/NAME.csv for each, and removes what an older report left there of charts that are not drawn now. */
export async function writeChartData(folder: string, charts: readonly ChartData[]): Promise<void> {
  for (const { name, columns, rows } of charts)
    await writeFileAtomic(join(folder, 'data', `${name}.csv`), csvText(columns, rows));
  const drawn = new Set(charts.map(({ name }) => name));
  for (const name of chartNames)
    if (!drawn.has(name)) await rm(join(folder, 'data', `${name}.csv`), { force: true });
}

/** Under a chart: where its numbers are. */
export function dataLink(name: ChartName): Markup {
  return html`<p class="data"><a href="data/${name}.csv">data as CSV</a></p>`;
}
