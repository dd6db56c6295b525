import { type FileHandle, open } from 'node:fs/promises';
import { VerbatimError } from '../errors.ts';
import { type Tensor, toFloat32 } from '../math/index.ts';
import { type NpyHeader, npyItemBytes, readNpyHeader } from './npy.ts';
import type { VectorDType, VectorRows } from './types.ts';

/** What a block holds unless told otherwise: large enough for the matrix product, small enough for the cache. */
const blockBytes = 16 << 20;

function defaultBlockRows(dimension: number): number {
  return Math.max(1, Math.floor(blockBytes / (4 * dimension)));
}

/**
 * Rows that are in memory already: they are copied once, into blocks.
 *
 * @param data [count, dimension]; float16 as raw bits
 */
export function memoryRows(
  data: Float32Array | Uint16Array,
  dimension: number,
  blockRows = defaultBlockRows(dimension),
): VectorRows {
  const count = data.length / dimension;
  if (!Number.isInteger(count)) throw new RangeError(`${data.length} values are no rows of ${dimension}`);
  const dtype: VectorDType = data instanceof Float32Array ? 'float32' : 'float16';
  const blocks: Tensor[] = [];
  for (let from = 0; from < count; from += blockRows) {
    const to = Math.min(count, from + blockRows);
    const part = data.slice(from * dimension, to * dimension);
    blocks.push({ dtype, shape: [to - from, dimension], data: part } as Tensor);
  }
  return {
    dtype,
    count,
    dimension,
    blockRows,
    block: async (at) => blocks[at]!,
    giveBack: (at, rows) => {
      blocks[at] = rows;
    },
    async rows(positions) {
      const out = new Float32Array(positions.length * dimension);
      positions.forEach((position, i) => {
        const block = blocks[Math.floor(position / blockRows)]!.data;
        const from = (position % blockRows) * dimension;
        const row = (block as Float32Array | Uint16Array).subarray(from, from + dimension);
        out.set(row instanceof Uint16Array ? toFloat32(row) : row, i * dimension);
      });
      return out;
    },
    close: async () => {},
  };
}

interface Part {
  readonly path: string;
  readonly file: FileHandle;
  readonly header: NpyHeader;
  /** Position of its first row in the whole. */
  readonly first: number;
}

/**
 * The rows of NumPy files [rows, dimension], one after another: an index of ours, or embeddings that
 * clip-retrieval made. Nothing but the headers is read until rows are asked for.
 *
 * @throws VerbatimError when a file is missing or damaged, or the files differ in dimension or type
 */
export async function openNpyRows(paths: readonly string[], blockRows?: number): Promise<VectorRows> {
  const parts: Part[] = [];
  const close = async () => {
    await Promise.all(parts.map(({ file }) => file.close()));
  };
  try {
    for (const path of paths) parts.push(await openPart(path, parts));
  } catch (error) {
    await close();
    throw error;
  }
  const last = parts.at(-1);
  if (last === undefined) throw new VerbatimError('there are no vectors: no .npy file was named');
  const dtype = last.header.dtype as VectorDType;
  const dimension = last.header.shape[1]!;
  const count = last.first + last.header.shape[0]!;
  const perBlock = blockRows ?? defaultBlockRows(dimension);
  const buffers: ArrayBuffer[] = [];
  const rowBytes = dimension * npyItemBytes(dtype);
  return {
    dtype,
    count,
    dimension,
    blockRows: perBlock,
    async block(at) {
      const from = at * perBlock;
      const size = Math.min(count, from + perBlock) - from;
      // A new buffer's pages cost more than reading into it does: they are used again.
      const fitting = buffers.findIndex(({ byteLength }) => byteLength === size * rowBytes);
      const [buffer] = fitting < 0 ? [] : buffers.splice(fitting, 1);
      const bytes = new Uint8Array(buffer ?? new ArrayBuffer(size * rowBytes));
      await readRange(parts, rowBytes, from, bytes);
      return asTensor(bytes, dtype, dimension);
    },
    giveBack(_, rows) {
      buffers.push(rows.data.buffer as ArrayBuffer);
    },
    async rows(positions) {
      const out = new Float32Array(positions.length * dimension);
      const bytes = new Uint8Array(rowBytes);
      for (const [i, position] of positions.entries()) {
        await readRange(parts, rowBytes, position, bytes);
        const { data } = asTensor(bytes, dtype, dimension);
        out.set(data instanceof Uint16Array ? toFloat32(data) : (data as Float32Array), i * dimension);
      }
      return out;
    },
    close,
  };
}

async function openPart(path: string, before: readonly Part[]): Promise<Part> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new VerbatimError(`${path}: ${error.code === 'ENOENT' ? 'no such file' : error.message}`);
  });
  try {
    const header = await readNpyHeader(file, path);
    const { dtype, shape } = header;
    if (shape.length !== 2 || shape[1] === 0 || (dtype !== 'float32' && dtype !== 'float16'))
      throw new VerbatimError(
        `${path}: holds ${dtype} [${shape.join(', ')}]; expected float32 or float16 [rows, dimension]`,
      );
    const [first] = before;
    if (first && (shape[1] !== first.header.shape[1] || dtype !== first.header.dtype))
      throw new VerbatimError(
        `${path}: holds ${dtype} vectors of ${shape[1]} values, ${first.path} ${first.header.dtype} ones of ${first.header.shape[1]}`,
      );
    const previous = before.at(-1);
    return { path, file, header, first: previous ? previous.first + previous.header.shape[0]! : 0 };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function asTensor(bytes: Uint8Array, dtype: VectorDType, dimension: number): Tensor {
  const data = dtype === 'float32' ? new Float32Array(bytes.buffer) : new Uint16Array(bytes.buffer);
  return { dtype, shape: [data.length / dimension, dimension], data } as Tensor;
}

/** Fills `into` with rows from position `from` on, across the files. */
async function readRange(
  parts: readonly Part[],
  rowBytes: number,
  from: number,
  into: Uint8Array,
): Promise<void> {
  const to = from + into.length / rowBytes;
  for (const { path, file, header, first } of parts) {
    const begin = Math.max(from, first);
    const end = Math.min(to, first + header.shape[0]!);
    if (begin >= end) continue;
    const target = into.subarray((begin - from) * rowBytes, (end - from) * rowBytes);
    await readFully(file, path, target, header.offsetBytes + (begin - first) * rowBytes);
  }
}

/** A read may give less than was asked for. */
async function readFully(file: FileHandle, path: string, into: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw new VerbatimError(`${path}: became shorter while it was read`);
    done += bytesRead;
  }
}
