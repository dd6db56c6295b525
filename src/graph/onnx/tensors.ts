import { realpathSync, statSync } from 'node:fs';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { elementCount, type Tensor } from '../../math/index.ts';
import { dtypeOf } from '../dtypes.ts';
import type { ConstantData, StoredConstant } from '../value.ts';
import { byteCount, tensorFromBytes } from './bytes.ts';
import { readConstant } from './encode.ts';
import { EXTERNAL, type TensorProto, toBigInt, toNumber } from './schema.ts';
import { refuseStandIn } from './stand-in.ts';

/** External tensors up to this size are read at once: shapes and axes, which shape inference looks into. */
const SMALL_BYTES = 1024;

/**
 * A constant from its protobuf message. Content inside the message is copied out of it; content in another
 * file stays there, after its place has been checked against that file.
 *
 * @param where names model and tensor in errors
 * @param folder the model's folder; undefined for bytes that came from nowhere
 */
export function constantFrom(proto: TensorProto, where: string, folder: string | undefined): StoredConstant {
  if (proto.data_location !== EXTERNAL) return { kind: 'memory', tensor: tensorFrom(proto, where) };
  const external = externalConstant(proto, where, folder);
  if (external.lengthBytes > SMALL_BYTES) return external;
  const { dtype, shape } = external;
  return { kind: 'memory', tensor: tensorFromBytes(dtype, shape, readConstant(external)) };
}

/** A tensor whose content lies in the message, in raw form or in one of the typed fields. */
export function tensorFrom(proto: TensorProto, where: string): Tensor {
  if (proto.data_location === EXTERNAL)
    throw new VerbatimError(`${where}: external data is allowed for initializers only`);
  const dtype = dtypeOf(proto.data_type, where);
  const shape = shapeFrom(proto, where);
  const count = elementCount(shape);
  if (Object.hasOwn(proto, 'raw_data')) {
    const bytes = proto.raw_data!;
    const expected = byteCount(dtype, shape);
    if (bytes.byteLength !== expected)
      throw new VerbatimError(
        `${where}: ${bytes.byteLength} bytes of data, but ${dtype} [${shape.join(', ')}] takes ${expected}`,
      );
    return tensorFromBytes(dtype, shape, bytes);
  }
  const data = typedData(proto, dtype);
  if (data.length !== count)
    throw new VerbatimError(
      `${where}: ${data.length} values, but ${dtype} [${shape.join(', ')}] takes ${count}`,
    );
  return { dtype, shape, data };
}

/** The typed fields; small types, float16 as bits among them, are stored in `int32_data`. */
function typedData(proto: TensorProto, dtype: Tensor['dtype']): Tensor['data'] {
  const words = proto.int32_data ?? [];
  switch (dtype) {
    case 'float32':
      return Float32Array.from(proto.float_data ?? []);
    case 'float64':
      return Float64Array.from(proto.double_data ?? []);
    case 'int64':
      return BigInt64Array.from((proto.int64_data ?? []).map(toBigInt));
    case 'int32':
      return Int32Array.from(words);
    case 'float16':
      return Uint16Array.from(words);
    case 'int8':
      return Int8Array.from(words);
    case 'uint8':
    case 'bool':
      return Uint8Array.from(words);
  }
}

function shapeFrom(proto: TensorProto, where: string): number[] {
  const shape = (proto.dims ?? []).map(toNumber);
  if (shape.some((size) => size < 0) || !Number.isSafeInteger(elementCount(shape)))
    throw new VerbatimError(`${where}: the shape [${shape.join(', ')}] is impossible; the file is damaged`);
  return shape;
}

export function externalConstant(
  proto: TensorProto,
  where: string,
  folder: string | undefined,
): ConstantData & { kind: 'file' } {
  const entries = new Map((proto.external_data ?? []).map((entry) => [entry.key, entry.value ?? '']));
  const location = entries.get('location') ?? '';
  const dtype = dtypeOf(proto.data_type, where);
  const shape = shapeFrom(proto, where);
  const path = externalPath(location, where, folder);
  const fileBytes = statSync(path).size;
  const offsetBytes = byteNumber(entries.get('offset') ?? '0', 'offset', where);
  const expected = byteCount(dtype, shape);
  const lengthBytes = byteNumber(entries.get('length') ?? String(fileBytes - offsetBytes), 'length', where);
  if (lengthBytes !== expected || offsetBytes + lengthBytes > fileBytes) refuseStandIn(path);
  if (lengthBytes !== expected)
    throw new VerbatimError(
      `${where}: ${lengthBytes} bytes of external data, but ${dtype} [${shape.join(', ')}] takes ${expected}`,
    );
  if (offsetBytes + lengthBytes > fileBytes)
    throw new VerbatimError(
      `${where}: its data reaches to byte ${offsetBytes + lengthBytes} of ${path}, which has only ${fileBytes}; the file was cut short or belongs to another model`,
    );
  return { kind: 'file', path, offsetBytes, lengthBytes, dtype, shape };
}

function byteNumber(text: string, what: string, where: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw new VerbatimError(`${where}: the ${what} "${text}" of its external data is no byte position`);
  return value;
}

/** The file of external data, which must lie in the model's folder, also after links are followed. */
function externalPath(location: string, where: string, folder: string | undefined): string {
  if (folder === undefined)
    throw new VerbatimError(
      `${where}: its data lies in the file "${location}"; open the model with readModel, or name its folder (baseFolder)`,
    );
  const unsafe =
    location === '' ||
    location.includes('\0') ||
    isAbsolute(location) ||
    /^[a-zA-Z]:/.test(location) ||
    location.split(/[\\/]/).includes('..');
  if (unsafe)
    throw new VerbatimError(
      `${where}: its data is said to lie in "${location}"; only a path inside the model's folder is allowed`,
    );
  const path = resolve(folder, location);
  if (!statSync(path, { throwIfNoEntry: false })?.isFile())
    throw new VerbatimError(
      `${where}: its data lies in ${path}, which is not there; put that file beside the model`,
    );
  const inside = relative(realpathSync(folder), realpathSync(path));
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside))
    throw new VerbatimError(
      `${where}: ${path} is a link that leaves the model's folder; put a copy of the file there`,
    );
  return path;
}
