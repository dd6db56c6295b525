import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sql, textLiteral } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { csvText, writeChartData } from './csv.ts';

const folder = temporaryFolder('csv');

describe('csvText', () => {
  it('writes RFC 4180', () => {
    expect(
      csvText(
        ['a', 'b', 'c'],
        [
          [1, 'plain', null],
          [-2.5, 'a "quoted", word', true],
          [Number.NaN, 'two\r\nlines', 12345678901234567890n],
        ],
      ),
    ).toBe('a,b,c\r\n1,plain,\r\n-2.5,"a ""quoted"", word",true\r\n,"two\r\nlines",12345678901234567890\r\n');
    expect(() => csvText(['a'], [[1, 2]])).toThrow(/Row 0 has 2 values for 1/);
  });

  it('gives a spreadsheet no formula to run, and leaves numbers alone', () => {
    for (const text of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '＝1+1', '－1'])
      expect(csvText(['x'], [[text]])).toMatch(/^x\r\n"?'/);
    expect(csvText(['x'], [[-1]])).toBe('x\r\n-1\r\n');
    expect(csvText(['x'], [['a=1']])).toBe('x\r\na=1\r\n');
  });

  it('is read back by DuckDB as it was, but for the apostrophe', async () => {
    let n = 0;
    await fc.assert(
      fc.asyncProperty(
        // DuckDB reads no NUL; lone surrogates are no UTF-8.
        fc.array(
          fc.oneof(
            fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', '')),
            fc.constantFrom('=A1', '"', '""', ',', 'a\nb', "'=", ''),
          ),
          { minLength: 1, maxLength: 6 },
        ),
        async (texts) => {
          const path = join(folder, `${n++}.csv`);
          await writeFile(
            path,
            csvText(
              ['place', 'text'],
              texts.map((text, i) => [i, text]),
            ),
          );
          const rows = await sql<{ text: string }>(
            `SELECT text FROM read_csv(${textLiteral(path)}, delim = ',', quote = '"', escape = '"', header = true, columns = {'place': 'INTEGER', 'text': 'VARCHAR'}, new_line = '\\r\\n', nullstr = 'never') ORDER BY place`,
          );
          expect(rows.map(({ text }) => text)).toEqual(
            texts.map((text) => (/^[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text)),
          );
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('writeChartData', () => {
  it('writes a file for each chart, and removes those of charts that are gone', async () => {
    const report = join(folder, 'report');
    await mkdir(join(report, 'data'), { recursive: true });
    await writeFile(join(report, 'data/mine.csv'), 'kept');
    const recall = { name: 'recall', columns: ['copies'], rows: [[5]] } as const;
    await writeChartData(report, [recall, { ...recall, name: 'roc' }]);
    expect((await readdir(join(report, 'data'))).sort()).toEqual(['mine.csv', 'recall.csv', 'roc.csv']);
    await writeChartData(report, [recall]);
    expect((await readdir(join(report, 'data'))).sort()).toEqual(['mine.csv', 'recall.csv']);
    expect(await readFile(join(report, 'data/recall.csv'), 'utf8')).toBe('copies\r\n5\r\n');
  });
});
