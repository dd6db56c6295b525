import { VerbatimError } from '../errors.ts';
import { constant, deferredConstant, fileConstant, type Graph, type Value } from '../graph/index.ts';
import { type Tensor, toFloat16 } from '../math/index.ts';
import { asFloat32, openSafetensors, type SafetensorsFile, type TensorEntry } from './safetensors.ts';
import type { ParameterShape, Weights } from './weights.ts';

/**
 * Where a file with other names holds the tensor that diffusers calls `name`. `part` of `parts`: equal slices of
 * dimension 0, as q, k and v are fused in OpenCLIP; `transposed`: a matrix stored the other way round.
 */
export interface TensorPlace {
  readonly name: string;
  readonly part?: number;
  readonly parts?: number;
  readonly transposed?: boolean;
}
export type TensorPlaces = (name: string) => TensorPlace | undefined;

interface FoundTensor {
  readonly file: SafetensorsFile;
  /** Name, offset and length of what is to be read; the shape is the one that the network sees. */
  readonly entry: TensorEntry;
  readonly transposed: boolean;
}

/** The tensors of one network, in one file or in several shards. */
export interface TensorStore {
  /** What messages call it: the first file. */
  readonly label: string;
  readonly totalBytes: number;
  find(name: string): FoundTensor | undefined;
  close(): void;
}

/** Opens all shards; a tensor that stands in two of them is refused. `places` translates names. */
export function openTensorStore(paths: readonly string[], places?: TensorPlaces): TensorStore {
  const files: SafetensorsFile[] = [];
  const close = () => {
    for (const file of files) file.close();
  };
  const found = new Map<string, { file: SafetensorsFile; entry: TensorEntry }>();
  let totalBytes = 0;
  try {
    for (const path of paths) {
      const file = openSafetensors(path);
      files.push(file);
      for (const [name, entry] of file.entries) {
        const other = found.get(name);
        if (other) throw new VerbatimError(`${path}: tensor "${name}" stands in ${other.file.path} as well.`);
        found.set(name, { file, entry });
        totalBytes += entry.lengthBytes;
      }
    }
  } catch (error) {
    close();
    throw error;
  }
  const find = (name: string): FoundTensor | undefined => {
    const place: TensorPlace | undefined = places ? places(name) : { name };
    const whole = place && found.get(place.name);
    return whole && { ...cut(whole, place), transposed: place.transposed ?? false };
  };
  return { label: paths[0] ?? 'no file', totalBytes, find, close };
}

/** One of equal slices along dimension 0, which lie one after the other in the file. */
function cut(whole: { file: SafetensorsFile; entry: TensorEntry }, place: TensorPlace) {
  const { file, entry } = whole;
  const { part = 0, parts = 1, transposed = false } = place;
  const [rows = 0, ...rest] = entry.shape;
  if (rows % parts !== 0)
    throw new VerbatimError(
      `${file.path}: tensor "${entry.name}" [${entry.shape.join(', ')}] cannot be cut into ${parts} equal parts.`,
    );
  const lengthBytes = entry.lengthBytes / parts;
  const shape = parts === 1 ? entry.shape : [rows / parts, ...rest];
  return {
    file,
    entry: {
      ...entry,
      shape: transposed ? [...shape].reverse() : shape,
      offsetBytes: entry.offsetBytes + part * lengthBytes,
      lengthBytes,
    },
  };
}

/** Rows and columns exchanged: [columns, rows] row-major → [rows, columns]. */
function transposeMatrix(values: Float32Array, [rows, columns]: readonly number[]): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows!; row++)
    for (let column = 0; column < columns!; column++)
      out[row * columns! + column] = values[column * rows! + row]!;
  return out;
}

export interface StoreWeightsOptions {
  /** The name that other versions of the format give a tensor, tried when the first is absent. */
  readonly otherName?: (name: string) => string | undefined;
  /**
   * 'file' leaves tensors of the graph's precision on disk for onnxruntime to read, and others to be read and converted
   * one by one when the graph is loaded or written; 'memory' reads all at once. Default: 'file' above 256 MiB in all, since an ONNX
   * message cannot exceed 2 GiB and large weights are not to be held twice.
   */
  readonly residence?: 'memory' | 'file';
}

const leaveOnDiskAboveBytes = 256 * 2 ** 20;

/**
 * A network's weights as constants of `graph`, each checked against the shape that the config implies.
 * Throws a VerbatimError that names the file, the tensor and both shapes.
 */
export function storeWeights(graph: Graph, store: TensorStore, options: StoreWeightsOptions = {}): Weights {
  const residence = options.residence ?? (store.totalBytes > leaveOnDiskAboveBytes ? 'file' : 'memory');
  const made = new Map<string, Value>();
  return (name, shape) => {
    const known = made.get(name);
    if (known) return known;
    const { file, entry, transposed } = locate(store, name, shape, options.otherName);
    const { precision: dtype } = graph;
    const read = (): Tensor => {
      const stored = file.readEntry(entry);
      if (stored.dtype === dtype && !transposed) return { ...stored, shape };
      const wide = asFloat32(stored, `${file.path}: "${entry.name}"`);
      const values = transposed ? transposeMatrix(wide, shape) : wide;
      return { dtype, shape, data: dtype === 'float16' ? toFloat16(values) : values };
    };
    const { path } = file;
    const { offsetBytes, lengthBytes } = entry;
    const asStored = entry.dtype === (dtype === 'float16' ? 'F16' : 'F32') && !transposed;
    const value =
      residence === 'memory'
        ? constant(graph, read(), name)
        : asStored
          ? fileConstant(graph, name, { kind: 'file', path, offsetBytes, lengthBytes, dtype, shape })
          : deferredConstant(graph, name, { kind: 'deferred', dtype, shape, read });
    made.set(name, value);
    return value;
  };
}

/**
 * Looks for tensors in a store, reading none. Throws a VerbatimError that names the file and the first one
 * that is missing or of another shape, with both shapes.
 */
export function checkWeights(
  store: TensorStore,
  tensors: readonly ParameterShape[],
  options: Pick<StoreWeightsOptions, 'otherName'> = {},
): void {
  for (const { name, shape } of tensors) locate(store, name, shape, options.otherName);
}

function locate(
  store: TensorStore,
  name: string,
  shape: readonly number[],
  otherName: ((name: string) => string | undefined) | undefined,
) {
  const other = otherName?.(name);
  const found = store.find(name) ?? (other === undefined ? undefined : store.find(other));
  if (!found)
    throw new VerbatimError(
      `${store.label}: tensor "${name}" [${shape.join(', ')}] is missing; do the weights belong to this config?`,
    );
  if (!fits(found.entry.shape, shape))
    throw new VerbatimError(
      `${found.file.path}: tensor "${found.entry.name}" has shape [${found.entry.shape.join(', ')}], but the config needs [${shape.join(', ')}].`,
    );
  return found;
}

/** Old VAE files hold attention's linear weights as 1×1 convolutions: [c, c, 1, 1] for [c, c]. */
function fits(found: readonly number[], wanted: readonly number[]): boolean {
  const short = wanted.length === 2 && found.length === 4 && found[2] === 1 && found[3] === 1;
  return (short ? found.slice(0, 2) : found).join() === wanted.join();
}
