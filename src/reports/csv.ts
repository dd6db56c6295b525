/** A cell of a CSV file. */
export type CsvCell = string | number | null;

/**
 * Rows as CSV (RFC 4180): a header, lines that end with CRLF, quotes around what holds a comma, a quote or a line break,
 * quotes inside doubled. Null is an empty cell.
 */
export function csvText(header: readonly string[], rows: readonly (readonly CsvCell[])[]): string {
  return [header, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

function cell(value: CsvCell): string {
  const text = value === null ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
