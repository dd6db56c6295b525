import type { GradientRule } from '../registry.ts';
import { defineOps } from '../registry.ts';
import type { Value } from '../value.ts';
import { add, div, mul, sub } from './arithmetic.ts';
import { elementwiseRule, unaryNode } from './common.ts';

/** −x */
export function neg(x: Value): Value {
  return unaryNode('Neg', x);
}

/** e to the power x */
export function exp(x: Value): Value {
  return unaryNode('Exp', x);
}

/** Natural logarithm. */
export function log(x: Value): Value {
  return unaryNode('Log', x);
}

/** Square root. */
export function sqrt(x: Value): Value {
  return unaryNode('Sqrt', x);
}

/** 1 / x */
export function reciprocal(x: Value): Value {
  return unaryNode('Reciprocal', x);
}

/** Sine of x in radians. */
export function sin(x: Value): Value {
  return unaryNode('Sin', x);
}

/** Cosine of x in radians. */
export function cos(x: Value): Value {
  return unaryNode('Cos', x);
}

/** Hyperbolic tangent. */
export function tanh(x: Value): Value {
  return unaryNode('Tanh', x);
}

/** The error function 2/√π ∫₀ˣ e^(−t²) dt. */
export function erf(x: Value): Value {
  return unaryNode('Erf', x);
}

/** |x| */
export function abs(x: Value): Value {
  return unaryNode('Abs', x);
}

/** −1, 0 or 1. */
export function sign(x: Value): Value {
  return unaryNode('Sign', x);
}

/** The largest integer that is not above x. Has no gradient. */
export function floor(x: Value): Value {
  return unaryNode('Floor', x);
}

/** A rule whose gradient is dy times a derivative made of the input x and the output y. */
function smooth(derivative: (x: Value, y: Value, dy: Value) => Value, fold?: (x: number) => number) {
  const gradient: GradientRule = ({ node, dy, input }) => [derivative(input(0), node.outputs[0]!, dy)];
  return elementwiseRule(gradient, fold);
}

defineOps({
  Neg: smooth(
    (_x, _y, dy) => neg(dy),
    (x) => -x,
  ),
  Exp: smooth((_x, y, dy) => mul(dy, y)),
  Log: smooth((x, _y, dy) => div(dy, x)),
  Sqrt: smooth((_x, y, dy) => div(mul(dy, 0.5), y), Math.sqrt),
  Reciprocal: smooth((_x, y, dy) => neg(mul(dy, mul(y, y)))),
  Sin: smooth((x, _y, dy) => mul(dy, cos(x))),
  Cos: smooth((x, _y, dy) => neg(mul(dy, sin(x)))),
  Tan: smooth((_x, y, dy) => mul(dy, add(mul(y, y), 1))),
  Atan: smooth((x, _y, dy) => div(dy, add(mul(x, x), 1))),
  Tanh: smooth((_x, y, dy) => mul(dy, sub(1, mul(y, y)))),
  Erf: smooth((x, _y, dy) => mul(dy, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)))),
  Abs: smooth((x, _y, dy) => mul(dy, sign(x)), Math.abs),
  Identity: smooth(
    (_x, _y, dy) => dy,
    (x) => x,
  ),
  Sign: elementwiseRule('none', Math.sign),
  Floor: elementwiseRule('none', Math.floor),
  Ceil: elementwiseRule('none', Math.ceil),
  Round: elementwiseRule('none'),
});

/** The value itself under a new name. */
export function identity(x: Value): Value {
  return unaryNode('Identity', x);
}
