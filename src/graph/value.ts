import type { DType, Tensor } from '../math/index.ts';

/** A size: known, or a symbol ("batch") that is bound when the graph runs. */
export type Dim = number | string;
export type Shape = readonly Dim[];

/** An ONNX attribute. Integers are plain numbers: ONNX's int attributes are sizes, axes and flags. */
export type Attribute =
  | { readonly type: 'int'; readonly value: number }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'ints'; readonly value: readonly number[] }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'tensor'; readonly value: Tensor };
export type Attributes = Readonly<Record<string, Attribute>>;

/** An edge of the graph: the typed result of a node, an input, or a constant. */
export interface Value {
  readonly graph: Graph;
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** The node that makes this value; undefined for inputs and constants. */
  readonly producer: Node | undefined;
}

/** One operator call. `inputs` may hold undefined where ONNX allows an omitted optional input. */
export interface Node {
  readonly op: string;
  /** '' for ONNX itself, 'com.microsoft' for ONNX Runtime's own operators. */
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
}

export type Precision = 'float32' | 'float16';
export type Target = 'cpu' | 'gpu';

/**
 * A graph under construction. Nodes stand in the order in which they were added, which is a
 * topological order, because a node can only be given values that exist already.
 */
export interface Graph {
  readonly opset: number;
  /**
   * Whether functions take ONNX Runtime's own operators where they run faster: such a graph has no gradients
   * there, and other programs cannot read it.
   */
  readonly runtimeOperators: boolean;
  /** The type in which networks built here compute; what goes in and comes out stays float32. */
  readonly precision: Precision;
  /**
   * What functions build for where the two want another form of the same result: a GPU's kernels bind few buffers, and
   * share out a product by the cells of its result, so that a small result over a long sum leaves most of it idle.
   */
  readonly target: Target;
  readonly nodes: Node[];
  readonly inputs: Value[];
  /** Weights and other constants: ONNX initializers. */
  readonly constants: Map<Value, ConstantData>;
  readonly names: Set<string>;
}

/**
 * A constant's content: in memory, left where it lies on disk (read only when it is needed), or made whenever it is
 * needed, such as a weight that is stored in another form.
 */
export type ConstantData =
  | { readonly kind: 'memory'; readonly tensor: Tensor }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly offsetBytes: number;
      readonly lengthBytes: number;
      readonly dtype: DType;
      readonly shape: readonly number[];
    }
  | {
      readonly kind: 'deferred';
      readonly dtype: DType;
      readonly shape: readonly number[];
      /** The same content at every call. */
      read(): Tensor;
    };

/** A constant that somebody has stored: not to be made first. */
export type StoredConstant = Exclude<ConstantData, { kind: 'deferred' }>;

/** A finished model: a graph and the values that leave it under public names. */
export interface Model {
  readonly graph: Graph;
  readonly outputs: ReadonlyMap<string, Value>;
}
