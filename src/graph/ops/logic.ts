import type { DType } from '../../math/index.ts';
import { int, intOf } from '../attributes.ts';
import { addOne } from '../build.ts';
import { DTYPE_CODES, dtypeOf } from '../dtypes.ts';
import { knownContent } from '../known.ts';
import { defineOps, type OpRule } from '../registry.ts';
import { fail, operand, sameDType } from '../shapes.ts';
import type { Dim, Value } from '../value.ts';
import {
  asValue,
  binaryNode,
  broadcastAll,
  foldPair,
  leader,
  type Operand,
  sumTo,
  unaryNode,
} from './common.ts';

/** Where a equals b: a bool of the broadcast shape. */
export function equal(a: Operand, b: Operand): Value {
  return binaryNode('Equal', a, b);
}

/** Where a > b. */
export function greater(a: Operand, b: Operand): Value {
  return binaryNode('Greater', a, b);
}

/** Where a ≥ b. */
export function greaterOrEqual(a: Operand, b: Operand): Value {
  return binaryNode('GreaterOrEqual', a, b);
}

/** Where a < b. */
export function less(a: Operand, b: Operand): Value {
  return binaryNode('Less', a, b);
}

/** Where a ≤ b. */
export function lessOrEqual(a: Operand, b: Operand): Value {
  return binaryNode('LessOrEqual', a, b);
}

/** Both flags. */
export function and(a: Value, b: Value): Value {
  return binaryNode('And', a, b);
}

/** Either flag. */
export function or(a: Value, b: Value): Value {
  return binaryNode('Or', a, b);
}

/** The other flag. */
export function not(x: Value): Value {
  return unaryNode('Not', x);
}

/** `yes` where the condition (bool) holds, `no` elsewhere; all three broadcast. */
export function where(condition: Value, yes: Operand, no: Operand): Value {
  if (typeof yes === 'number' && typeof no === 'number')
    fail({ op: 'Where' }, 'needs a value among its two branches, or their type is open');
  const like = leader('Where', yes, no);
  return addOne(condition.graph, 'Where', [condition, asValue(yes, like), asValue(no, like)]);
}

/** The value as another element type; floats are cut towards zero when they become integers. */
export function cast(x: Value, dtype: DType): Value {
  return x.dtype === dtype ? x : addOne(x.graph, 'Cast', [x], { to: int(DTYPE_CODES[dtype]) });
}

function comparison(fold?: (a: Dim, b: Dim) => boolean | undefined): OpRule {
  return {
    gradient: 'none',
    infer: (call) => {
      const values = [operand(call, 0), operand(call, 1)];
      sameDType(call, values);
      const shape = broadcastAll(call, values);
      const known =
        fold && shape.length <= 1
          ? foldPair(knownContent(values[0]!), knownContent(values[1]!), (a, b) => {
              const flag = fold(a, b);
              return flag === undefined ? undefined : Number(flag);
            })
          : undefined;
      return [{ dtype: 'bool', shape, known }];
    },
  };
}

/** Lets a comparison see numbers only: how a symbol compares is open until the graph runs. */
const numbers = (compare: (a: number, b: number) => boolean) => (a: Dim, b: Dim) =>
  typeof a === 'number' && typeof b === 'number' ? compare(a, b) : undefined;

const castRule: OpRule = {
  infer: (call) => {
    const x = operand(call, 0);
    const dtype = call.op === 'CastLike' ? operand(call, 1).dtype : dtypeOf(intOf(call, 'to', 0), call.op);
    const toInteger = dtype === 'int64' || dtype === 'int32';
    const known = knownContent(x)?.map((dim) =>
      typeof dim === 'number' && toInteger ? Math.trunc(dim) : dim,
    );
    return [{ dtype, shape: x.shape, known: dtype === 'bool' ? undefined : known }];
  },
  gradient: ({ dy, input }) => [input(0).dtype.startsWith('float') ? cast(dy, input(0).dtype) : undefined],
};

defineOps({
  Equal: comparison((a, b) => (a === b ? true : numbers((p, q) => p === q)(a, b))),
  Greater: comparison(numbers((a, b) => a > b)),
  GreaterOrEqual: comparison(numbers((a, b) => a >= b)),
  Less: comparison(numbers((a, b) => a < b)),
  LessOrEqual: comparison(numbers((a, b) => a <= b)),
  And: comparison(),
  Or: comparison(),
  Xor: comparison(),
  Not: { infer: (call) => [{ dtype: 'bool', shape: operand(call, 0).shape }], gradient: 'none' },
  IsNaN: { infer: (call) => [{ dtype: 'bool', shape: operand(call, 0).shape }], gradient: 'none' },
  IsInf: { infer: (call) => [{ dtype: 'bool', shape: operand(call, 0).shape }], gradient: 'none' },
  Cast: castRule,
  CastLike: castRule,
  Where: {
    infer: (call) => {
      const [condition, yes, no] = [operand(call, 0), operand(call, 1), operand(call, 2)];
      if (condition.dtype !== 'bool') fail(call, `the condition must be bool, but is ${condition.dtype}`);
      const dtype = sameDType(call, [yes, no]);
      const shape = broadcastAll(call, [condition, yes, no]);
      const flags = shape.length <= 1 ? knownContent(condition) : undefined;
      const [a, b] = [knownContent(yes), knownContent(no)];
      const pick = (content: readonly Dim[], i: number) => content[content.length === 1 ? 0 : i]!;
      const known =
        flags && a && b
          ? Array.from({ length: Math.max(flags.length, a.length, b.length) }, (_, i) =>
              pick(flags, i) !== 0 ? pick(a, i) : pick(b, i),
            )
          : undefined;
      return [{ dtype, shape, known }];
    },
    gradient: ({ dy, input, wants }) => [
      undefined,
      wants(1) ? sumTo(where(input(0), dy, 0), input(1)) : undefined,
      wants(2) ? sumTo(where(input(0), 0, dy), input(2)) : undefined,
    ],
  },
});
