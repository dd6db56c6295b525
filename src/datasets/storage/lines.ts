import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { atomically } from '../../tables/index.ts';
import { requireUnchanged, type StoredFile } from './files.ts';

/** Of a longer line only so many characters are held: it is no JSON then, and told as a broken line. */
const longestLine = 2 ** 24;

/**
 * The lines of a text file with their numbers, from 1: one at a time, whatever the file's size. They end with a line feed,
 * a carriage return or both: U+2028 stands in captions as it is.
 */
export async function* linesOf(
  path: string,
): AsyncGenerator<{ readonly line: number; readonly text: string }> {
  let line = 0;
  let held = '';
  let afterReturn = false;
  const numbered = (text: string) => ({
    line: ++line,
    text: line === 1 ? text.replace(/^\uFEFF/, '') : text,
  });
  for await (const chunk of createReadStream(path, { encoding: 'utf8' })) {
    // The line feed of a pair that a chunk has parted.
    const text = afterReturn && String(chunk).startsWith('\n') ? String(chunk).slice(1) : String(chunk);
    afterReturn = String(chunk).endsWith('\r');
    const parts = text.split(/\r\n|\n|\r/);
    const last = parts.pop()!;
    for (const part of parts) {
      yield numbered((held + part).slice(0, longestLine));
      held = '';
    }
    if (held.length < longestLine) held += last;
  }
  if (held !== '') yield numbered(held.slice(0, longestLine));
}

/** What one line of JSON holds; undefined for anything but an object. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Writes the rows of a .jsonl that `mask` chooses, as they stand. Blank and broken lines are no rows. */
export async function copyLines(file: StoredFile, mask: Uint8Array, output: string): Promise<void> {
  await requireUnchanged(file);
  await atomically(output, async (temporary) => {
    const target = await open(temporary, 'w');
    try {
      let row = 0;
      for await (const { text } of linesOf(file.path)) {
        if (jsonObject(text) === undefined) continue;
        if (mask[row++] !== 0) await target.writeFile(`${text}\n`);
      }
    } finally {
      await target.close();
    }
  });
  await requireUnchanged(file);
}
