import { addOne } from '../build.ts';
import { knownContent } from '../known.ts';
import type { Call, GradientRule, OpRule } from '../registry.ts';
import { defineOps } from '../registry.ts';
import { addDims, fail, operand, productDim, sameDType } from '../shapes.ts';
import type { Dim, Value } from '../value.ts';
import { asValue, binaryNode, broadcastAll, foldPair, likeFirst, type Operand, sumTo } from './common.ts';
import { cast, equal, greater, greaterOrEqual, less, where } from './logic.ts';
import { log, neg } from './unary.ts';

/** a + b, with broadcasting. */
export function add(a: Operand, b: Operand): Value {
  return binaryNode('Add', a, b);
}

/** a − b, with broadcasting. */
export function sub(a: Operand, b: Operand): Value {
  return binaryNode('Sub', a, b);
}

/** a · b element by element, with broadcasting. */
export function mul(a: Operand, b: Operand): Value {
  return binaryNode('Mul', a, b);
}

/** a / b, with broadcasting; integers are cut towards zero. */
export function div(a: Operand, b: Operand): Value {
  return binaryNode('Div', a, b);
}

/** a to the power b, with broadcasting. A negative base with a fractional exponent is NaN. */
export function pow(a: Operand, b: Operand): Value {
  return binaryNode('Pow', a, b);
}

/** The smaller of a and b, with broadcasting. */
export function minimum(a: Operand, b: Operand): Value {
  return binaryNode('Min', a, b);
}

/** The larger of a and b, with broadcasting. */
export function maximum(a: Operand, b: Operand): Value {
  return binaryNode('Max', a, b);
}

/** x kept between two bounds; leave one out for a bound on one side. */
export function clip(x: Value, low: number | undefined, high: number | undefined): Value {
  const bound = (value: number | undefined) => (value === undefined ? undefined : asValue(value, x));
  return addOne(x.graph, 'Clip', [x, bound(low), bound(high)]);
}

/** Sum of several values of one type, with broadcasting. */
export function addAll(values: readonly Value[]): Value {
  const first = values[0];
  if (first === undefined) fail({ op: 'Sum' }, 'needs at least one value');
  // WebGPU has no Sum: the values would go to the CPU and back.
  if (first.graph.target === 'gpu' || values.length <= 2)
    return values.slice(1).reduce((sum, value) => addOne(sum.graph, 'Add', [sum, value]), first);
  return addOne(first.graph, 'Sum', values);
}

type Fold = (a: Dim, b: Dim, integer: boolean) => Dim | undefined;

/** Lets a fold see numbers only. */
const numeric =
  (fold: (a: number, b: number) => number): Fold =>
  (a, b) =>
    typeof a === 'number' && typeof b === 'number' ? fold(a, b) : undefined;

function binaryRule(gradient: GradientRule | 'none' | undefined, fold: Fold): OpRule {
  return {
    ...(gradient === undefined ? {} : { gradient }),
    infer: (call) => {
      const a = operand(call, 0);
      const b = operand(call, 1);
      // Pow alone may mix types: float ** int64.
      const dtype = call.op === 'Pow' ? a.dtype : sameDType(call, [a, b]);
      const shape = broadcastAll(call, [a, b]);
      const integer = dtype === 'int64' || dtype === 'int32';
      const known =
        shape.length <= 1
          ? foldPair(knownContent(a), knownContent(b), (p, q) => fold(p, q, integer))
          : undefined;
      return [{ dtype, shape, known }];
    },
  };
}

function variadicRule(gradient: GradientRule, fold: Fold): OpRule {
  return {
    gradient,
    infer: (call: Call) => {
      const values = call.inputs.map((_, i) => operand(call, i));
      if (values.length === 0) fail(call, 'needs at least one input');
      const dtype = sameDType(call, values);
      const shape = broadcastAll(call, values);
      let known = shape.length <= 1 ? knownContent(values[0]!) : undefined;
      for (const value of values.slice(1))
        known = foldPair(known, knownContent(value), (p, q) => fold(p, q, dtype === 'int64'));
      return [{ dtype, shape, known }];
    },
  };
}

/**
 * Min and Max: each element's gradient goes to the input that the output took; ties go to every one
 * of the tied inputs in equal parts for two inputs, so that max(x, x) has the gradient of x.
 */
const extremeGradient: GradientRule = ({ node, dy, input, wants }) => {
  const y = node.outputs[0]!;
  const taken = node.inputs.map((_, i) => cast(equal(input(i), y), dy.dtype));
  const share = taken.length === 1 ? dy : div(dy, addAll(taken));
  return node.inputs.map((_, i) => (wants(i) ? sumTo(mul(share, taken[i]!), input(i)) : undefined));
};

defineOps({
  Add: binaryRule(
    ({ dy, input, wants }) => [0, 1].map((i) => (wants(i) ? sumTo(dy, input(i)) : undefined)),
    (a, b) => addDims(a, b),
  ),
  Sub: binaryRule(
    ({ dy, input, wants }) => [
      wants(0) ? sumTo(dy, input(0)) : undefined,
      wants(1) ? neg(sumTo(dy, input(1))) : undefined,
    ],
    (a, b) => (b === 0 ? a : a === b ? 0 : numeric((p, q) => p - q)(a, b, false)),
  ),
  Mul: binaryRule(
    ({ dy, input, wants }) => [
      wants(0) ? sumTo(mul(dy, input(1)), input(0)) : undefined,
      wants(1) ? sumTo(mul(dy, input(0)), input(1)) : undefined,
    ],
    (a, b) => (typeof a === 'string' || typeof b === 'string' ? productDim([a, b]) : a * b),
  ),
  Div: binaryRule(
    ({ node, dy, input, wants }) => [
      wants(0) ? sumTo(div(dy, input(1)), input(0)) : undefined,
      wants(1) ? neg(sumTo(div(mul(dy, node.outputs[0]!), input(1)), input(1))) : undefined,
    ],
    (a, b, integer) => {
      if (b === 1) return a;
      if (a === b && integer) return 1;
      if (typeof a === 'string' || typeof b === 'string')
        return typeof b === 'string' ? undefined : `(${a}/${b})`;
      return integer ? Math.trunc(a / b) : a / b;
    },
  ),
  Pow: binaryRule(
    ({ node, dy, input, wants }) => {
      const x = input(0);
      const power = input(1);
      const base = () => {
        const exponent = power.dtype === x.dtype ? power : cast(power, x.dtype);
        return mul(mul(dy, exponent), pow(x, sub(exponent, 1)));
      };
      // d/dp x^p = x^p · log x, which is zero at x = 0, where the logarithm is not.
      const exponentPart = () => {
        const safe = where(greater(x, 0), x, 1);
        return mul(mul(dy, node.outputs[0]!), log(safe));
      };
      return [wants(0) ? sumTo(base(), x) : undefined, wants(1) ? sumTo(exponentPart(), power) : undefined];
    },
    numeric((a, b) => a ** b),
  ),
  Mod: binaryRule(
    undefined,
    numeric((a, b) => ((a % b) + b) % b),
  ),
  Min: variadicRule(
    extremeGradient,
    numeric((a, b) => Math.min(a, b)),
  ),
  Max: variadicRule(
    extremeGradient,
    numeric((a, b) => Math.max(a, b)),
  ),
  Sum: variadicRule(
    ({ node, dy, input, wants }) => node.inputs.map((_, i) => (wants(i) ? sumTo(dy, input(i)) : undefined)),
    (a, b) => addDims(a, b),
  ),
  Mean: variadicRule(
    ({ node, dy, input, wants }) => {
      const part = div(dy, node.inputs.length);
      return node.inputs.map((_, i) => (wants(i) ? sumTo(part, input(i)) : undefined));
    },
    () => undefined,
  ),
  Clip: {
    infer: likeFirst,
    gradient: ({ node, dy, input }) => {
      const x = input(0);
      const attributes = node.attributes;
      const low =
        node.inputs[1] ?? (attributes['min']?.type === 'float' ? attributes['min'].value : undefined);
      const high =
        node.inputs[2] ?? (attributes['max']?.type === 'float' ? attributes['max'].value : undefined);
      let kept = dy;
      if (low !== undefined) kept = where(greaterOrEqual(x, low), kept, 0);
      if (high !== undefined) kept = where(greaterOrEqual(high, x), kept, 0);
      return [kept];
    },
  },
  PRelu: {
    infer: (call) => {
      const x = operand(call, 0);
      return [{ dtype: x.dtype, shape: broadcastAll(call, [x, operand(call, 1)]) }];
    },
    gradient: ({ dy, input, wants }) => {
      const negative = less(input(0), 0);
      return [
        wants(0) ? where(negative, mul(dy, input(1)), dy) : undefined,
        wants(1) ? sumTo(where(negative, mul(dy, input(0)), 0), input(1)) : undefined,
      ];
    },
  },
});
