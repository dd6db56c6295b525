import { readFile, stat } from 'node:fs/promises';
import type { z } from 'zod';
import { VerbatimError } from '../errors.ts';

/** Whether a file stands at a path, links followed; a folder is none. */
export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

/** A text file; a VerbatimError names it when it is missing or cannot be read, with `hint` for what to do. */
export async function readTextFile(path: string, hint = ''): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const what = code === 'ENOENT' || code === 'ENOTDIR' ? 'is missing' : `cannot be read (${code})`;
    throw new VerbatimError(`${path}: ${what}${hint ? `; ${hint}` : ''}.`, { cause });
  }
}

/** A text file, or undefined where there is none. */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A JSON object out of a file; a VerbatimError names the file when there is none or it is something else. */
export async function readJsonObject(path: string, hint = ''): Promise<Record<string, unknown>> {
  const text = await readTextFile(path, hint);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new VerbatimError(`${path}: not valid JSON (${(cause as Error).message}).`, { cause });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new VerbatimError(`${path}: expected a JSON object.`);
  return json as Record<string, unknown>;
}

/** What a schema makes of a file's content; a VerbatimError names the file and the first key that is wrong. */
export function parseBy<S extends z.ZodType>(schema: S, content: unknown, where: string): z.output<S> {
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new VerbatimError(`${where}: "${issue.path.join('.') || 'the file'}": ${issue.message}.`);
}
