import { readFile, stat } from 'node:fs/promises';
import { VerbatimError } from '../../errors.ts';

/** Configs are written by hand. What is larger is another file, named by mistake: a model, a table. */
const maxBytes = 4 * 2 ** 20;

/**
 * The text of a config that the user named; `what` says in the error what it should have been.
 *
 * @throws VerbatimError (exit code 2) when there is no such file, it is a folder or a device, cannot be
 *   read, or is over 4 MiB.
 */
export async function readText(path: string, what: string): Promise<string> {
  const refused = (reason: string, cause?: unknown) =>
    new VerbatimError(`${path}: ${reason}`, { exitCode: 2, cause });
  try {
    const found = await stat(path);
    if (!found.isFile()) throw refused(`no such ${what}`);
    if (found.size > maxBytes)
      throw refused(
        `${found.size} bytes are too many for a ${what} (at most ${maxBytes}); is it another file?`,
      );
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof VerbatimError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const missing = code === 'ENOENT' || code === 'ENOTDIR';
    throw refused(missing ? `no such ${what}` : `cannot be read (${code})`, error);
  }
}
