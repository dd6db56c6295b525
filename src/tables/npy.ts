import type { FileHandle } from 'node:fs/promises';
import { VerbatimError } from '../errors.ts';
import { writeFileAtomic } from './atomic.ts';

/**
 * NumPy's file format for one array (numpy.lib.format, versions 1 to 3): a header in Python's notation, then the
 * values, row-major and little-endian. So `numpy.load(path, mmap_mode='r')` opens what we write, and we open
 * what clip-retrieval writes.
 */
export interface NpyHeader {
  readonly dtype: 'float32' | 'float16' | 'int8' | 'uint8';
  readonly shape: readonly number[];
  /** Where the values begin, in bytes. */
  readonly offsetBytes: number;
}

const magic = '\x93NUMPY';
const descriptors = { float32: '<f4', float16: '<f2', int8: '|i1', uint8: '|u1' } as const;
const itemBytes = { float32: 4, float16: 2, int8: 1, uint8: 1 } as const;
/** No header of a plain array comes near it. */
const headerLimitBytes = 65_536;

/**
 * Reads and checks the header of an open file.
 *
 * @throws VerbatimError when it is no such file, holds another kind of array, or is shorter or longer than it says
 */
export async function readNpyHeader(file: FileHandle, path: string): Promise<NpyHeader> {
  const start = Buffer.alloc(12);
  const { bytesRead } = await file.read(start, 0, 12, 0);
  if (bytesRead < 10 || start.toString('latin1', 0, 6) !== magic)
    throw new VerbatimError(`${path}: not a NumPy array file (.npy)`);
  const long = start[6]! > 1;
  const headerBytes = long ? start.readUInt32LE(8) : start.readUInt16LE(8);
  const headerAt = long ? 12 : 10;
  if (headerBytes > headerLimitBytes)
    throw new VerbatimError(`${path}: its header claims ${headerBytes} bytes, no array needs that many`);
  const header = Buffer.alloc(headerBytes);
  const { bytesRead: got } = await file.read(header, 0, headerBytes, headerAt);
  if (got < headerBytes) throw new VerbatimError(`${path}: ends within its header; it was cut short`);
  const text = header.toString('latin1');
  const descriptor = /'descr':\s*'([^']*)'/.exec(text)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
  const sizes = /'shape':\s*\(([\d,\s]*)\)/.exec(text)?.[1];
  if (descriptor === undefined || order === undefined || sizes === undefined)
    throw new VerbatimError(`${path}: its header is not NumPy's: ${JSON.stringify(text.slice(0, 80))}`);
  const dtype = Object.entries(descriptors).find(([, known]) => known === descriptor)?.[0];
  if (dtype === undefined)
    throw new VerbatimError(
      `${path}: holds ${descriptor}; expected one of ${Object.values(descriptors).join(', ')}`,
    );
  if (order === 'True') throw new VerbatimError(`${path}: stands in Fortran order; save it in C order`);
  const shape = [...sizes.matchAll(/\d+/g)].map(([digits]) => Number(digits));
  const found: NpyHeader = {
    dtype: dtype as NpyHeader['dtype'],
    shape,
    offsetBytes: headerAt + headerBytes,
  };
  const expected = found.offsetBytes + shape.reduce((a, b) => a * b, itemBytes[found.dtype]);
  const { size } = await file.stat();
  if (size !== expected)
    throw new VerbatimError(
      `${path}: is ${size} bytes, but an array ${dtype} [${shape.join(', ')}] takes ${expected}; it was cut short or damaged`,
    );
  return found;
}

/** The header that stands before an array's bytes, padded so that they begin at a multiple of 64. */
export function npyHeader(dtype: NpyHeader['dtype'], shape: readonly number[]): Uint8Array {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descriptors[dtype]}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const padding = (64 - ((10 + text.length + 1) % 64)) % 64;
  const header = Buffer.from(`${magic}\x01\x00\0\0${text}${' '.repeat(padding)}\n`, 'latin1');
  header.writeUInt16LE(header.length - 10, 8);
  return header;
}

/** Writes rows [rows, dimension], whole or not at all; float16 as raw bits. */
export async function writeNpy(
  path: string,
  data: Float32Array | Uint16Array | Int8Array | Uint8Array,
  dimension: number,
): Promise<void> {
  const dtype = npyTypeOf(data);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  await writeFileAtomic(path, [npyHeader(dtype, [data.length / dimension, dimension]), bytes]);
}

function npyTypeOf(data: Float32Array | Uint16Array | Int8Array | Uint8Array): NpyHeader['dtype'] {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Uint16Array) return 'float16';
  return data instanceof Int8Array ? 'int8' : 'uint8';
}

/** Bytes of one value. */
export function npyItemBytes(dtype: NpyHeader['dtype']): number {
  return itemBytes[dtype];
}
