import { VerbatimError } from '../errors.ts';
import type { DType } from '../math/index.ts';
import type { Call } from './registry.ts';
import type { Dim, Shape, Value } from './value.ts';

/** "[2, batch, 4]", as error messages show shapes. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** Ends a build with one line that begins with the operator's name. */
export function fail(call: { readonly op: string; readonly name?: string }, message: string): never {
  const where = call.name === undefined ? call.op : `${call.op} (${call.name})`;
  throw new VerbatimError(`${where}: ${message}`);
}

/** Input i of a call; refuses a call without it. */
export function operand(call: Call, i: number): Value {
  const value = call.inputs[i];
  if (value === undefined) fail(call, `input ${i} is missing`);
  return value;
}

/** Refuses two inputs of different element types. */
export function sameDType(call: Call, values: readonly Value[]): DType {
  const first = values[0]!.dtype;
  for (const value of values)
    if (value.dtype !== first)
      fail(
        call,
        `element types differ: ${first} ${formatShape(values[0]!.shape)} and ${value.dtype} ${formatShape(value.shape)}`,
      );
  return first;
}

/** Turns -rank … rank-1 into 0 … rank-1; refuses anything else. */
export function axisOf(call: { readonly op: string }, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank)
    fail(call, `axis ${axis} is outside a shape of ${rank} sizes`);
  return positive;
}

/** Whether two sizes can be told to be equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** Whether every size is a number. */
export function isConcrete(shape: Shape): shape is readonly number[] {
  return shape.every((dim) => typeof dim === 'number');
}

/** The shape as numbers; refuses symbols, naming the op and the symbol. */
export function concreteShape(node: { readonly op: string; readonly name?: string }, shape: Shape): number[] {
  const symbol = shape.find((dim) => typeof dim === 'string');
  if (symbol !== undefined)
    fail(node, `needs concrete sizes here, but ${formatShape(shape)} has the symbolic size "${symbol}"`);
  return [...shape] as number[];
}

/** Numpy's broadcasting of one size against another; undefined when they do not fit. */
function broadcastDim(a: Dim, b: Dim): Dim | undefined {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  // A symbol beside a number must turn out to be that number; two symbols must turn out equal.
  if (typeof a === 'string') return typeof b === 'string' ? a : b;
  return typeof b === 'string' ? a : undefined;
}

/** Numpy's broadcasting; throws for shapes that do not fit. */
export function broadcastShapes(call: { readonly op: string }, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const result: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const dim = broadcastDim(a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1);
    if (dim === undefined) fail(call, `shapes do not broadcast: ${formatShape(a)} and ${formatShape(b)}`);
    result.push(dim);
  }
  return result;
}

/** Product of sizes; symbols are kept as a name of the product ("4*batch"), sorted so that equal products have equal names. */
export function productDim(shape: Shape): Dim {
  let count = 1;
  const symbols: string[] = [];
  for (const dim of shape)
    if (typeof dim === 'number') count *= dim;
    else symbols.push(dim);
  if (symbols.length === 0 || count === 0) return count;
  symbols.sort();
  return count === 1 ? symbols.join('*') : `${count}*${symbols.join('*')}`;
}

/** Sum of two sizes; a symbol that remains gets a name of the sum. */
export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (a === 0) return b;
  if (b === 0) return a;
  return `(${a}+${b})`;
}

/** A size as a number times symbols: "4*batch" is 4 and ["batch"]. */
function factors(dim: Dim): { count: number; symbols: string[] } {
  if (typeof dim === 'number') return { count: dim, symbols: [] };
  const parts = dim.split('*');
  const count = Number(parts[0]);
  return Number.isInteger(count) ? { count, symbols: parts.slice(1) } : { count: 1, symbols: parts };
}

/** A size as a number, once its symbols have one. Throws a RangeError on a size that stays unknown. */
export function sizeOf(dim: Dim, sizes: Readonly<Record<string, number>>): number {
  const { count, symbols } = factors(dim);
  return symbols.reduce((product, symbol) => {
    const size = Object.hasOwn(sizes, symbol) ? sizes[symbol] : undefined;
    if (size === undefined) throw new RangeError(`the size "${dim}" is not known`);
    return product * size;
  }, count);
}

/** What is left of a shape's element count after division by other sizes; undefined when it is not a whole. */
export function quotientDim(shape: Shape, by: Shape): Dim | undefined {
  const above = factors(productDim(shape.flatMap(splitDim)));
  const below = factors(productDim(by.flatMap(splitDim)));
  const symbols = [...above.symbols];
  for (const symbol of below.symbols) {
    const at = symbols.indexOf(symbol);
    if (at < 0) return undefined;
    symbols.splice(at, 1);
  }
  if (below.count === 0 || above.count % below.count !== 0) return undefined;
  return productDim([above.count / below.count, ...symbols]);
}

function splitDim(dim: Dim): Dim[] {
  const { count, symbols } = factors(dim);
  return [count, ...symbols];
}

/** A symbol for a size that only the run can tell, named after the node that makes it. */
export function unknownDim(call: Call, i: number): string {
  return `${call.op}_${call.graph.nodes.length}_${i}`;
}

/** Permutation that undoes another one. */
export function inversePermutation(permutation: readonly number[]): number[] {
  const inverse = new Array<number>(permutation.length);
  permutation.forEach((from, to) => {
    inverse[from] = to;
  });
  return inverse;
}
