import { createReadStream } from 'node:fs';
import { VerbatimError } from '../../errors.ts';
import { atomically, identifier, sql, sqlStream, textLiteral } from '../../tables/index.ts';
import type { DatasetProblem } from '../types.ts';
import { problemList, requireUnchanged, type StoredFile } from './files.ts';
import { linesOf } from './lines.ts';
import { maskedBy } from './parquet-file.ts';

/** How a table of text is to be read. */
export interface CsvDialect {
  readonly delimiter: string;
  /** The header's names; one without a name is "columnN", a name that comes again gets "_N" after it. */
  readonly columns: readonly string[];
}

const delimiters = [',', ';', '\t', '|'];

/** The fields of one line, quotes taken off. A quoted field with a line feed in it is no header. */
function fieldsOf(line: string, delimiter: string): string[] {
  const fields: string[] = [];
  let field = '';
  let quoted = false;
  for (let at = 0; at < line.length; at++) {
    const character = line[at]!;
    if (quoted && character === '"' && line[at + 1] === '"') field += line[at++];
    else if (character === '"' && (quoted || field === '')) quoted = !quoted;
    else if (character === delimiter && !quoted) {
      fields.push(field);
      field = '';
    } else field += character;
  }
  return [...fields, field];
}

/**
 * The dialect of a file by its first line: the delimiter (comma, semicolon, tab, |) that parts it into most names.
 *
 * @throws VerbatimError for an empty file
 */
export async function csvDialect(path: string): Promise<CsvDialect> {
  let header: string | undefined;
  for await (const { text } of linesOf(path)) {
    header = text;
    break;
  }
  if (header === undefined || header.trim() === '')
    throw new VerbatimError(`${path}: has no header; its first line must name the columns.`);
  const parted = delimiters.map((delimiter) => ({ delimiter, fields: fieldsOf(header, delimiter) }));
  const { delimiter, fields } = parted.reduce((a, b) => (b.fields.length > a.fields.length ? b : a));
  const seen = new Set<string>();
  const columns = fields.map((field, number) => {
    let name = field.trim() === '' ? `column${number}` : field.trim();
    while (seen.has(name.toLowerCase())) name = `${name}_${number}`;
    seen.add(name.toLowerCase());
    return name;
  });
  return { delimiter, columns };
}

/** So many broken lines are told of. */
const toldRejects = 1000;
let rejectTables = 0;
/** A name for the table of broken lines that a query makes. */
const rejectTable = () => `verbatim_rejects_${++rejectTables}`;
const dropTable = (name: string) => sql(`DROP TABLE IF EXISTS ${name}; DROP TABLE IF EXISTS ${name}_scan`);

/**
 * SQL that reads the lines that are not broken. Those that are go to a table; without one (ignore_errors = true)
 * DuckDB 1.5 stops at a broken quote without a word.
 */
function reader(path: string, { delimiter, columns }: CsvDialect, rejects: string): string {
  const types = columns.map((name) => `${textLiteral(name)}: 'VARCHAR'`).join(', ');
  // Brackets and stars in a folder's name are not patterns.
  const file = textLiteral(path.replace(/[*?[]/g, '[$&]'));
  return `read_csv(${file}, auto_detect = false, header = true, delim = ${textLiteral(delimiter)}, quote = '"', escape = '"', columns = {${types}}, store_rejects = true, rejects_table = '${rejects}', rejects_scan = '${rejects}_scan', rejects_limit = ${toldRejects})`;
}

/**
 * Counts the rows of a table of text, and says which lines are none: broken quotes, too many or too few fields, bytes
 * that are no UTF-8. A quote that is not closed takes the lines up to the next quote with it; the problem counts them.
 */
export async function csvRows(
  file: StoredFile,
  dialect: CsvDialect,
): Promise<{ readonly rows: number; readonly problems: readonly DatasetProblem[] }> {
  const { path } = file;
  const name = rejectTable();
  try {
    // A column, since a count alone does not look at the fields.
    const [counted] = await sql<{ n: number }>(
      `SELECT count(*) AS n FROM (SELECT * FROM ${reader(path, dialect, name)}) WHERE length(concat(${dialect.columns.map(identifier).join(', ')})) >= 0`,
    );
    const broken = await sql<{ at: number; why: readonly string[]; spans: number }>(
      `SELECT line_byte_position AS at, list(error_message) AS why,
         max(1 + length(trim(csv_line, chr(10) || chr(13))) - length(replace(trim(csv_line, chr(10) || chr(13)), chr(10), ''))) AS spans
       FROM ${name} GROUP BY line_byte_position ORDER BY line_byte_position`,
    );
    const problems = problemList(path);
    const numbers = await lineNumbers(
      path,
      broken.map(({ at }) => at),
    );
    for (const [number, { why, spans }] of broken.entries()) {
      const until = spans > 1 ? ` to ${numbers[number]! + spans - 1}` : '';
      problems.add(
        `${path}, line ${numbers[number]}${until}`,
        `${(why.find((text) => /quote/.test(text)) ?? why.at(-1)!).replace(/\.$/, '')}; ${spans > 1 ? 'they are' : 'it is'} left out`,
        spans,
      );
    }
    if (broken.length >= toldRejects)
      problems.add(path, `has ${toldRejects} or more broken lines; is it a table of this kind?`);
    return { rows: counted!.n, problems: problems.list() };
  } finally {
    await dropTable(name);
  }
}

/** The numbers, from 1, of the lines that stand at byte positions (ascending). A position may be that of the line feed before. */
async function lineNumbers(path: string, positions: readonly number[]): Promise<number[]> {
  const numbers: number[] = [];
  if (positions.length === 0) return numbers;
  let line = 1;
  let at = 0;
  let next = 0;
  for await (const chunk of createReadStream(path)) {
    for (const byte of chunk as Buffer) {
      if (at === positions[next]) {
        numbers.push(byte === 10 ? line + 1 : line);
        next++;
      }
      if (byte === 10) line++;
      at++;
    }
    if (next === positions.length) break;
  }
  while (numbers.length < positions.length) numbers.push(line);
  return numbers;
}

/** One column of the rows [from, to), in order, a few thousand at a time. */
export async function* csvColumn(
  file: StoredFile,
  dialect: CsvDialect,
  column: string,
  from: number,
  to: number,
): AsyncGenerator<string> {
  await requireUnchanged(file);
  // All columns are read, so that the same lines are broken as when they were counted.
  const all = dialect.columns.map(identifier);
  const query = `SELECT ${identifier(column)} AS value, length(concat(${all.join(', ')})) AS whole FROM ${reader(file.path, dialect, rejectTable())} LIMIT ${to - from} OFFSET ${from}`;
  for await (const rows of sqlStream<{ value: string | null }>(query))
    for (const { value } of rows) yield value ?? '';
  await requireUnchanged(file);
}

/** Writes the rows that `mask` chooses with all their columns, in the same dialect. */
export async function filterCsv(
  file: StoredFile,
  dialect: CsvDialect,
  mask: Uint8Array,
  output: string,
): Promise<void> {
  await requireUnchanged(file);
  const name = rejectTable();
  const rows = `SELECT *, row_number() OVER () - 1 AS verbatim_row FROM ${reader(file.path, dialect, name)}`;
  await atomically(output, async (temporary) => {
    await sql(
      `COPY (SELECT * EXCLUDE (verbatim_row) FROM (${rows}) WHERE ${maskedBy(mask, 'verbatim_row')}) TO ${textLiteral(temporary)} (FORMAT csv, HEADER, DELIMITER ${textLiteral(dialect.delimiter)})`,
    );
  }).finally(() => dropTable(name));
  await requireUnchanged(file);
}
