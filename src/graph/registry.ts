import type { DType } from '../math/index.ts';
import type { Attributes, Dim, Graph, Node, Shape, Value } from './value.ts';

/** An operator call before its outputs exist: what shape inference looks at. */
export interface Call {
  readonly graph: Graph;
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  /** How many outputs the caller asks for; undefined: as many as the operator has by itself. */
  readonly outputs: number | undefined;
}

/** What inference says about one output. `known` is its content, row-major, where it can be told at build time. */
export interface OutputType {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly known?: readonly Dim[] | undefined;
}

/** What a gradient rule gets to see of the node that it goes back through. */
export interface Backward {
  readonly node: Node;
  readonly graph: Graph;
  /** Gradient of the loss by output i; undefined where the loss does not depend on that output. */
  readonly gradients: readonly (Value | undefined)[];
  /** Gradient of the loss by the first output. Refused when nothing flows there. */
  readonly dy: Value;
  /** Input i, which must be there. */
  input(i: number): Value;
  /** Whether anybody needs the gradient by input i; rules skip the work otherwise. */
  wants(i: number): boolean;
}

/** Gradients by each input; undefined where none was wanted or none exists (indices, shapes). */
export type GradientRule = (back: Backward) => readonly (Value | undefined)[];

export interface OpRule {
  /** Output types from input types; throws a VerbatimError that names the op and the shapes. */
  readonly infer: (call: Call) => readonly OutputType[];
  /**
   * How gradients go back. 'none': the outputs are indices, flags or steps, whose derivative is zero
   * wherever it exists, so gradients end here silently. Undefined: differentiating through it is refused.
   */
  readonly gradient?: GradientRule | 'none';
}

const rules = new Map<string, OpRule>();

function key(op: string, domain: string): string {
  return domain === '' || domain === 'ai.onnx' ? op : `${domain}.${op}`;
}

/** Adds operators to the table. Called once by every file in `ops/`, when it is loaded. */
export function defineOps(table: Readonly<Record<string, OpRule>>, domain = ''): void {
  for (const [op, rule] of Object.entries(table)) rules.set(key(op, domain), rule);
}

/** The rule of an operator, or undefined when it is unknown. `domain` is '' for ONNX's own. */
export function ruleOf(op: string, domain = ''): OpRule | undefined {
  return rules.get(key(op, domain));
}

/** All operators that a graph may hold, sorted; those of another domain carry it as a prefix. */
export function knownOps(): readonly string[] {
  return [...rules.keys()].sort();
}

/** Of these, the ones that `gradients` goes through, sorted. */
export function differentiableOps(): readonly string[] {
  return knownOps().filter((op) => typeof rules.get(op)?.gradient === 'function');
}

/** Of these, the ones whose derivative is zero wherever it exists, sorted. */
export function endingOps(): readonly string[] {
  return knownOps().filter((op) => rules.get(op)?.gradient === 'none');
}
