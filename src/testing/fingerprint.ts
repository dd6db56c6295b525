import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';

/** Path (with forward slashes) → SHA-256 of every file below a folder, without the files of these names. */
export async function fingerprint(
  folder: string,
  without: readonly string[] = ['log.jsonl'],
): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || without.includes(entry.name)) continue;
    const file = join(entry.parentPath, entry.name);
    const digest = createHash('sha256').update(await readFile(file));
    files[relative(folder, file).split(sep).join('/')] = digest.digest('hex');
  }
  return files;
}
