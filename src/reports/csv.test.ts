import fc from 'fast-check';
import { expect, it } from 'vitest';
import { csvText } from './csv.ts';

/** An independent reader: RFC 4180, character by character. */
function parse(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quoted && c === '"' && text[i + 1] === '"') cell += text[++i];
    else if (c === '"') quoted = !quoted;
    else if (quoted) cell += c;
    else if (c === ',') {
      row.push(cell);
      cell = '';
    } else if (c === '\r' && text[i + 1] === '\n') {
      i++;
      rows.push([...row, cell]);
      row = [];
      cell = '';
    } else cell += c;
  }
  return rows;
}

it('gives back every text, number and empty cell', () => {
  const cell = fc.oneof(
    fc.string({ unit: fc.constantFrom('a', '"', ',', '\r', '\n', ' ', 'é', '🙂') }),
    fc.constantFrom('"', ',', '\r\n', '"",\n'),
    fc.integer(),
    fc.constant(null),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 8 }), (rows) => {
      const expected = rows.map((row) => row.map((value) => (value === null ? '' : String(value))));
      expect(parse(csvText(['a', 'b'], rows))).toEqual([['a', 'b'], ...expected]);
    }),
  );
});
