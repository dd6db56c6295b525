import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../../errors.ts';

export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

/** A JSON object out of a file; a VerbatimError names the file when there is none or it is something else. */
export async function readJsonObject(path: string, hint = ''): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const what = code === 'ENOENT' || code === 'ENOTDIR' ? 'is missing' : `cannot be read (${code})`;
    throw new VerbatimError(`${path}: ${what}${hint ? `; ${hint}` : ''}.`, { cause });
  }
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

/**
 * The safetensors files of one part: `STEM.safetensors`, the shards that `STEM.safetensors.index.json`
 * names, or the half-precision variant of either (`STEM.fp16.safetensors`).
 */
export async function weightFiles(folder: string, stem: string): Promise<string[]> {
  for (const [file, index] of [
    [`${stem}.safetensors`, `${stem}.safetensors.index.json`],
    [`${stem}.fp16.safetensors`, `${stem}.safetensors.index.fp16.json`],
  ] as const) {
    if (await isFile(join(folder, file))) return [join(folder, file)];
    if (await isFile(join(folder, index))) return shards(folder, join(folder, index));
  }
  const pickled =
    (await isFile(join(folder, `${stem}.bin`))) || (await isFile(join(folder, 'pytorch_model.bin')));
  const remedy = pickled
    ? '; a .bin file is a pickle and is not read: save the model again as safetensors'
    : '';
  throw new VerbatimError(`${join(folder, `${stem}.safetensors`)}: is missing${remedy}.`);
}

async function shards(folder: string, index: string): Promise<string[]> {
  const map = (await readJsonObject(index))['weight_map'];
  if (typeof map !== 'object' || map === null)
    throw new VerbatimError(`${index}: "weight_map" (tensor → file) is missing.`);
  const names = [...new Set(Object.values(map) as unknown[])].sort();
  for (const name of names) {
    if (typeof name !== 'string' || !/^[\w.-]+\.safetensors$/.test(name))
      throw new VerbatimError(
        `${index}: ${JSON.stringify(name)} is no name of a safetensors file beside it.`,
      );
    if (!(await isFile(join(folder, name))))
      throw new VerbatimError(`${join(folder, name)}: is missing; ${index} names it.`);
  }
  return names.map((name) => join(folder, name as string));
}
