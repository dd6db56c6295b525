import type { Tensor } from '../math/index.ts';
import type { Attribute, Attributes } from './value.ts';

export function int(value: number): Attribute {
  return { type: 'int', value };
}

export function ints(value: readonly number[]): Attribute {
  return { type: 'ints', value };
}

export function float(value: number): Attribute {
  return { type: 'float', value };
}

export function floats(value: readonly number[]): Attribute {
  return { type: 'floats', value };
}

export function string(value: string): Attribute {
  return { type: 'string', value };
}

export function tensorAttribute(value: Tensor): Attribute {
  return { type: 'tensor', value };
}

/** Something that carries attributes: a node, or a call that is about to become one. */
interface Attributed {
  readonly attributes: Attributes;
}

/** Reads an integer attribute, or ONNX's default for it. */
export function intOf(node: Attributed, name: string, otherwise: number): number {
  const attribute = node.attributes[name];
  return attribute?.type === 'int' ? attribute.value : otherwise;
}

/** Reads a float attribute, or ONNX's default for it. */
export function floatOf(node: Attributed, name: string, otherwise: number): number {
  const attribute = node.attributes[name];
  return attribute?.type === 'float' || attribute?.type === 'int' ? attribute.value : otherwise;
}

/** Reads a string attribute, or ONNX's default for it. */
export function stringOf(node: Attributed, name: string, otherwise: string): string {
  const attribute = node.attributes[name];
  return attribute?.type === 'string' ? attribute.value : otherwise;
}

/** Reads a list of integers; undefined when the attribute is absent. */
export function intsOf(node: Attributed, name: string): readonly number[] | undefined {
  const attribute = node.attributes[name];
  return attribute?.type === 'ints' ? attribute.value : undefined;
}

/** Reads a list of floats; undefined when the attribute is absent. */
export function floatsOf(node: Attributed, name: string): readonly number[] | undefined {
  const attribute = node.attributes[name];
  return attribute?.type === 'floats' ? attribute.value : undefined;
}

/** Reads a tensor attribute; undefined when the attribute is absent. */
export function tensorOf(node: Attributed, name: string): Tensor | undefined {
  const attribute = node.attributes[name];
  return attribute?.type === 'tensor' ? attribute.value : undefined;
}
