import { realpathSync, statSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, parse, resolve } from 'node:path';
import { VerbatimError } from '../errors.ts';
import { constantBytes, encodeModel, type Model, readConstant } from '../graph/index.ts';
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

/** Weights that lie in no file go through a temporary one from this size on: one message holds 2 GiB, and is parsed whole. */
const LARGEST_IN_MEMORY_BYTES = 2 ** 30;

/**
 * Brings a source into a form that onnxruntime loads without holding large weights twice: a file by its path, and a
 * graph as a small model that refers to the files in which its weights lie.
 */
export async function loadable(
  source: ModelSource,
  largestInMemoryBytes = LARGEST_IN_MEMORY_BYTES,
): Promise<LoadableModel> {
  if (source instanceof Uint8Array)
    return { label: 'model', model: new Uint8Array(source), externalFolder: undefined, cleanUp };
  if ('path' in source) {
    const model = resolve(source.path);
    if (!statSync(model, { throwIfNoEntry: false })?.isFile())
      throw new VerbatimError(`${source.path}: there is no such file; expected an ONNX model`);
    return { label: source.path, model, externalFolder: undefined, cleanUp };
  }
  const spilled = await spill(source, largestInMemoryBytes);
  try {
    const externalFolder = filesRoot(spilled.model);
    const bytes = encodeModel(spilled.model, { referToFilesFrom: externalFolder });
    const own = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
    const model = own as Uint8Array<ArrayBuffer>;
    return { label: 'graph', model, externalFolder, cleanUp: spilled.cleanUp };
  } catch (error) {
    await spilled.cleanUp();
    throw error;
  }
}

async function cleanUp(): Promise<void> {}

/** Constants that are no larger stay in the message. */
const SMALL_BYTES = 1024;

/**
 * The model with its large weights in files: those that lie in none are written to a temporary one when they have
 * more than `limitBytes` together, one after the other.
 */
async function spill(
  source: Model,
  limitBytes: number,
): Promise<{ readonly model: Model; readonly cleanUp: () => Promise<void> }> {
  const loose = [...source.graph.constants].filter(([, data]) => data.kind !== 'file');
  const sizeBytes = loose.reduce((sum, [, data]) => sum + constantBytes(data), 0);
  if (sizeBytes <= limitBytes) return { model: source, cleanUp };
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-'));
  // Where an open file cannot be deleted (Windows), the attempt after loading fails and the one at the end succeeds.
  const remove = () => rm(folder, { recursive: true, force: true }).catch(() => {});
  const path = join(folder, 'weights');
  const constants = new Map(source.graph.constants);
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      let end = 0;
      for (const [value, data] of loose) {
        const lengthBytes = constantBytes(data);
        if (lengthBytes <= SMALL_BYTES) continue;
        await file.writeFile(readConstant(data));
        const { dtype } = value;
        const shape = value.shape as readonly number[];
        constants.set(value, { kind: 'file', path, offsetBytes: end, lengthBytes, dtype, shape });
        end += lengthBytes;
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    await remove();
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    throw new VerbatimError(
      `${folder}: loading this model needs ${(sizeBytes / 2 ** 30).toFixed(1)} GiB of temporary space, and the disk is full; free some, or let TMPDIR name a folder with room`,
      { cause: error },
    );
  }
  return { model: { ...source, graph: { ...source.graph, constants } }, cleanUp: remove };
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
