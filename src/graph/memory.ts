import { TYPED_ARRAYS } from '../math/index.ts';
import { sizeOf } from './shapes.ts';
import type { Graph, Node, Value } from './value.ts';

/** Operators whose output is their first input under another shape: it takes no memory of its own. */
const views: ReadonlySet<string> = new Set(['Reshape', 'Identity', 'Squeeze', 'Unsqueeze', 'Flatten']);

/** Operators that onnxruntime lets write over an input of the same size that nobody needs any more. */
const inPlace: ReadonlySet<string> = new Set(
  'Add Sub Mul Div Pow Neg Exp Log Sqrt Sigmoid Tanh Erf Gelu Relu QuickGelu Softplus Abs Clip Softmax Cast'.split(
    ' ',
  ),
);

/** Operators that copy their inputs into another order while they compute. */
const copying: ReadonlySet<string> = new Set(['MultiHeadAttention']);

/**
 * Bytes of the values that are held at once while a graph runs node by node, at the worst moment, without its inputs
 * and constants: what one run takes on top of the weights. An estimate: a runtime may order nodes otherwise, and its
 * operators take working memory of their own.
 *
 * @param sizes the symbolic sizes, such as {batch: 4}
 * @throws RangeError when a size stays unknown
 */
export function peakActivationBytes(graph: Graph, sizes: Readonly<Record<string, number>>): number {
  const bytesOf = (value: Value) =>
    value.shape.reduce<number>(
      (product, dim) => product * sizeOf(dim, sizes),
      TYPED_ARRAYS[value.dtype].BYTES_PER_ELEMENT,
    );
  /** The value whose memory a value lies in. */
  const owners = new Map<Value, Value>();
  const ownerOf = (value: Value) => owners.get(value) ?? value;
  const lastUse = new Map<Value, Node>();
  for (const node of graph.nodes) {
    const [first] = node.inputs;
    if (first && views.has(node.op)) owners.set(node.outputs[0]!, ownerOf(first));
    for (const value of node.inputs) if (value) lastUse.set(ownerOf(value), node);
  }
  const held = new Map<Value, number>();
  let now = 0;
  let peak = 0;
  const free = (value: Value) => {
    now -= held.get(value) ?? 0;
    held.delete(value);
  };
  for (const node of graph.nodes) {
    const inputs = new Set(node.inputs.flatMap((value) => (value ? [ownerOf(value)] : [])));
    const dying = [...inputs].filter((value) => held.has(value) && lastUse.get(value) === node);
    const working = copying.has(node.op)
      ? [...inputs].reduce((sum, value) => sum + (held.get(value) ?? 0), 0)
      : 0;
    for (const output of node.outputs) {
      if (owners.has(output)) continue;
      const bytes = bytesOf(output);
      const reused = inPlace.has(node.op) ? dying.find((value) => held.get(value) === bytes) : undefined;
      if (reused !== undefined) free(reused);
      held.set(output, bytes);
      now += bytes;
    }
    peak = Math.max(peak, now + working);
    for (const value of dying) free(value);
  }
  return peak;
}
