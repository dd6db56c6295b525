import { join } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { isFile, readJsonObject } from '../../tables/index.ts';

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
