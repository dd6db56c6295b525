import { realpathSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, parse, resolve } from 'node:path';
import { VerbatimError } from '../errors.ts';
import { encodeModel, type Model, writeModel } from '../graph/index.ts';
import type { ModelSource } from './session.types.ts';

/** A model as onnxruntime takes it. */
export interface LoadableModel {
  /** What messages call it. */
  readonly label: string;
  /** A file, or bytes in a buffer of their own. */
  readonly model: string | Uint8Array<ArrayBuffer>;
  /** The folder that the external data of a model in bytes is relative to. */
  readonly externalFolder: string | undefined;
  /** Removes what was written for loading; to be called once the model is loaded, and when it is closed. */
  readonly cleanUp: () => Promise<void>;
}

/** Weights in memory above this go through a temporary file: one message can hold 2 GiB, and is parsed whole. */
const LARGEST_IN_MEMORY_BYTES = 2 ** 30;

/**
 * Brings a source into a form that onnxruntime loads without holding large weights twice: a file by its
 * path, and a graph whose constants lie in files as a small model that refers to those files, which
 * onnxruntime then maps into memory by itself.
 */
export async function loadable(
  source: ModelSource,
  largestInMemoryBytes = LARGEST_IN_MEMORY_BYTES,
): Promise<LoadableModel> {
  const cleanUp = async () => {};
  if (source instanceof Uint8Array)
    return { label: 'model', model: new Uint8Array(source), externalFolder: undefined, cleanUp };
  if ('path' in source) {
    const model = resolve(source.path);
    if (!statSync(model, { throwIfNoEntry: false })?.isFile())
      throw new VerbatimError(`${source.path}: there is no such file; expected an ONNX model`);
    return { label: source.path, model, externalFolder: undefined, cleanUp };
  }
  if (memoryBytes(source) > largestInMemoryBytes) return await throughFile(source);
  const externalFolder = filesRoot(source);
  const bytes = encodeModel(source, { referToFilesFrom: externalFolder });
  const own = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
  return { label: 'graph', model: own as Uint8Array<ArrayBuffer>, externalFolder, cleanUp };
}

function memoryBytes(model: Model): number {
  let sum = 0;
  for (const data of model.graph.constants.values())
    if (data.kind === 'memory') sum += data.tensor.data.byteLength;
  return sum;
}

async function throughFile(source: Model): Promise<LoadableModel> {
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-'));
  // Where an open file cannot be deleted (Windows), the attempt after loading fails and the one at the end succeeds.
  const cleanUp = () => rm(folder, { recursive: true, force: true }).catch(() => {});
  const model = join(folder, 'model.onnx');
  try {
    await writeModel(source, model);
  } catch (error) {
    await cleanUp();
    throw error;
  }
  return { label: 'graph', model, externalFolder: undefined, cleanUp };
}

/** The root folder of the files that hold constants; undefined when there are none. */
function filesRoot(model: Model): string | undefined {
  const roots = new Set<string>();
  for (const data of model.graph.constants.values()) if (data.kind === 'file') roots.add(rootOf(data.path));
  if (roots.size > 1)
    throw new VerbatimError(
      `a graph's weights lie on several drives (${[...roots].join(', ')}); copy them to one drive`,
    );
  return [...roots][0];
}

function rootOf(path: string): string {
  try {
    return parse(realpathSync(path)).root;
  } catch (cause) {
    throw new VerbatimError(`${path}: this file of weights is not there any more; put it back`, { cause });
  }
}
