import { addNode, concat, constant, int, reshape, type Value } from '../graph/index.ts';
import { elementCount, floatTensor, type Tensor } from '../math/index.ts';
import type { Weights } from '../models/index.ts';

/** Where one weight lies in the flat vector, in elements. */
export interface FlatEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

/**
 * The layout of all trainable weights in one float32 vector. Weights, both Adam moments and the moving
 * average are each one vector with this layout: a handful of long elementwise operations instead of
 * thousands of short ones, and a checkpoint that is four tensors.
 */
export interface FlatLayout {
  readonly entries: readonly FlatEntry[];
  readonly length: number;
}

/** Lays weights out one after the other in the order given. Names must be unique. */
export function flatLayout(parameters: readonly { name: string; shape: readonly number[] }[]): FlatLayout {
  const entries: FlatEntry[] = [];
  const seen = new Set<string>();
  let offset = 0;
  for (const { name, shape } of parameters) {
    if (seen.has(name)) throw new Error(`flatLayout: weight "${name}" is listed twice`);
    seen.add(name);
    const length = elementCount(shape);
    entries.push({ name, shape, offset, length });
    offset += length;
  }
  return { entries, length: offset };
}

/** Copies tensors by name into one vector. Throws when one is missing or has another size. */
export function packFlat(layout: FlatLayout, tensors: ReadonlyMap<string, Tensor<'float32'>>): Float32Array {
  const flat = new Float32Array(layout.length);
  for (const entry of layout.entries) {
    const tensor = tensors.get(entry.name);
    if (!tensor) throw new Error(`packFlat: weight "${entry.name}" is missing`);
    if (tensor.data.length !== entry.length)
      throw new Error(
        `packFlat: weight "${entry.name}" has ${tensor.data.length} values, expected shape [${entry.shape.join(', ')}]`,
      );
    flat.set(tensor.data, entry.offset);
  }
  return flat;
}

/** The inverse of packFlat. */
export function unpackFlat(layout: FlatLayout, flat: Float32Array): Map<string, Tensor<'float32'>> {
  return new Map(
    layout.entries.map((entry) => [
      entry.name,
      floatTensor(entry.shape, flat.slice(entry.offset, entry.offset + entry.length)),
    ]),
  );
}

/** The weights of a flat vector inside a graph: named values for the builders, and the way back for gradients. */
export interface FlatWeights {
  readonly weights: Weights;
  /** The values in the layout's order: what to differentiate by. */
  readonly values: readonly Value[];
  /** Puts gradients (in the layout's order) into one vector of the layout. */
  gather(gradients: readonly Value[]): Value;
}

/** A kernel of a GPU binds few buffers (WebGPU: 12), so there it goes in steps. */
const gpuFanOut = 8;

/**
 * Cuts the vector `flat` [layout.length] into the layout's weights.
 *
 * @param fanOut most pieces of one Split, and of one Concat on the way back
 */
export function flatWeights(
  flat: Value,
  layout: FlatLayout,
  fanOut = flat.graph.target === 'gpu' ? gpuFanOut : Number.POSITIVE_INFINITY,
): FlatWeights {
  const pieces = cut(
    flat,
    layout.entries.map(({ length }) => length),
    fanOut,
  );
  const values = layout.entries.map((entry, i) => reshape(pieces[i]!, entry.shape));
  const byName = new Map(layout.entries.map((entry, i) => [entry.name, values[i]!]));
  return {
    values,
    weights(name, shape) {
      const value = byName.get(name);
      if (!value) throw new Error(`weight "${name}" [${shape.join(', ')}] is not in the trained layout`);
      if (value.shape.join() !== shape.join())
        throw new Error(
          `weight "${name}" has shape [${value.shape.join(', ')}], expected [${shape.join(', ')}]`,
        );
      return value;
    },
    gather(gradients) {
      const flattened = gradients.map((gradient, i) => reshape(gradient, [layout.entries[i]!.length]));
      return join(flattened, fanOut);
    },
  };
}

/** Pieces of a vector, of these lengths in this order. */
function cut(vector: Value, lengths: readonly number[], fanOut: number): Value[] {
  if (lengths.length === 1) return [vector];
  const groups = grouped(lengths, fanOut);
  const sizes = groups.map((group) => group.reduce((sum, length) => sum + length, 0));
  const splits = constant(vector.graph, {
    dtype: 'int64',
    shape: [sizes.length],
    data: BigInt64Array.from(sizes, BigInt),
  });
  const parts = addNode(vector.graph, 'Split', [vector, splits], { axis: int(0) }, { outputs: sizes.length });
  return groups.flatMap((group, i) => cut(parts[i]!, group, fanOut));
}

/** The inverse of `cut`. */
function join(pieces: readonly Value[], fanOut: number): Value {
  if (pieces.length === 1) return pieces[0]!;
  return concat(
    grouped(pieces, fanOut).map((group) => join(group, fanOut)),
    0,
  );
}

/** Consecutive groups, at most `most` of them, of as equal sizes as can be. */
function grouped<T>(items: readonly T[], most: number): T[][] {
  const count = Math.min(items.length, most);
  return Array.from({ length: count }, (_, i) =>
    items.slice(Math.floor((i * items.length) / count), Math.floor(((i + 1) * items.length) / count)),
  );
}
