import { float, int, intOf } from '../attributes.ts';
import { addOne } from '../build.ts';
import { defineOps } from '../registry.ts';
import { fail, formatShape, operand, sameShape } from '../shapes.ts';
import type { Value } from '../value.ts';

/**
 * Softmax(scale · q·kᵀ)·v over `heads` heads as ONNX Runtime's one operator: q [b, t, width], k and v [b, s, width] →
 * [b, t, width], all with the same b. On the CPU it computes block by block what fits into the cache (Dao et al. 2022,
 * FlashAttention), so that the [b, heads, t, s] scores are never held. For graphs with `runtimeOperators`.
 */
export function multiHeadAttention(q: Value, k: Value, v: Value, heads: number, scale: number): Value {
  const attributes = { num_heads: int(heads), scale: float(scale) };
  return addOne(q.graph, 'MultiHeadAttention', [q, k, v], attributes, {
    domain: 'com.microsoft',
  });
}

defineOps(
  {
    MultiHeadAttention: {
      infer: (call) => {
        const [q, k, v] = [operand(call, 0), operand(call, 1), operand(call, 2)];
        const shapes = [q, k, v].map(({ shape }) => formatShape(shape)).join(', ');
        const [batch, , width] = q.shape;
        const heads = intOf(call, 'num_heads', 0);
        if (call.inputs.length > 3) fail(call, 'is only built from queries, keys and values');
        if ([q, k, v].some(({ shape }) => shape.length !== 3))
          fail(call, `needs three of [batch, tokens, width], got ${shapes}`);
        if (
          !sameShape(k.shape.slice(0, 2), v.shape.slice(0, 2)) ||
          k.shape[0] !== batch ||
          k.shape[2] !== width
        )
          fail(call, `queries, keys and values do not belong together: ${shapes}`);
        for (const size of [width, v.shape[2]])
          if (heads < 1 || (typeof size === 'number' && size % heads !== 0))
            fail(call, `${heads} heads do not divide the widths of ${shapes}`);
        return [{ dtype: q.dtype, shape: [...q.shape.slice(0, 2), v.shape[2]!] }];
      },
    },
  },
  'com.microsoft',
);
