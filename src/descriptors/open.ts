import { readFile } from 'node:fs/promises';
import { VerbatimError } from '../errors.ts';
import { dhashDescriptor, phashDescriptor } from './hashes.ts';
import {
  type DenoiserNetworkOptions,
  type NetworkDescription,
  networkDescriptionSchema,
  openNetworkDescriptor,
} from './network.ts';
import { networkDescriptions } from './networks.ts';
import { pixelDescriptor } from './pixels.ts';
import type { Descriptor } from './types.ts';

const plain: Readonly<Record<string, () => Descriptor>> = {
  pixels: () => pixelDescriptor(),
  phash: () => phashDescriptor(),
  dhash: () => dhashDescriptor(),
};

/** The names that `openDescriptor` knows: those that need nothing, then those that need an exported network. */
export const descriptorNames: readonly string[] = [
  ...Object.keys(plain),
  ...Object.keys(networkDescriptions),
];

/**
 * Opens a descriptor by its name, or by the path of a JSON file that describes a network (docs/search.md).
 *
 * @param network the exported network (ONNX), for those that are one
 * @throws VerbatimError (exit code 2) when the name is not known, or a network is missing or too many
 */
export async function openDescriptor(
  name: string,
  network?: string,
  options: DenoiserNetworkOptions = {},
): Promise<Descriptor> {
  const ready = Object.hasOwn(plain, name) ? plain[name] : undefined;
  if (ready !== undefined) {
    if (network !== undefined)
      throw new VerbatimError(`descriptor ${name} takes no network; leave ${network} out`, { exitCode: 2 });
    return ready();
  }
  const description = Object.hasOwn(networkDescriptions, name)
    ? networkDescriptions[name]!
    : await readDescription(name);
  if (network === undefined)
    throw new VerbatimError(
      `descriptor ${description.name} is a network; name its exported file (--network FILE.onnx)`,
      { exitCode: 2 },
    );
  return openNetworkDescriptor(network, description, options);
}

async function readDescription(path: string): Promise<NetworkDescription> {
  if (!path.endsWith('.json'))
    throw new VerbatimError(
      `there is no descriptor "${path}"; known are ${descriptorNames.join(', ')}, or a description (FILE.json)`,
      { exitCode: 2 },
    );
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'no such file' : error.message;
    throw new VerbatimError(`${path}: ${reason}`, { exitCode: 2 });
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new VerbatimError(`${path}: not JSON (${(error as Error).message})`, { exitCode: 2 });
  }
  const parsed = networkDescriptionSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new VerbatimError(`${path}: ${issue!.path.join('.') || 'description'}: ${issue!.message}`, {
    exitCode: 2,
  });
}
