import { string, stringOf } from '../attributes.ts';
import { addOne } from '../build.ts';
import type { Call } from '../registry.ts';
import { defineOps } from '../registry.ts';
import { broadcastShapes, fail, formatShape, operand, sameDType } from '../shapes.ts';
import type { Dim, Node, Value } from '../value.ts';

/** Einstein's summation: "bij,bjk->bik" names the axes of the operands and of the result. */
export function einsum(equation: string, ...operands: readonly Value[]): Value {
  const first = operands[0];
  if (first === undefined) fail({ op: 'Einsum' }, 'needs at least one operand');
  return addOne(first.graph, 'Einsum', operands, { equation: string(equation) });
}

/** The labels of each operand and of the result. A result that is not written holds the labels that occur once, sorted. */
function labelsOf(node: Call | Node): { terms: string[]; result: string } {
  const [left, right] = stringOf(node, 'equation', '').replaceAll(' ', '').split('->');
  if (left === undefined || left.includes('.')) fail(node, 'needs an equation without "..."');
  const terms = left.split(',');
  if (terms.length !== node.inputs.length)
    fail(node, `"${left}" names ${terms.length} operands, but there are ${node.inputs.length}`);
  const all = terms.join('');
  const once = [...new Set(all)].filter((label) => all.split(label).length === 2).sort();
  return { terms, result: right ?? once.join('') };
}

defineOps({
  Einsum: {
    infer: (call) => {
      const { terms, result } = labelsOf(call);
      const values = terms.map((_, i) => operand(call, i));
      const sizes = new Map<string, Dim>();
      values.forEach((value, i) => {
        const labels = [...terms[i]!];
        if (labels.length !== value.shape.length)
          fail(call, `"${terms[i]}" does not name the axes of ${formatShape(value.shape)}`);
        labels.forEach((label, axis) => {
          sizes.set(label, broadcastShapes(call, [sizes.get(label) ?? 1], [value.shape[axis]!])[0]!);
        });
      });
      const shape = [...result].map((label) => sizes.get(label) ?? fail(call, `no operand has "${label}"`));
      return [{ dtype: sameDType(call, values), shape }];
    },
    /** By an operand: the same sum with the result in that operand's place. */
    gradient: ({ node, dy, input, wants }) => {
      const { terms, result } = labelsOf(node);
      return terms.map((term, i) => {
        if (!wants(i)) return undefined;
        const others = terms.filter((_, k) => k !== i);
        const reachable = new Set(result + others.join(''));
        if (new Set(term).size !== term.length || [...term].some((label) => !reachable.has(label)))
          fail(node, `has no gradient by "${term}", which repeats a label or sums one away alone`);
        const rest = node.inputs.flatMap((_, k) => (k === i ? [] : [input(k)]));
        return einsum(`${[result, ...others].join(',')}->${term}`, dy, ...rest);
      });
    },
  },
});
