import { float, floatOf, string, stringOf } from '../attributes.ts';
import { composite } from '../composite.ts';
import type { GradientRule } from '../registry.ts';
import { defineOps } from '../registry.ts';
import type { Node, Value } from '../value.ts';
import { add, div, mul, sub } from './arithmetic.ts';
import { elementwiseRule, unaryNode } from './common.ts';
import { and, cast, greater, less, where } from './logic.ts';
import { erf, exp, neg, tanh } from './unary.ts';

/** 1 / (1 + e^−x) */
export function sigmoid(x: Value): Value {
  return unaryNode('Sigmoid', x);
}

/** x · sigmoid(x); onnxruntime's optimiser makes one kernel of the pair. */
export function silu(x: Value): Value {
  return swish(x, 1);
}

/**
 * y = x · s with s = sigmoid(a x). Its derivative s + a x s (1 − s) is s · (1 + a (x − y)): four passes
 * over the data with the forward pass's s and y, where the product rule takes six.
 */
function swish(x: Value, alpha: number): Value {
  const s = sigmoid(alpha === 1 ? x : mul(x, alpha));
  return composite('Swish', mul(x, s), [x], ({ node, dy }) => {
    const rest = sub(x, node.outputs[0]!);
    const slope = mul(add(alpha === 1 ? rest : mul(rest, alpha), 1), s);
    return [mul(dy, slope)];
  });
}

/**
 * The Gaussian error linear unit (Hendrycks & Gimpel 2016): x · Φ(x), with 'tanh' the approximation
 * x/2 · (1 + tanh(√(2/π)(x + .044715 x³))).
 */
export function gelu(x: Value, approximate: 'none' | 'tanh' = 'none'): Value {
  return unaryNode('Gelu', x, { approximate: string(approximate) });
}

/** x · sigmoid(1.702 x), which CLIP's first text encoders use in place of GELU. */
export function quickGelu(x: Value): Value {
  return swish(x, 1.702);
}

/** max(x, 0) */
export function relu(x: Value): Value {
  return unaryNode('Relu', x);
}

/** x where it is positive, slope · x elsewhere. */
export function leakyRelu(x: Value, slope = 0.01): Value {
  return unaryNode('LeakyRelu', x, { alpha: float(slope) });
}

/** log(1 + e^x) */
export function softplus(x: Value): Value {
  return unaryNode('Softplus', x);
}

/** Derivative of GELU: Φ(x) + x φ(x), or that of its tanh form. */
function geluDerivative(x: Value, approximate: string): Value {
  if (approximate === 'tanh') {
    const scale = Math.sqrt(2 / Math.PI);
    const square = mul(x, x);
    const t = tanh(mul(mul(x, scale), add(mul(square, 0.044715), 1)));
    const slope = mul(add(mul(square, 3 * 0.044715), 1), scale);
    return mul(0.5, add(add(t, 1), mul(mul(x, sub(1, mul(t, t))), slope)));
  }
  const cumulative = mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5);
  const density = mul(exp(mul(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return add(cumulative, mul(x, density));
}

/** x's quick GELU derivative: s + a x s (1 − s) with s = sigmoid(a x). */
function swishDerivative(x: Value, alpha: number): Value {
  const s = sigmoid(alpha === 1 ? x : mul(x, alpha));
  const inner = mul(alpha === 1 ? x : mul(x, alpha), sub(1, s));
  return mul(s, add(inner, 1));
}

function derivative(rule: (x: Value, y: Value, node: Node) => Value): GradientRule {
  return ({ node, dy, input }) => [mul(dy, rule(input(0), node.outputs[0]!, node))];
}

defineOps({
  Sigmoid: elementwiseRule(derivative((_x, y) => mul(y, sub(1, y)))),
  Relu: elementwiseRule(({ node, dy }) => [where(greater(node.outputs[0]!, 0), dy, 0)]),
  LeakyRelu: elementwiseRule(({ node, dy, input }) => [
    where(less(input(0), 0), mul(dy, floatOf(node, 'alpha', 0.01)), dy),
  ]),
  // For x < 0: y = α(e^x − 1), so y' = y + α.
  Elu: elementwiseRule(({ node, dy, input }) => [
    where(less(input(0), 0), mul(dy, add(node.outputs[0]!, floatOf(node, 'alpha', 1))), dy),
  ]),
  Softplus: elementwiseRule(derivative((x) => sigmoid(x))),
  HardSigmoid: elementwiseRule(({ node, dy }) => {
    const y = node.outputs[0]!;
    return [where(and(greater(y, 0), less(y, 1)), mul(dy, floatOf(node, 'alpha', 0.2)), 0)];
  }),
  Softsign: elementwiseRule(({ dy, input }) => {
    const down = add(unaryNode('Abs', input(0)), 1);
    return [div(dy, mul(down, down))];
  }),
  HardSwish: elementwiseRule(
    derivative((x) => where(greater(x, 3), 1, mul(cast(greater(x, -3), x.dtype), add(div(x, 3), 0.5)))),
  ),
  Mish: elementwiseRule(
    derivative((x) => {
      const t = tanh(softplus(x));
      return add(t, mul(mul(x, sigmoid(x)), sub(1, mul(t, t))));
    }),
  ),
  Gelu: elementwiseRule(
    derivative((x, _y, node) => geluDerivative(x, stringOf(node, 'approximate', 'none'))),
  ),
  Dropout: {
    // Inference only: in training mode (third input true) a file's Dropout would draw random numbers.
    infer: ({ inputs: [x], op, outputs }) => {
      if (x === undefined) throw new TypeError(`${op} without an input`);
      const first = { dtype: x.dtype, shape: x.shape };
      return outputs === 2 ? [first, { dtype: 'bool', shape: x.shape }] : [first];
    },
    gradient: ({ dy }) => [dy],
  },
});

defineOps(
  {
    Gelu: elementwiseRule(derivative((x) => geluDerivative(x, 'none'))),
    FastGelu: elementwiseRule(derivative((x) => geluDerivative(x, 'tanh'))),
    QuickGelu: elementwiseRule(
      derivative((x, _y, node) => swishDerivative(x, floatOf(node, 'alpha', 1.702))),
    ),
  },
  'com.microsoft',
);

/** Softplus's sibling for losses: log(sigmoid(x)) = −softplus(−x), exact for large |x|. */
export function logSigmoid(x: Value): Value {
  return neg(softplus(neg(x)));
}
