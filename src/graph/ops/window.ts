import { intOf, intsOf, stringOf } from '../attributes.ts';
import type { Call } from '../registry.ts';
import { fail, formatShape } from '../shapes.ts';
import type { Dim, Node, Value } from '../value.ts';

/** A convolution's geometry with ONNX's defaults filled in; `pads` holds all begins, then all ends. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly groups: number;
}

/** Reads a convolution's or a pooling's geometry and resolves auto_pad against the input's sizes. */
export function windowOf(node: Call | Node, x: Value, kernel: readonly number[]): Window {
  const axes = kernel.length;
  const strides = intsOf(node, 'strides') ?? new Array<number>(axes).fill(1);
  const dilations = intsOf(node, 'dilations') ?? new Array<number>(axes).fill(1);
  const auto = stringOf(node, 'auto_pad', 'NOTSET');
  let pads = intsOf(node, 'pads') ?? new Array<number>(2 * axes).fill(0);
  if (auto === 'VALID') pads = new Array<number>(2 * axes).fill(0);
  else if (auto !== 'NOTSET' && auto !== '') {
    if (node.op === 'ConvTranspose')
      fail(node, `auto_pad "${auto}" is not supported; give the pads as numbers`);
    const totals = kernel.map((size, i) => {
      const length = x.shape[i + 2];
      if (typeof length !== 'number') fail(node, `auto_pad needs known sizes, got ${formatShape(x.shape)}`);
      const out = Math.ceil(length / strides[i]!);
      return Math.max(0, (out - 1) * strides[i]! + (size - 1) * dilations[i]! + 1 - length);
    });
    const small = totals.map((total) => Math.floor(total / 2));
    const large = totals.map((total) => Math.ceil(total / 2));
    pads = auto === 'SAME_UPPER' ? [...small, ...large] : [...large, ...small];
  }
  return { kernel, strides, dilations, pads, groups: intOf(node, 'group', 1) };
}

/** Output size of a window that slides over a length; symbols stay as the name of the result. */
export function slidDim(call: Call, length: Dim, window: Window, i: number, roundUp = false): Dim {
  const { kernel, strides, dilations, pads } = window;
  const border = pads[i]! + pads[i + kernel.length]!;
  const reach = (kernel[i]! - 1) * dilations[i]! + 1;
  if (typeof length === 'string') {
    if (border === reach - 1 && strides[i] === 1) return length;
    return `(${length}+${border - reach})/${strides[i]}+1`;
  }
  const steps = (length + border - reach) / strides[i]!;
  const count = (roundUp ? Math.ceil(steps) : Math.floor(steps)) + 1;
  if (count < 1) fail(call, `a window of ${reach} does not fit into ${length} (with ${border} of padding)`);
  // A window may not start in the border behind the picture.
  return roundUp && (count - 1) * strides[i]! >= length + pads[i]! ? count - 1 : count;
}
