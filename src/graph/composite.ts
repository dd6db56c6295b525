import type { GradientRule } from './registry.ts';
import type { Node, Value } from './value.ts';

/**
 * A function made of several nodes whose gradient is cheaper as a whole than node by node: the backward
 * pass jumps from the result to the inputs. The nodes inside are ordinary ones, and so is a file written
 * from them; read back from a file, they are differentiated one by one, with the same result.
 */
export interface Composite {
  /** The function seen as one node. */
  readonly node: Node;
  readonly gradient: GradientRule;
  /** What is computed on the way: the jump is not taken when one of these is asked for. */
  readonly inside: ReadonlySet<Value>;
}

const composites = new WeakMap<Node, Composite>();

/** The values between some inputs and a result, both left out. */
function between(result: Value, inputs: readonly Value[]): Set<Value> {
  const inside = new Set<Value>();
  const open = [result];
  for (let value = open.pop(); value !== undefined; value = open.pop())
    for (const source of value.producer?.inputs ?? [])
      if (source !== undefined && !inputs.includes(source) && !inside.has(source)) {
        inside.add(source);
        open.push(source);
      }
  return inside;
}

/**
 * Declares that `result` is the function `name` of `inputs` with this gradient rule, and returns `result`.
 * The rule sees a node with these inputs and the one output.
 */
export function composite(
  name: string,
  result: Value,
  inputs: readonly Value[],
  gradient: GradientRule,
): Value {
  const last = result.producer;
  if (last === undefined) return result;
  const node: Node = { op: name, domain: '', name: last.name, inputs, outputs: [result], attributes: {} };
  composites.set(last, { node, gradient, inside: between(result, inputs) });
  return result;
}

/** The composite that ends with this node, unless one of the values inside is asked for. */
export function compositeAt(last: Node, asked: ReadonlySet<Value>): Composite | undefined {
  const found = composites.get(last);
  if (found === undefined) return undefined;
  for (const value of asked) if (found.inside.has(value)) return undefined;
  return found;
}
