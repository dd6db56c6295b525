import type { Attributes, Value } from '../value.ts';

/** The oldest opset that we read; before it, axes were attributes and Softmax flattened its input. */
export const OLDEST_OPSET = 13;
/** The newest opset that we read. From 21 to 23 only new operators and more element types were added, except as below. */
export const NEWEST_OPSET = 23;
/** The opset that graphs are built for and nodes are brought to. */
export const OUR_OPSET = 20;

/** A node as a file has it, with its inputs found. */
export interface FileNode {
  readonly op: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  readonly outputs: number;
}

/** Reductions that took their axes as an attribute before opset 18 (ReduceSum changed in 13). */
const REDUCTIONS = new Set([
  'ReduceL1',
  'ReduceL2',
  'ReduceLogSum',
  'ReduceLogSumExp',
  'ReduceMax',
  'ReduceMean',
  'ReduceMin',
  'ReduceProd',
  'ReduceSumSquare',
]);

/**
 * The same node in opset 20's form, or a line that says why there is none.
 *
 * @param opset the file's opset, from 13 on
 * @param intVector makes a constant of 64-bit integers
 */
export function upgrade(
  node: FileNode,
  opset: number,
  intVector: (values: readonly number[]) => Value,
): FileNode | string {
  const { op, inputs, attributes } = node;
  if (opset < 18 && REDUCTIONS.has(op) && attributes.axes?.type === 'ints') {
    const { axes, ...rest } = attributes;
    return { ...node, inputs: [inputs[0], intVector(axes.value)], attributes: rest };
  }
  if (opset < 18 && op === 'Split' && inputs[1] === undefined && attributes.num_outputs === undefined) {
    const count = { type: 'int', value: node.outputs } as const;
    return { ...node, attributes: { ...attributes, num_outputs: count } };
  }
  if (opset < 20 && op === 'GridSample' && attributes.mode?.type === 'string') {
    const renamed: Record<string, string> = { bilinear: 'linear', bicubic: 'cubic' };
    const value = renamed[attributes.mode.value] ?? attributes.mode.value;
    return { ...node, attributes: { ...attributes, mode: { type: 'string', value } } };
  }
  if (opset >= 21 && op === 'GroupNormalization')
    return 'its scale and bias are per channel since opset 21, which is not supported; export with opset 20';
  return node;
}
