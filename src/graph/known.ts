import type { Tensor } from '../math/index.ts';
import type { Dim, Value } from './value.ts';

/** Longest content that is kept at build time: shapes, axes, pads and scales are short. */
const LONGEST_KNOWN = 1024;

const contents = new WeakMap<Value, readonly Dim[]>();

/**
 * Notes what a value will hold, row-major. Sizes may be symbols: the Shape of ["batch", 4] holds
 * "batch" and 4, so that shapes computed from shapes stay known, as PyTorch's exports compute them.
 */
export function noteKnown(value: Value, content: readonly Dim[]): void {
  // Adding 0 turns -0, which integers do not have, into 0.
  if (content.length <= LONGEST_KNOWN)
    contents.set(
      value,
      content.map((dim) => (typeof dim === 'number' ? dim + 0 : dim)),
    );
}

/** What a value will hold when it is known at build time, symbols included; undefined otherwise. */
export function knownContent(value: Value): readonly Dim[] | undefined {
  const noted = contents.get(value);
  if (noted !== undefined) return noted;
  const data = value.graph.constants.get(value);
  if (data?.kind !== 'memory') return undefined;
  const content = tensorNumbers(data.tensor);
  if (content !== undefined) contents.set(value, content);
  return content;
}

/** The content of a short tensor as numbers; undefined for long tensors and float16, which is raw bits. */
export function tensorNumbers(tensor: Tensor): readonly number[] | undefined {
  if (tensor.data.length > LONGEST_KNOWN || tensor.dtype === 'float16') return undefined;
  return Array.from(tensor.data as ArrayLike<number | bigint>, Number);
}

/** The content of a value as numbers, of any element type; undefined when it is not known or has symbols. */
export function knownNumbers(value: Value | undefined): readonly number[] | undefined {
  if (value === undefined) return undefined;
  const content = knownContent(value);
  return content?.every((dim) => typeof dim === 'number') ? (content as readonly number[]) : undefined;
}

/**
 * The integers that a value will hold, row-major, where the builder can tell: constants, and what
 * Shape, Gather, Concat, arithmetic and the like make of them. Undefined for anything else.
 */
export function knownIntegers(value: Value): readonly number[] | undefined {
  return value.dtype === 'int64' || value.dtype === 'int32' ? knownNumbers(value) : undefined;
}
