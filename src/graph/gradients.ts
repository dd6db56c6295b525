import { VerbatimError } from '../errors.ts';
import { scalar } from './build.ts';
import { compositeAt } from './composite.ts';
import { addAll } from './ops/arithmetic.ts';
import { filled } from './ops/common.ts';
import type { Backward } from './registry.ts';
import { ruleOf } from './registry.ts';
import { fail, formatShape, sameShape } from './shapes.ts';
import type { Node, Value } from './value.ts';

function isFloat(value: Value): boolean {
  return value.dtype === 'float32' || value.dtype === 'float64' || value.dtype === 'float16';
}

/** The values that depend on one of `wanted` in a way that a gradient can follow. */
function dependents(nodes: readonly Node[], wanted: readonly Value[]): Set<Value> {
  const found = new Set<Value>(wanted);
  for (const node of nodes) {
    if (!node.inputs.some((value) => value !== undefined && found.has(value))) continue;
    if (ruleOf(node.op, node.domain)?.gradient === 'none') continue;
    for (const output of node.outputs) if (isFloat(output)) found.add(output);
  }
  return found;
}

function backwardOf(
  node: Node,
  sums: readonly (Value | undefined)[],
  dependent: ReadonlySet<Value>,
): Backward {
  return {
    node,
    graph: node.outputs[0]!.graph,
    gradients: sums,
    get dy() {
      return sums[0] ?? fail(node, 'has a gradient by its first output only');
    },
    input: (i) => node.inputs[i] ?? fail(node, `input ${i} is missing`),
    wants: (i) => {
      const value = node.inputs[i];
      return value !== undefined && dependent.has(value) && isFloat(value);
    },
  };
}

/**
 * Appends the backward pass (reverse mode) to the loss's graph and returns d loss / d value for each of
 * `wanted`, in their shapes. The loss is a float with one element. Values that the loss does not depend
 * on get zeros; an operator without a gradient on the way is refused by name. The results are ordinary
 * values, so a gradient of a gradient is another call.
 */
export function gradients(loss: Value, wanted: readonly Value[]): Value[] {
  const graph = loss.graph;
  if (!isFloat(loss) || loss.shape.some((dim) => dim !== 1))
    throw new VerbatimError(
      `gradients: the loss must be a float with one element, but "${loss.name}" is ${loss.dtype} ${formatShape(loss.shape)}`,
    );
  for (const value of wanted) {
    if (value.graph !== graph)
      throw new VerbatimError(`gradients: "${value.name}" belongs to another graph than the loss`);
    if (!isFloat(value))
      throw new VerbatimError(`gradients: "${value.name}" is ${value.dtype}; only floats have gradients`);
  }
  const nodes = [...graph.nodes];
  const dependent = dependents(nodes, wanted);
  const asked = new Set(wanted);
  const parts = new Map<Value, Value[]>();
  const totals = new Map<Value, Value>();
  const total = (value: Value): Value | undefined => {
    const known = totals.get(value);
    if (known !== undefined) return known;
    const terms = parts.get(value);
    if (terms === undefined) return undefined;
    const sum = addAll(terms);
    totals.set(value, sum);
    return sum;
  };
  if (dependent.has(loss)) {
    const one = scalar(graph, 1, loss.dtype);
    parts.set(loss, [loss.shape.length === 0 ? one : filled(loss, 1)]);
  }
  for (let i = nodes.length - 1; i >= 0; i--) {
    const composite = compositeAt(nodes[i]!, asked);
    const node = composite?.node ?? nodes[i]!;
    if (!node.outputs.some((output) => dependent.has(output) && parts.has(output))) continue;
    if (!node.inputs.some((value) => value !== undefined && dependent.has(value))) continue;
    const rule = composite?.gradient ?? ruleOf(node.op, node.domain)?.gradient;
    if (rule === 'none') continue;
    if (rule === undefined)
      fail(node, 'has no gradient rule, but stands between the loss and a wanted value');
    const back = backwardOf(node, node.outputs.map(total), dependent);
    rule(back).forEach((gradient, at) => {
      const value = node.inputs[at];
      if (gradient === undefined || value === undefined || !dependent.has(value)) return;
      if (
        !sameShape(gradient.shape, value.shape) &&
        [...gradient.shape, ...value.shape].every(Number.isInteger)
      )
        throw new Error(
          `${node.op} (${node.name}): gradient ${formatShape(gradient.shape)} for input ${at} of shape ${formatShape(value.shape)}`,
        );
      const terms = parts.get(value);
      if (terms === undefined) parts.set(value, [gradient]);
      else terms.push(gradient);
    });
  }
  return wanted.map((value) => total(value) ?? filled(value, 0));
}
