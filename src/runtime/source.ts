import { realpathSync, statSync } from 'node:fs';
import { parse, resolve } from 'node:path';
import { VerbatimError } from '../errors.ts';
import { encodeModel, type Model } from '../graph/index.ts';
import type { ModelSource } from './session.types.ts';

/** A model as onnxruntime takes it. */
export interface LoadableModel {
  /** What messages call it. */
  readonly label: string;
  /** A file, or bytes in a buffer of their own. */
  readonly model: string | Uint8Array<ArrayBuffer>;
  /** The folder that the external data of `bytes` is relative to. */
  readonly externalFolder: string | undefined;
}

/**
 * Brings a source into a form that onnxruntime loads without holding the weights twice: a file by its
 * path, and a graph whose constants lie in files as a small model that refers to those files, which
 * onnxruntime then maps into memory by itself.
 */
export function loadable(source: ModelSource): LoadableModel {
  if (source instanceof Uint8Array)
    return { label: 'model', model: new Uint8Array(source), externalFolder: undefined };
  if ('path' in source) {
    const path = resolve(source.path);
    if (!statSync(path, { throwIfNoEntry: false })?.isFile())
      throw new VerbatimError(`${source.path}: there is no such file; expected an ONNX model`);
    return { label: source.path, model: path, externalFolder: undefined };
  }
  const externalFolder = filesRoot(source);
  const bytes = encodeModel(source, { referToFilesFrom: externalFolder });
  const own = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
  return { label: 'graph', model: own as Uint8Array<ArrayBuffer>, externalFolder };
}

/** The root folder of the files that hold constants; undefined when there are none. */
function filesRoot(model: Model): string | undefined {
  const roots = new Set<string>();
  for (const data of model.graph.constants.values())
    if (data.kind === 'file') roots.add(parse(realpathSync(data.path)).root);
  if (roots.size > 1)
    throw new VerbatimError(
      `a graph's weights lie on several drives (${[...roots].join(', ')}); copy them to one drive`,
    );
  return [...roots][0];
}
