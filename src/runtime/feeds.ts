import { VerbatimError } from '../errors.ts';
import { elementCount, type Tensor, TYPED_ARRAYS } from '../math/index.ts';
import { copyTensor, type Tensors } from './protocol.ts';
import type { Port } from './session.types.ts';

/** `float32 [batch, 4, 64, 64]`, for messages. */
export function describe(dtype: string, shape: readonly (number | string)[]): string {
  return `${dtype} [${shape.join(', ')}]`;
}

/** The port of a name. Throws a VerbatimError that lists the names there are. */
export function findPort(
  label: string,
  kind: 'input' | 'output',
  ports: readonly Port[],
  name: string,
): Port {
  const port = ports.find((candidate) => candidate.name === name);
  if (port) return port;
  const names = ports.map((candidate) => `"${candidate.name}"`).join(', ') || 'none';
  throw new VerbatimError(`${label}: there is no ${kind} "${name}"; ${kind}s are ${names}`);
}

/**
 * The tensors in buffers of their own (copies, but for those that are lent), checked against the inputs' names, dtypes and shapes.
 * (An empty shape in a file may also mean "not declared": there the rank is left to onnxruntime.)
 */
export function copyFeeds(
  label: string,
  inputs: readonly Port[],
  feeds: Tensors,
  lend: readonly string[] = [],
): Record<string, Tensor> {
  const copies: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(feeds)) {
    const port = findPort(label, 'input', inputs, name);
    checkTensor(label, port, tensor);
    copies[name] = lend.includes(name) ? lendable(label, name, tensor) : copyTensor(tensor);
  }
  return copies;
}

function lendable(label: string, name: string, tensor: Tensor): Tensor {
  const { buffer, byteLength } = tensor.data;
  if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength) return tensor;
  throw new VerbatimError(
    `${label}: input "${name}" cannot be lent: its values do not fill an ArrayBuffer of their own`,
  );
}

function checkTensor(label: string, port: Port, tensor: Tensor): void {
  const came = describe(tensor.dtype, tensor.shape);
  const expected = describe(port.dtype, port.shape);
  if (tensor.dtype !== port.dtype || !fits(port.shape, tensor.shape))
    throw new VerbatimError(`${label}: input "${port.name}" is ${expected}, but ${came} came`);
  if (!(tensor.data instanceof TYPED_ARRAYS[tensor.dtype]))
    throw new VerbatimError(
      `${label}: input "${port.name}" (${expected}) needs a ${TYPED_ARRAYS[tensor.dtype].name}, but a ${tensor.data.constructor.name} came`,
    );
  if (tensor.data.length !== elementCount(tensor.shape))
    throw new VerbatimError(
      `${label}: input "${port.name}": ${tensor.data.length} values do not fill ${came}, which takes ${elementCount(tensor.shape)}`,
    );
}

/** Whether a shape (or another port's shape) can stand where `expected` is declared. */
export function fits(expected: Port['shape'], came: Port['shape']): boolean {
  if (expected.length === 0) return true;
  if (expected.length !== came.length) return false;
  return expected.every((size, axis) => {
    const other = came[axis];
    return typeof size === 'string' || typeof other === 'string' || size === other;
  });
}
