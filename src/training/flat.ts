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

/** Cuts the vector `flat` [layout.length] into the layout's weights with one Split. */
export function flatWeights(flat: Value, layout: FlatLayout): FlatWeights {
  const lengths = constant(flat.graph, {
    dtype: 'int64',
    shape: [layout.entries.length],
    data: BigInt64Array.from(layout.entries, (entry) => BigInt(entry.length)),
  });
  const pieces =
    layout.entries.length === 1
      ? [flat]
      : addNode(flat.graph, 'Split', [flat, lengths], { axis: int(0) }, { outputs: layout.entries.length });
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
      return flattened.length === 1 ? flattened[0]! : concat(flattened, 0);
    },
  };
}
