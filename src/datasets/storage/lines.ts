import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { atomically } from '../../tables/index.ts';
import { requireUnchanged, type StoredFile } from './files.ts';

/** The lines of a text file with their numbers, from 1: one at a time, whatever the file's size. */
export async function* linesOf(
  path: string,
): AsyncGenerator<{ readonly line: number; readonly text: string }> {
  const stream = createReadStream(path, { encoding: 'utf8' });
  try {
    let line = 0;
    for await (const text of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      line++;
      yield { line, text: line === 1 ? text.replace(/^\uFEFF/, '') : text };
    }
  } finally {
    stream.destroy();
  }
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
