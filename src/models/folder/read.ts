import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { isFile, readJsonObject } from '../../tables/index.ts';
import type { PartSource } from './open.ts';

/** The pipeline that a folder's model_index.json names; undefined without one. */
export async function pipelineClass(folder: string): Promise<unknown> {
  const index = join(folder, 'model_index.json');
  return (await isFile(index)) ? (await readJsonObject(index))['_class_name'] : undefined;
}

/** verbatim.json, where present: what we store beside a model. */
export async function readSettings(folder: string): Promise<Readonly<Record<string, unknown>>> {
  const path = join(folder, 'verbatim.json');
  return (await isFile(path)) ? readJsonObject(path) : {};
}

/** The config of one part of a folder. */
export async function readConfig<C>(
  folder: string,
  part: string,
  parse: (json: unknown, where: string) => C,
): Promise<C> {
  const file = join(folder, part, 'config.json');
  return parse(await readJsonObject(file), file);
}

/** One part of a diffusers folder: its config, and the files of its weights by the beginning of their names. */
export async function readPart<C>(
  folder: string,
  part: string,
  stem: string,
  parse: (json: unknown, where: string) => C,
): Promise<{ readonly config: C; readonly source: PartSource }> {
  const config = await readConfig(folder, part, parse);
  return { config, source: { kind: 'safetensors', files: await weightFiles(join(folder, part), stem) } };
}

/** Refuses a network whose samples have no known size, or that gives neither their channels nor twice as many. */
export function checkSamples(
  where: string,
  unet: {
    readonly in_channels: number;
    readonly out_channels: number;
    readonly sample_size: unknown;
  },
): void {
  const { in_channels: channels, out_channels: out } = unet;
  if (out !== channels && out !== 2 * channels)
    throw new VerbatimError(
      `${where}: out_channels = ${out}; supported: in_channels (${channels}), or twice that where the variance is learned.`,
    );
  if (unet.sample_size === null)
    throw new VerbatimError(`${where}: sample_size is missing; the side of the samples must be known.`);
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
    ? 'a .bin file is a pickle and is not read: save the model again as safetensors'
    : await unfinished(folder, stem);
  throw new VerbatimError(`${join(folder, `${stem}.safetensors`)}: is missing; ${remedy}.`);
}

/** What stands in a folder where a file of weights is missing, and what to do: shards alone, parts of a download. */
export async function unfinished(folder: string, stem: string): Promise<string> {
  const names = (await readdir(folder).catch(() => []))
    .filter((name) => name.startsWith(stem) || /\.(safetensors|incomplete|part|crdownload|aria2)$/.test(name))
    .sort();
  if (names.length === 0) return 'download the model again, or copy it whole';
  const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
  const shards = names.some((name) => /-of-\d+\.safetensors$/.test(name));
  const index = shards ? `, without ${stem}.safetensors.index.json` : '';
  return `there is ${names.slice(0, 3).join(', ')}${more}${index}: the download is not whole, download the model again`;
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
      throw new VerbatimError(
        `${join(folder, name)}: is missing; ${index} names it: the download is not whole, download the model again.`,
      );
  }
  return names.map((name) => join(folder, name as string));
}
